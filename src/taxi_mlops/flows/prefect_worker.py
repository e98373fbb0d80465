"""Prefect's command, whose process shows its metrics where it is told to:

    python -m taxi_mlops.flows.prefect_worker 127.0.0.1:9465 worker start --pool taxi

Prefect would show them itself (PREFECT_CLIENT_METRICS_ENABLED), but to the whole network, and each flow run that a
worker starts would ask for the same port.
"""

from __future__ import annotations

import sys

from prefect.cli import app
from prometheus_client import start_http_server


def main() -> None:
    """The first argument is where to listen; the others are Prefect's."""
    host, _, port = sys.argv.pop(1).rpartition(":")
    start_http_server(int(port), addr=host)
    app()


if __name__ == "__main__":
    main()
