"""URLs of services that may contain a password: masked when printed, revealed to the connecting library alone."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, unquote

from pydantic import SecretStr

from taxi_mlops.errors import UsageError
from taxi_mlops.secrets.references import ReferencedSecret, fetched_values
from taxi_mlops.settings import Settings

Options = Mapping[str, str | int]

MASK = "***"
OFF = "off"
"""The value that turns a service off."""

# Greedy up to the last @, so that a password with unescaped characters is hidden whole.
_USER_INFO = re.compile(r"(?<=://)([^:/@]*):(.*)@")
_QUERY = re.compile(r"(?i)([?&](?:sig|[^&=]*(?:password|passwd|secret|token|signature)[^&=]*)=)([^&]*)")


class ServiceUrl:
    """The URL of a service. `str()` and `repr()` mask its password; of a reference to a secret they show the reference.

    options: for the connecting library, unless the URL itself sets them; a function makes them from the URL.
    """

    __slots__ = ("_options", "_secret")

    def __init__(
        self,
        text: str | SecretStr,
        options: Options | Callable[[str], Options] = MappingProxyType({}),
    ) -> None:
        self._secret = text if isinstance(text, SecretStr) else SecretStr(text)
        self._options = options

    def reveal(self) -> str:
        """Return the URL. Raises SecretError if it is a reference to a secret that cannot be had."""
        return self._secret.get_secret_value()

    @property
    def options(self) -> Options:
        return self._options(self.reveal()) if callable(self._options) else self._options

    def __str__(self) -> str:
        text = self._secret.text if isinstance(self._secret, ReferencedSecret) else self.reveal()
        return _masked(text)

    def __repr__(self) -> str:
        return f"ServiceUrl({str(self)!r})"

    def scrub(self, message: str) -> str:
        """Return the message with every password of this URL masked, as given and decoded."""
        fetched = isinstance(self._secret, ReferencedSecret)
        for text in fetched_values() if fetched else (self.reveal(),):
            message = message.replace(text, _masked(text) if "://" in text else MASK)
            found = [match.group(2) for pattern in (_USER_INFO, _QUERY) for match in pattern.finditer(text)]
            whole = [text, quote(text, safe="")] if fetched else []
            for secret in {form for each in found for form in (each, unquote(each)) if form}.union(whole):
                message = message.replace(secret, MASK)
        return message


def experiments_url(settings: Settings) -> ServiceUrl | None:
    """Return the URL of the experiment store: as set, else SQLite in the runs folder. None if it is turned off."""
    return _url(settings.experiments_url, settings.runs_dir / "experiments.db", partial(_database_options, settings))


def _database_options(settings: Settings, url: str) -> Options:
    if not url.startswith("postgres"):
        return {}
    options: dict[str, str | int] = {"connect_timeout": math.ceil(settings.service_timeout_seconds)}
    if settings.ca_file is not None and "sslmode=" in url:
        options["sslrootcert"] = str(settings.ca_file)
    return options


def needed_experiments_url(settings: Settings) -> ServiceUrl:
    """Return the URL of the experiment store. Raises UsageError if it is turned off."""
    url = experiments_url(settings)
    if url is None:
        raise UsageError(f"the experiment store is turned off by the settings (TAXI_EXPERIMENTS_URL={OFF})")
    return url


def mlflow_url(settings: Settings) -> ServiceUrl | None:
    """Return MLflow's tracking URI: as set, else SQLite in the runs folder. None if it is turned off."""
    return _url(settings.mlflow_uri, settings.runs_dir / "mlflow.db")


def _url(
    setting: SecretStr | None, embedded: Path, options: Options | Callable[[str], Options] = MappingProxyType({})
) -> ServiceUrl | None:
    if setting is None:
        return ServiceUrl(f"sqlite:///{embedded.absolute()}", options)
    # A reference is not fetched before it is used.
    off = not isinstance(setting, ReferencedSecret) and setting.get_secret_value() == OFF
    return None if off else ServiceUrl(setting, options)


def _masked(text: str) -> str:
    return _QUERY.sub(rf"\1{MASK}", _USER_INFO.sub(rf"\1:{MASK}@", text))
