"""URLs of services that may contain a password: masked when printed, revealed to the connecting library alone."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote

from pydantic import SecretStr

from taxi_mlops.errors import UsageError
from taxi_mlops.settings import Settings

MASK = "***"
OFF = "off"
"""The value that turns a service off."""

# Greedy up to the last @, so that a password with unescaped characters is hidden whole.
_USER_INFO = re.compile(r"(?<=://)([^:/@]*):(.*)@")
_QUERY = re.compile(r"(?i)([?&](?:sig|[^&=]*(?:password|passwd|secret|token|signature)[^&=]*)=)([^&]*)")


class ServiceUrl:
    """The URL of a service. `str()` and `repr()` mask its password.

    options: for the connecting library, unless the URL itself sets them.
    """

    __slots__ = ("_text", "options")

    def __init__(self, text: str, options: Mapping[str, str | int] = MappingProxyType({})) -> None:
        self._text = text
        self.options = options

    def reveal(self) -> str:
        """Return the URL as it was given."""
        return self._text

    def __str__(self) -> str:
        return _QUERY.sub(rf"\1{MASK}", _USER_INFO.sub(rf"\1:{MASK}@", self._text))

    def __repr__(self) -> str:
        return f"ServiceUrl({str(self)!r})"

    def scrub(self, message: str) -> str:
        """Return the message with every password of this URL masked, as given and decoded."""
        message = message.replace(self._text, str(self))
        found = [match.group(2) for pattern in (_USER_INFO, _QUERY) for match in pattern.finditer(self._text)]
        for secret in {form for text in found for form in (text, unquote(text)) if form}:
            message = message.replace(secret, MASK)
        return message


def experiments_url(settings: Settings) -> ServiceUrl | None:
    """Return the URL of the experiment store: as set, else SQLite in the runs folder. None if it is turned off."""
    url = _url(settings.experiments_url, settings.runs_dir / "experiments.db")
    if url is None or not url.reveal().startswith("postgres"):
        return url
    options: dict[str, str | int] = {"connect_timeout": math.ceil(settings.service_timeout_seconds)}
    if settings.ca_file is not None and "sslmode=" in url.reveal():
        options["sslrootcert"] = str(settings.ca_file)
    return ServiceUrl(url.reveal(), options)


def needed_experiments_url(settings: Settings) -> ServiceUrl:
    """Return the URL of the experiment store. Raises UsageError if it is turned off."""
    url = experiments_url(settings)
    if url is None:
        raise UsageError(f"the experiment store is turned off by the settings (TAXI_EXPERIMENTS_URL={OFF})")
    return url


def mlflow_url(settings: Settings) -> ServiceUrl | None:
    """Return MLflow's tracking URI: as set, else SQLite in the runs folder. None if it is turned off."""
    return _url(settings.mlflow_uri, settings.runs_dir / "mlflow.db")


def _url(setting: SecretStr | None, embedded: Path) -> ServiceUrl | None:
    if setting is None:
        return ServiceUrl(f"sqlite:///{embedded.absolute()}")
    text = setting.get_secret_value()
    return None if text == OFF else ServiceUrl(text)
