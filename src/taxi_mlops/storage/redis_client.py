"""Connect to Redis as the settings say: with time limits, without retries, and with the authority's certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from taxi_mlops.errors import UsageError
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.settings import Settings

if TYPE_CHECKING:
    from redis import Redis


def redis_client(url: ServiceUrl, settings: Settings, **options: Any) -> Redis:  # noqa: ANN401 - those of redis
    """Return a client, which connects when it is used.

    Raises UsageError for a URL of another kind, ImportError if redis is not installed.
    """
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    tls = url.reveal().startswith("rediss://") and settings.ca_file
    try:
        return Redis.from_url(
            url.reveal(),
            socket_timeout=settings.service_timeout_seconds,
            socket_connect_timeout=settings.service_timeout_seconds,
            retry=Retry(NoBackoff(), 0),
            **options,
            **({"ssl_ca_certs": str(settings.ca_file)} if tls else {}),
        )
    except ValueError:
        raise UsageError(f"{url} is not the URL of a Redis; it looks like redis://:password@host:6379/0") from None
