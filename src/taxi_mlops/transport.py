"""Refuse addresses whose connections are not encrypted: `TAXI_REQUIRE_TLS`."""

from __future__ import annotations

import ipaddress
import os
import re
from urllib.parse import parse_qs, urlsplit

from taxi_mlops.errors import UsageError

SETTING = "TAXI_REQUIRE_TLS"

_INSTEAD = {"http": "https://", "redis": "rediss://", "dask": "tls://", "tcp": "tls://"}
_ENCRYPTED = frozenset({"https", "rediss", "tls", "databricks", "databricks-uc"})
_NO_CONNECTION = frozenset({"file", "sqlite", "unix", "s3"})
"""Files and sockets of this machine; and what goes to the object store, whose address is a setting of its own."""
_VERIFYING = frozenset({"verify-ca", "verify-full"})
# As SQLAlchemy reads it, which makes the connection: the user ends at the first colon, the password at the first @.
_OF_DATABASE = re.compile(r"[^:]+://(?:[^:/@]*(?::[^@]*)?@)?(?P<hosts>[^/?]*)")
VARIABLES = (
    "PREFECT_API_URL",
    "VAULT_ADDR",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",
    "AWS_ENDPOINT_URL_STS",
    "MLFLOW_S3_ENDPOINT_URL",
)
"""Variables of other libraries that stand for settings."""


class UnencryptedError(UsageError):
    """An address asks for a connection without TLS to another machine."""


def require_encrypted(address: str, what: str) -> None:
    """Raise UnencryptedError if an address asks for a plain connection that leaves this machine.

    what: names the address, as the variable of its setting. Text that is no address is accepted.
    """
    instead = _instead_of(address)
    if instead is not None:
        raise UnencryptedError(
            f"{what} is {_scheme(address)}://…, without TLS, which {SETTING} refuses; write {instead}"
        )


def require_encrypted_variables() -> None:
    """Raise UnencryptedError if a variable of another library is such an address."""
    for name in VARIABLES:
        require_encrypted(os.environ.get(name, ""), name)


def _instead_of(address: str) -> str | None:
    """Return what to write instead of a plain address of another machine; None if it may stay."""
    kind = _scheme(address).partition("+")[0].lower()
    if not kind or kind in _NO_CONNECTION:
        return None
    if kind in ("postgresql", "postgres"):
        return _instead_of_database(address)
    if kind == "rediss":
        checks = parse_qs(urlsplit(address).query).get("ssl_cert_reqs", ["required"])
        return None if checks == ["required"] else "it without ssl_cert_reqs, so that the certificate is checked"
    if kind in _ENCRYPTED or _is_of_this_machine(_host(address)):
        return None
    if kind == "ray":
        return None if os.environ.get("RAY_USE_TLS") == "1" else "it with RAY_USE_TLS=1 and Ray's certificates"
    return _INSTEAD.get(kind, "an address that begins with https://")


def _scheme(address: str) -> str:
    """Return the scheme of an address, without a format before it, as in delta:s3://…; empty without one."""
    before, separator, _ = address.partition("://")
    return before.rpartition(":")[2].strip() if separator else ""


def _host(address: str) -> str | None:
    try:
        return urlsplit(f"any://{address.partition('://')[2]}").hostname
    except ValueError:
        return None


def _instead_of_database(address: str) -> str | None:
    query = parse_qs(address.partition("?")[2])
    found = _OF_DATABASE.match(address)
    hosts = found["hosts"].split(",") if found else []
    hosts += [host for name in ("host", "hostaddr") for value in query.get(name, []) for host in value.split(",")]
    if query.get("sslmode", [""])[-1] in _VERIFYING or all(map(_is_local_server, hosts)):
        return None
    return "it with sslmode=verify-full"


def _is_local_server(host: str) -> bool:
    """Return whether a host of a PostgreSQL URL, with or without a port, is this machine; empty or a path: a socket."""
    name = re.sub(r":\d*$", "", host) if not host.startswith("[") else host[1:].partition("]")[0]
    return not name or name.startswith("/") or _is_of_this_machine(name)


def _is_of_this_machine(host: str | None) -> bool:
    """Return whether connections to a host stay on the loopback device."""
    if not host:
        return False
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
