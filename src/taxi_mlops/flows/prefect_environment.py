"""Configure Prefect from our settings. Prefect reads its settings when it is imported, so this comes first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from taxi_mlops.errors import ServiceError, TaxiError, UsageError
from taxi_mlops.flows.prefect_server import NO_TELEMETRY
from taxi_mlops.settings import Settings

API_URL = "PREFECT_API_URL"
INSTALL = "pip install 'taxi-mlops[flow]'"


def server_is_configured(settings: Settings) -> bool:
    """Return whether the settings, or Prefect's own variable, name a server."""
    return settings.prefect_api_url is not None or bool(os.environ.get(API_URL))


def is_installed() -> bool:
    """Return whether Prefect can be imported."""
    return find_spec("prefect") is not None


@contextmanager
def prefect_settings(settings: Settings, verbose: bool = False) -> Iterator[None]:
    """Make Prefect use the server, the password and the certificates of our settings while the context lasts.

    They take precedence over Prefect's own variables. The environment, which processes started later would inherit,
    stays as it is, except for the variables that silence Prefect.
    """
    for name, value in NO_TELEMETRY.items():
        os.environ.setdefault(name, value)
    if not verbose:
        # Its records still go to the server; on the terminal an error of the user's is one line.
        for handler in ("CONSOLE", "DEBUG"):
            os.environ.setdefault(f"PREFECT_LOGGING_HANDLERS_{handler}_LEVEL", "CRITICAL")
    from prefect.settings import (
        PREFECT_API_AUTH_STRING,
        PREFECT_API_REQUEST_TIMEOUT,
        PREFECT_API_SSL_CERT_FILE,
        PREFECT_API_URL,
        temporary_settings,
    )

    auth = settings.prefect_api_auth
    given: dict[Any, Any] = {
        PREFECT_API_URL: str(settings.prefect_api_url).rstrip("/") if settings.prefect_api_url else None,
        PREFECT_API_AUTH_STRING: auth.get_secret_value() if auth else None,
        PREFECT_API_SSL_CERT_FILE: str(settings.ca_file) if settings.ca_file else None,
    }
    defaults = {PREFECT_API_REQUEST_TIMEOUT: settings.service_timeout_seconds}
    with temporary_settings({name: value for name, value in given.items() if value is not None}, set_defaults=defaults):
        yield


@contextmanager
def configured_server(settings: Settings) -> Iterator[None]:
    """Use the configured server while the context lasts; its errors are raised as one line.

    Raises UsageError if no server is configured or Prefect is missing, ServiceError if it does not answer or fails.
    """
    if not is_installed():
        raise UsageError(f"Prefect is not installed; install it with: {INSTALL}")
    if not server_is_configured(settings):
        raise UsageError(
            f"no Prefect server is named; set TAXI_PREFECT_API_URL (or {API_URL}), as http://host:4200/api"
        )
    with prefect_settings(settings):
        import httpx
        from prefect.exceptions import PrefectException

        try:
            check_server()
            yield
        except (httpx.HTTPError, PrefectException) as error:
            said = " ".join(str(error).split())
            raise ServiceError(f"Prefect's server failed ({type(error).__name__}: {said})") from error


def check_server() -> None:
    """Raise ServiceError if no server answers at the address of Prefect's settings, or if it refuses access."""
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    # One request: Prefect's client would retry for a minute and more where no server answers.
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}), get_client(sync_client=True) as client:
        try:
            client.request("GET", "/admin/version")
        except PrefectHTTPStatusError as error:
            status = error.response.status_code
            advice = "correct TAXI_PREFECT_API_AUTH" if status in (401, 403) else "is it Prefect's?"
            raise ServiceError(f"the server at {client.api_url} answers {status}; {advice}") from None
        except (httpx.HTTPError, OSError) as error:
            raise ServiceError(
                f"no Prefect server answers at {client.api_url} ({type(error).__name__}); "
                "start it, correct PREFECT_API_URL, or use --no-flow"
            ) from None


def is_unreachable(error: BaseException | None) -> bool:
    """Return whether a retry may help: no server answers, or it fails itself, as while its database is down.

    Prefect wraps what its client raised when a limit is acquired, so causes are examined too. Our own errors concern
    other servers, and were retried already.
    """
    import httpx

    if error is None or isinstance(error, TaxiError):
        return False
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error
    return isinstance(error, httpx.TransportError) or is_unreachable(error.__cause__)
