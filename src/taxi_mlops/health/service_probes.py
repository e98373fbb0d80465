"""Check whether a service accepts connections, and when its certificate expires."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from taxi_mlops.errors import SecretError
from taxi_mlops.service_urls import ServiceUrl, experiments_url, mlflow_url
from taxi_mlops.settings import Settings

_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "redis": 6379, "rediss": 6379}
_TLS = ("https", "rediss")
_NOWHERE = "http://unknown.invalid:1"


@dataclass(frozen=True, slots=True)
class Probe:
    """up: whether it accepted a connection. expiry: of its certificate, in seconds since 1970; None without TLS."""

    up: bool
    expiry: float | None = None


def addresses(settings: Settings) -> Mapping[str, str]:
    """Return the addresses of the configured services; those that are files are left out."""
    named = {
        "experiment_store": _revealed(experiments_url(settings)),
        "mlflow": _revealed(mlflow_url(settings)),
        "prefect": settings.prefect_api_url,
        "object_store": settings.object_store_url,
        "redis": _revealed(ServiceUrl(settings.redis_url) if settings.redis_url else None),
        "pushgateway": settings.pushgateway_url,
        "traces": settings.otlp_endpoint,
        "logs": settings.otlp_logs_endpoint,
    }
    found = {name: str(address) for name, address in named.items() if address is not None}
    return {name: address for name, address in found.items() if urlsplit(address).hostname}


def _revealed(url: ServiceUrl | None) -> str | None:
    """Return a URL; one that is a secret that cannot be had leads nowhere, so that its service is reported as down."""
    try:
        return url.reveal() if url else None
    except SecretError:
        return _NOWHERE


def probe(address: str, ca_file: Path | None, timeout_seconds: float) -> Probe:
    """Connect, with a TLS handshake if the address requires one."""
    parts = urlsplit(address)
    scheme = parts.scheme.partition("+")[0]
    host = parts.hostname or ""
    try:
        with socket.create_connection((host, parts.port or _PORTS.get(scheme, 80)), timeout_seconds) as connection:
            if scheme not in _TLS:
                return Probe(up=True)
            context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
            with context.wrap_socket(connection, server_hostname=host) as secured:
                certificate = secured.getpeercert() or {}
                return Probe(up=True, expiry=ssl.cert_time_to_seconds(str(certificate["notAfter"])))
    except OSError:  # includes ssl.SSLError
        return Probe(up=False)
