"""Run MLflow's command, and serve its server's metrics at a given address, without authentication:

    MLFLOW_EXPOSE_PROMETHEUS=FOLDER python -m taxi_mlops.stack.mlflow_server 127.0.0.1:9466 server --app-name basic-auth

MLflow serves them beside its pages too, but to its administrator alone, and Prometheus need not be that. Its server
writes them to the folder, as files that any process can read.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mlflow.cli import cli
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector


def main() -> None:
    """Serve metrics at the address of the first argument, and run MLflow with the others."""
    host, _, port = sys.argv.pop(1).rpartition(":")
    folder = Path(os.environ["MLFLOW_EXPOSE_PROMETHEUS"])
    folder.mkdir(parents=True, exist_ok=True)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]  # the library annotates none of it
    start_http_server(int(port), addr=host, registry=registry)
    cli.main()


if __name__ == "__main__":
    main()
