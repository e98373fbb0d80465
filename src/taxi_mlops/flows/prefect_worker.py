"""Prefect's command, whose process shows its metrics where it is told to:

    python -m taxi_mlops.flows.prefect_worker 127.0.0.1:9465 worker start --pool taxi

Prefect would show them itself (PREFECT_CLIENT_METRICS_ENABLED), but to the whole network, and each flow run that a
worker starts would ask for the same port.
"""

from __future__ import annotations

import ctypes
import sys

from prefect.cli import app
from prometheus_client import start_http_server

_M_ARENA_MAX = -8  # malloc.h of glibc


def main() -> None:
    """The first argument is where to listen; the others are Prefect's."""
    _share_one_arena()
    host, _, port = sys.argv.pop(1).rpartition(":")
    start_http_server(int(port), addr=host)
    app()


def _share_one_arena() -> None:
    """Let all threads take memory from one place. Each would have an arena, and each keep the most that it ever held.

    Asked of this process alone: MALLOC_ARENA_MAX would reach the flow runs, and what is timed there.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


if __name__ == "__main__":
    main()
