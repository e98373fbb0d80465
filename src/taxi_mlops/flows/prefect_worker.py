"""Prefect's command, whose process shows its metrics where it is told to:

    python -m taxi_mlops.flows.prefect_worker 127.0.0.1:9465 worker start --pool taxi

Prefect would show them itself (PREFECT_CLIENT_METRICS_ENABLED), but to the whole network, and each flow run that a
worker starts would ask for the same port.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from threading import Thread

from prefect.cli import app
from prometheus_client import start_http_server

_TIDY_SECONDS = 60.0


def main() -> None:
    """The first argument is where to listen; the others are Prefect's."""
    host, _, port = sys.argv.pop(1).rpartition(":")
    start_http_server(int(port), addr=host)
    Thread(target=_tidy_up, name="tidy-up", daemon=True).start()
    app()


def _tidy_up() -> None:
    """Now and then collect what waits in cycles, and give its memory back.

    For each flow run Prefect makes several contexts for TLS, of 0.9 MB each outside of what the collector counts: left
    to itself it would let them wait for hours.
    """
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    while True:
        time.sleep(_TIDY_SECONDS)
        gc.collect()
        if malloc_trim is not None:
            malloc_trim(0)


if __name__ == "__main__":
    main()
