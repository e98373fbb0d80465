"""Probes of services. As a container's health check: python -m taxi_mlops.stack.probes URL"""

from __future__ import annotations

import socket
import sys

from taxi_mlops.errors import ServiceError

TIMEOUT_SECONDS = 5.0


def get(url: str, *, user: tuple[str, str] | None = None, timeout: float = TIMEOUT_SECONDS) -> str:
    """Return the response to an HTTP request. Raises ServiceError unless it is a success."""
    import httpx

    try:
        answer = httpx.get(url, auth=user, timeout=timeout, trust_env=False)
    except httpx.HTTPError as error:
        raise ServiceError(f"{url}: {str(error) or type(error).__name__}") from None
    if not answer.is_success:
        raise ServiceError(f"{url} answers {answer.status_code} {answer.reason_phrase}")
    return answer.text


def connect(address: str, timeout: float = TIMEOUT_SECONDS) -> None:
    """Connect to HOST:PORT and close the connection. Raises ServiceError if nothing listens there."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout).close()
    except OSError as error:
        raise ServiceError(f"{address}: {error.strerror or error}") from None


if __name__ == "__main__":
    try:
        get(sys.argv[1])
    except ServiceError as failed:
        sys.exit(str(failed))
