"""Run the service until a signal ends it; requests under way are finished."""

from __future__ import annotations

import ipaddress
import socket
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from taxi_mlops.errors import UsageError
from taxi_mlops.features.online import open_online
from taxi_mlops.models.registry import Registry
from taxi_mlops.serving.ab_traffic import AbTraffic, Load
from taxi_mlops.serving.app import create_app
from taxi_mlops.serving.keys import ApiKeys
from taxi_mlops.serving.rate_limit import RateLimit
from taxi_mlops.serving.service_metrics import ServiceMetrics
from taxi_mlops.serving.traced import Traced, service_telemetry
from taxi_mlops.serving.watcher import ModelWatcher, load_served
from taxi_mlops.settings import load_settings

if TYPE_CHECKING:
    from taxi_mlops.models.ab_store import AbStore

FINISH_SECONDS = 30
STOP_SECONDS = 5.0
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
    registry: Registry,
    name: str,
    wanted: str,
    listening: socket.socket,
    host: str,
    keys: ApiKeys | None,
    store: AbStore | None,
) -> None:
    """Answer requests until SIGTERM or SIGINT. store: of A/B tests. Raises UsageError if there is no such version."""
    settings = load_settings()
    with service_telemetry(settings) as tracer:
        metrics = ServiceMetrics(CollectorRegistry())
        watcher = ModelWatcher(registry, name, wanted, metrics.model_loaded)
        retention = timedelta(days=settings.ab_retention_days)
        traffic = None if store is None else AbTraffic(store, name, _loading(registry, name), metrics, retention)
        hosts = None if keys is not None else _LOOPBACK_NAMES | {host.lower()}
        rate = settings.serve_requests_per_second
        limit = None if rate is None else RateLimit(rate)
        app: ASGIApp = create_app(watcher, metrics, keys, hosts, lambda: open_online(settings, name), traffic, limit)
        if tracer is not None:
            app = Traced(app, tracer, settings.serve_traces_ratio)
        _run(app, listening, [watcher] if traffic is None else [watcher, traffic])


def _run(app: ASGIApp, listening: socket.socket, watchers: list[ModelWatcher | AbTraffic]) -> None:
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    threads = [one.watch() for one in watchers]
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        for one in watchers:
            one.stop()
        for thread in threads:
            thread.join(timeout=STOP_SECONDS)


def _loading(registry: Registry, name: str) -> Load:
    return lambda version: load_served(registry, registry.find(name, version))
