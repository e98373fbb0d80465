"""Run Prefect's command, and serve its process' metrics at a given address:

    python -m taxi_mlops.flows.prefect_worker 127.0.0.1:9465 worker start --pool taxi

Prefect can serve them itself (PREFECT_CLIENT_METRICS_ENABLED), but on all network interfaces, and each flow run of a
worker would try to use the same port.
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
    """Serve metrics at the address of the first argument, and run Prefect with the others."""
    host, _, port = sys.argv.pop(1).rpartition(":")
    start_http_server(int(port), addr=host)
    Thread(target=_tidy_up, name="tidy-up", daemon=True).start()
    app()


def _tidy_up() -> None:
    """Collect cyclic garbage from time to time, and return its memory to the system.

    For each flow run Prefect creates several TLS contexts of 0.9 MB each, which the garbage collector does not count:
    by itself it would keep them for hours.
    """
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only glibc has it
    while True:
        time.sleep(_TIDY_SECONDS)
        gc.collect()
        if malloc_trim is not None:
            malloc_trim(0)


if __name__ == "__main__":
    main()
