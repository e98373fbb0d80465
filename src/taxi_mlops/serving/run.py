"""Run the service until a signal ends it; requests under way are finished."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

import uvicorn
from prometheus_client import CollectorRegistry

from taxi_mlops.errors import UsageError
from taxi_mlops.features.online import open_online
from taxi_mlops.models.registry import Registry
from taxi_mlops.serving.app import create_app
from taxi_mlops.serving.keys import ApiKeys
from taxi_mlops.serving.service_metrics import ServiceMetrics
from taxi_mlops.serving.watcher import ModelWatcher
from taxi_mlops.settings import load_settings

FINISH_SECONDS = 30
MAX_CONNECTIONS = 1000
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def required_keys(host: str, keys: Path | None) -> ApiKeys | None:
    """Return the keys of the file. Raises UsageError if there is none and the address is not loopback."""
    if keys is not None:
        return ApiKeys.read(keys)
    if not is_loopback(host):
        raise UsageError(
            f"--host {host} can be reached from elsewhere, so API keys are needed: make one with "
            "taxi serve --new-key NAME --keys FILE, and serve with --keys FILE"
        )
    return None


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach the address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Port 0 takes a free port. Raises UsageError."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise UsageError(f"cannot listen at {host}:{port}: {error.strerror or error}") from None


def serve(
    registry: Registry, name: str, wanted: str, listening: socket.socket, host: str, keys: ApiKeys | None
) -> None:
    """Answer requests until SIGTERM or SIGINT. Raises UsageError if there is no such version."""
    settings = load_settings()
    metrics = ServiceMetrics(CollectorRegistry())
    watcher = ModelWatcher(registry, name, wanted, metrics.model_loaded)
    hosts = None if keys is not None else _LOOPBACK_NAMES | {host.lower()}
    config = uvicorn.Config(
        create_app(watcher, metrics, keys, hosts, lambda: open_online(settings, name)),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    watching = watcher.watch()
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        watcher.stop()
        watching.join(timeout=5.0)
