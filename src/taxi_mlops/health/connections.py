"""Check whether each configured service answers; if not, say why, and what to do."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from taxi_mlops.data.objects import ObjectAddress, ObjectStore
from taxi_mlops.errors import SecretError, ServiceError, TaxiError
from taxi_mlops.service_urls import ServiceUrl, experiments_url, mlflow_url
from taxi_mlops.settings import Settings
from taxi_mlops.storage.database import Database
from taxi_mlops.storage.objects import TRIPS_BUCKET

if TYPE_CHECKING:
    import httpx

_ADVICE = (
    (r"install it with", "Install it, or unset {setting}."),
    (
        r"(?i)authentication failed|no password supplied|username-password|WRONGPASS|NOAUTH|answers 40[13]|refuses",
        "Correct the user and the password in {secrets}.",
    ),
    (r"(?i)no bucket|does not exist", "Create it: taxi setup"),
    (
        r"(?i)certificate|\bSSL\b|\bTLS\b|record layer|wrong version number",
        "Name the authority's certificate in TAXI_CA_FILE, or correct {setting}: with or without TLS.",
    ),
    (r"(?i)not known|resolve|getaddrinfo|no address", "Correct the host's name in {setting}."),
    (
        r"(?i)timed? ?out|timeout|no answer",
        "See whether it hangs, or something between drops what is sent; TAXI_SERVICE_TIMEOUT_SECONDS is the timeout.",
    ),
    (
        r"(?i)refused|cannot be reached|disconnected|reset|closed",
        "Start it (on this machine: taxi stack status), or correct {setting}.",
    ),
)
_OF_SECRETS = "Correct the reference, or see to the place that it names."
_OTHERWISE = "See the log of the service, or correct {setting}."


@dataclass(frozen=True)
class Connection:
    """A configured service. `ask` returns what it reports about itself, or raises TaxiError.

    setting, secrets: the variables that hold its address, and its user and password.
    """

    name: str
    target: str
    setting: str
    secrets: str
    ask: Callable[[], str]


@dataclass(frozen=True)
class Answer:
    """The answer of a service. `failure` and `advice` are None if it answered."""

    connection: Connection
    said: str
    failure: str | None = None
    advice: str | None = None


def try_connections(settings: Settings) -> tuple[Answer, ...]:
    """Check all services in parallel. Embedded ones are files of this machine and are left out."""
    connections = tuple(_connections(settings))
    if not connections:
        return ()
    with ThreadPoolExecutor(len(connections)) as threads:
        return tuple(threads.map(_try, connections))


def _try(connection: Connection) -> Answer:
    try:
        return Answer(connection, connection.ask())
    except SecretError as error:
        return Answer(connection, "", str(error), _OF_SECRETS)
    except TaxiError as error:
        failure = str(error)
    fitting = (advice for pattern, advice in _ADVICE if re.search(pattern, failure))
    advice = next(fitting, _OTHERWISE).format(setting=connection.setting, secrets=connection.secrets)
    return Answer(connection, "", failure, advice)


def _connections(settings: Settings) -> Iterator[Connection]:
    web = _Web(settings)
    store = experiments_url(settings)
    if store is not None and _may_begin(store, "postgres"):
        variable = "TAXI_EXPERIMENTS_URL"
        yield Connection("experiment store", str(store), variable, variable, lambda: _database(store))
    if settings.object_store_url is not None:
        keys = "TAXI_OBJECT_STORE_ACCESS_KEY and TAXI_OBJECT_STORE_SECRET_KEY"
        target = str(settings.object_store_url)
        yield Connection("object store", target, "TAXI_OBJECT_STORE_URL", keys, lambda: _object_store(settings))
    if settings.redis_url is not None:
        redis = ServiceUrl(settings.redis_url)
        variable = "TAXI_REDIS_URL"
        yield Connection("Redis", str(redis), variable, variable, lambda: _redis(redis, settings))
    tracking = mlflow_url(settings)
    if tracking is not None and _may_begin(tracking, "http"):
        secrets = "TAXI_MLFLOW_USERNAME and TAXI_MLFLOW_PASSWORD"
        yield Connection("MLflow server", str(tracking), "TAXI_MLFLOW_URI", secrets, lambda: web.mlflow(tracking))
    if settings.prefect_api_url is not None:
        url = str(settings.prefect_api_url)
        yield Connection(
            "Prefect server", url, "TAXI_PREFECT_API_URL", "TAXI_PREFECT_API_AUTH", lambda: web.prefect(url)
        )
    for name, field, path in (("Pushgateway", "pushgateway_url", "/-/ready"),):
        if (address := getattr(settings, field)) is not None:
            variable = f"TAXI_{field.upper()}"
            yield Connection(name, str(address), variable, variable, web.getting(f"{address}".rstrip("/") + path))
    for name, field, path in (
        ("traces", "otlp_endpoint", "/v1/traces"),
        ("log records", "otlp_logs_endpoint", "/v1/logs"),
    ):
        if (address := getattr(settings, field)) is not None:
            variable = f"TAXI_{field.upper()}"
            yield Connection(name, str(address), variable, variable, web.exporting(f"{address}".rstrip("/") + path))


def _database(url: ServiceUrl) -> str:
    database = Database(url)
    with database.errors(), database.engine.connect() as connection:
        version = ".".join(str(number) for number in connection.dialect.server_version_info or ())
        return f"{database.engine.dialect.name} {version}"


def _object_store(settings: Settings) -> str:
    store = ObjectStore(settings)
    with store.errors(ObjectAddress(TRIPS_BUCKET, "")):
        store.client.head_bucket(Bucket=TRIPS_BUCKET)
    return f"bucket {TRIPS_BUCKET}"


def _redis(url: ServiceUrl, settings: Settings) -> str:
    try:
        from redis import Redis, RedisError
    except ImportError:
        raise ServiceError("redis is not installed; install it with: pip install 'taxi-mlops[redis]'") from None
    tls = url.reveal().startswith("rediss://") and settings.ca_file
    timeout = settings.service_timeout_seconds
    try:
        with Redis.from_url(
            url.reveal(),
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            **({"ssl_ca_certs": str(settings.ca_file)} if tls else {}),
        ) as client:
            return f"version {client.info('server')['redis_version']}"
    except (RedisError, ValueError) as error:
        raise ServiceError(f"{url}: {url.scrub(' '.join(str(error).split()))}") from None


def _may_begin(url: ServiceUrl, scheme: str) -> bool:
    """Return whether a URL begins so; also True for a secret that cannot be had, which its connection then reports."""
    try:
        return url.reveal().startswith(scheme)
    except SecretError:
        return True


class _Web:
    """Requests over HTTP."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def getting(self, url: str) -> Callable[[], str]:
        def get() -> str:
            self._ask("GET", url)
            return "ready"

        return get

    def exporting(self, url: str) -> Callable[[], str]:
        def export() -> str:
            self._ask("POST", url, json={}, refused_as_empty=422)  # by Loki; others accept an empty request
            return "accepts what is sent"

        return export

    def mlflow(self, url: ServiceUrl) -> str:
        base = url.reveal().rstrip("/")
        password = self._settings.mlflow_password
        user = (self._settings.mlflow_username or "", password.get_secret_value() if password else "")
        self._ask("GET", f"{base}/api/2.0/mlflow/experiments/search", user, params={"max_results": 1})
        return f"version {self._ask('GET', f'{base}/version', user).text}"

    def prefect(self, url: str) -> str:
        auth = self._settings.prefect_api_auth
        name, _, password = auth.get_secret_value().partition(":") if auth else ("", "", "")
        return f"version {self._ask('GET', f'{url}/admin/version', (name, password)).json()}"

    def _ask(
        self,
        method: str,
        url: str,
        user: tuple[str, str] = ("", ""),
        *,
        json: object = None,
        params: dict[str, int] | None = None,
        refused_as_empty: int | None = None,
    ) -> httpx.Response:
        import httpx

        shown = ServiceUrl(url)
        try:
            answer = httpx.request(
                method,
                url,
                auth=user if any(user) else None,
                json=json,
                params=params,
                timeout=self._settings.service_timeout_seconds,
                verify=ssl.create_default_context(cafile=self._settings.ca_file),
            )
        except httpx.TimeoutException:
            seconds = self._settings.service_timeout_seconds
            raise ServiceError(f"{shown}: no answer for {seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ServiceError(f"{shown}: {shown.scrub(str(error)) or type(error).__name__}") from None
        if not answer.is_success and answer.status_code != refused_as_empty:
            raise ServiceError(f"{shown} answers {answer.status_code} {answer.reason_phrase}")
        return answer
