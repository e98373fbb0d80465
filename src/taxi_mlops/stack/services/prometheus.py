"""Prometheus, which scrapes the services of the stack, and sends alerts to Alertmanager."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from taxi_mlops.stack.configuration import configuration, deploy_folder
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.service import HttpService, InstalledService, Program
from taxi_mlops.stack.services.dask import DaskWorkers, worker_addresses
from taxi_mlops.stack.services.etcd import MEMBERS
from taxi_mlops.stack.services.mlflow import Mlflow
from taxi_mlops.stack.services.object_store import MINIO, ObjectStore
from taxi_mlops.stack.services.patroni import NODES
from taxi_mlops.stack.services.replicas import MLFLOW_SERVERS

TARGETS = {
    "prometheus": {"job": "prometheus"},
    "alertmanager": {"job": "alertmanager"},
    "exporter": {"job": "taxi-exporter"},
    "mlflow": {"job": "mlflow"},
    "prefect-worker": {"job": "prefect-worker"},
    "node-exporter": {"job": "node"},
    "process-exporter": {"job": "process"},
    "postgres-exporter": {"job": "postgres"},
    "redis-exporter": {"job": "redis"},
    "loki": {"job": "loki"},
    "jaeger": {"job": "jaeger"},
    "dask-scheduler": {"job": "dask"},
    "dask": {"job": "dask"},
    "ray": {"job": "ray"},
}
"""As in deploy/prometheus/targets/services.yml, by the services' names here; also the worker, found by DNS there."""
_REPLICAS = {
    **{name: {"job": "etcd"} for name in MEMBERS},
    **{name: {"job": "patroni"} for name in NODES},
    **{name: {"job": "mlflow"} for name in MLFLOW_SERVERS},
}
"""Of the profile `production`, besides; each of MLflow's servers instead of their common address."""
_PORTS = {
    "dask-scheduler": "dashboard",
    **dict.fromkeys(("jaeger", "mlflow", "prefect-worker", "ray", *MLFLOW_SERVERS), "metrics"),
}
_OWN_FILES = {"alertmanager": "alertmanager", "pushgateway": "pushgateway", "prefect-server": "prefect"}


class Prometheus(InstalledService, HttpService):
    name = "prometheus"
    programs = ("prometheus",)
    health = "/-/ready"

    def program(self, stack: StackFolder) -> Program:
        folder = stack.data(self.name)
        return Program(
            command=(
                self.executable,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--storage.tsdb.retention.time=30d",
                "--storage.tsdb.retention.size=5GB",
                f"--web.listen-address={stack.listens_at(self.name)}",
            ),
            files={
                "prometheus.yml": _without_dns(configuration("prometheus/prometheus.yml")),
                "secrets/prefect_password": stack.secret("prefect_password"),
                **{f"rules/{path.name}": path.read_text(encoding="utf-8") for path in _rules()},
                **_targets(stack),
            },
        )


def _without_dns(text: str) -> str:
    """Return the configuration without the jobs whose targets have names in a network of containers alone."""
    document: dict[str, Any] = yaml.safe_load(text)
    jobs = document["scrape_configs"]
    return yaml.safe_dump(
        document | {"scrape_configs": [job for job in jobs if "dns_sd_configs" not in job]}, sort_keys=False
    )


def _rules() -> list[Path]:
    return sorted((deploy_folder() / "prometheus" / "rules").glob("*.yml"))


def _targets(stack: StackFolder) -> dict[str, str]:
    """Return the files of targets: the services of this stack."""
    there = set(stack.services())
    scraped = there - ({Mlflow.name} if there.intersection(MLFLOW_SERVERS) else set())
    services: list[dict[str, object]] = [
        {"targets": _all_listen_at(stack, name), "labels": labels}
        for name, labels in (TARGETS | _REPLICAS).items()
        if name in scraped
    ]
    if ObjectStore.name in there:
        services.append(_object_store(stack))
    own = {name: [{"targets": [_listens_at(stack, name)]}] if name in there else [] for name in _OWN_FILES}
    files = {"services": services, **{_OWN_FILES[name]: targets for name, targets in own.items()}}
    return {f"targets/{name}.yml": yaml.safe_dump(targets) for name, targets in files.items()}


def _object_store(stack: StackFolder) -> dict[str, object]:
    """Return the targets of the object store: MinIO serves metrics on its own port, SeaweedFS on separate ones."""
    if ObjectStore().kind(stack) == MINIO:
        path = {"__metrics_path__": "/minio/v2/metrics/cluster"}
        return {"targets": [_listens_at(stack, ObjectStore.name)], "labels": {"job": "object-store", **path}}
    return {"targets": [stack.listens_at(ObjectStore.name, "metrics")], "labels": {"job": "object-store"}}


def _all_listen_at(stack: StackFolder, name: str) -> list[str]:
    return worker_addresses(stack) if name == DaskWorkers.name else [_listens_at(stack, name)]


def _listens_at(stack: StackFolder, name: str) -> str:
    return stack.listens_at(name, _PORTS.get(name, "main"))
