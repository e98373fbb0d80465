"""Mask secrets in log records."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from pydantic import SecretStr
from structlog.typing import EventDict

from taxi_mlops.secrets.references import ReferencedSecret, fetched_values
from taxi_mlops.service_urls import MASK, ServiceUrl
from taxi_mlops.settings import Settings

_SECRET_NAME = re.compile(r"(?i)password|passwd|secret|token|api_?key|authorization|cookie")
_CREDENTIALS = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}")
_MIN_SECRET_LENGTH = 6
"""Shorter secrets are not searched for within words: they would be found everywhere."""


def secrets_of(settings: Settings) -> frozenset[str]:
    """Return the secret values of the settings; of a URL, its password alone.

    Those that are references are masked once they are fetched: they are not fetched for this.
    """
    given = (value for _, value in settings if isinstance(value, SecretStr) and not isinstance(value, ReferencedSecret))
    return _parts_of(frozenset(value.get_secret_value() for value in given))


@lru_cache(maxsize=8)
def _parts_of(values: frozenset[str]) -> frozenset[str]:
    secrets = {form for value in values for form in _secret_parts(value)}
    return frozenset(secret for secret in secrets if len(secret) >= _MIN_SECRET_LENGTH)


@lru_cache(maxsize=8)
def _longest_first(secrets: frozenset[str], fetched: frozenset[str]) -> tuple[str, ...]:
    """Return what is masked: secrets, and the parts of fetched values, also as they are written in a URL."""
    parts = _parts_of(fetched)
    return tuple(sorted(secrets | parts | {quote(part, safe="") for part in parts}, key=len, reverse=True))


def _secret_parts(value: str) -> tuple[str, ...]:
    """Return the secret parts of a setting, as written and decoded."""
    if "://" not in value:
        # Prefect's user:password is a value with a password.
        return (value, value.rpartition(":")[2])
    user_info, at, _ = value.partition("://")[2].rpartition("@")
    password = user_info.partition(":")[2] if at else ""
    return (password, unquote(password))


class SecretFilter:
    """A structlog processor that masks fields named like secrets, passwords in URLs, and the given values.

    Values that are fetched by reference are masked, too.
    """

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self._secrets = frozenset(secrets)

    def __call__(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        return {name: self._masked(name, value) for name, value in event.items()}

    def _masked(self, name: str, value: Any) -> Any:  # noqa: ANN401 - of any type
        if _SECRET_NAME.search(name):
            return MASK
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self._masked(str(key), inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._masked("", inner) for inner in value]
        return value

    def text(self, text: str) -> str:
        """Return the text with every secret masked."""
        for secret in _longest_first(self._secrets, fetched_values()):
            text = text.replace(secret, MASK)
        masked = " ".join(str(ServiceUrl(word)) if "://" in word else word for word in text.split(" "))
        return _CREDENTIALS.sub(rf"\1 {MASK}", masked)
