"""References to secrets: `file:/run/secrets/x`, `env:X`, `vault:secret/data/taxi#password`, `aws-sm:name#key`,
`keyring:service/user`.

A reference is fetched when its value is needed, and kept in the memory of this process for a while. It is neither
written nor shown: what is printed or pickled is the reference.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from pydantic import SecretStr

from taxi_mlops.errors import SecretError, SecretsUnavailableError
from taxi_mlops.secrets import aws, local, vault
from taxi_mlops.secrets.vault import VaultAccess
from taxi_mlops.transport import require_encrypted

PLAIN = "plain:"
"""Before a secret that begins like a reference, but is none."""

_FORMS = {
    "file": ("file:/run/secrets/NAME", r"/[^/].*|~/.+"),
    "env": ("env:VARIABLE", r"[A-Za-z_][A-Za-z0-9_]*"),
    "vault": ("vault:secret/data/NAME#KEY", r"[^#/]+/[^#]+#[^#]+"),
    "aws-sm": ("aws-sm:NAME#KEY", r"[^#]+(#[^#]+)?"),
    "keyring": ("keyring:SERVICE/USER", r"[^/]+/.+"),
}
_SCHEME = re.compile(rf"({'|'.join(_FORMS)}):(?!//)(.*)", re.DOTALL)
# As a part of a URL: postgresql://user:${vault:secret/data/taxi#password}@host/database
_EMBEDDED = re.compile(rf"\$\{{((?:{'|'.join(_FORMS)}):[^}}]*)\}}")


@dataclass(frozen=True, slots=True)
class SecretsAccess:
    """How secrets are fetched. cache_seconds: how long a value is used before it is fetched again.

    require_tls: whether a value may not be the address of another machine without TLS.
    """

    vault: VaultAccess = field(default_factory=VaultAccess)
    cache_seconds: float = 300.0
    require_tls: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a secret is. place: what follows the scheme."""

    scheme: str
    place: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.place}"

    @classmethod
    def parse(cls, text: str) -> Reference | None:
        """Return the reference that a text is, None if it is a plain secret. Raises ValueError if it is malformed."""
        found = _SCHEME.fullmatch(text)
        if found is None:
            return None
        form, pattern = _FORMS[found[1]]
        if not re.fullmatch(pattern, found[2]):
            raise ValueError(f"a reference to a secret of this kind is written {form}; a secret may follow {PLAIN}")
        return cls(found[1], found[2])


class ReferencedSecret(SecretStr):
    """A secret that is fetched when its value is asked for. Printed, compared and pickled as the text of the setting.

    text: a reference, or a URL with references as `${…}`.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._setting = ""
        self._access = SecretsAccess()

    def use(self, setting: str, access: SecretsAccess) -> None:
        """Set the variable of the setting, for messages, and how to fetch."""
        self._setting, self._access = setting, access

    @property
    def text(self) -> str:
        """The text of the setting, which contains no secret unless a URL holds one beside its references."""
        return self._secret_value

    def get_secret_value(self) -> str:
        """Return the secret. Raises SecretError, in one line with no secret in it, if it cannot be had.

        Raises UnencryptedError if it is an address without TLS though that is required.
        """
        whole = Reference.parse(self._secret_value)
        if whole is not None:
            value = self._fetched(whole)
        else:
            value = _EMBEDDED.sub(lambda found: quote(self._fetched(_parsed(found[1])), safe=""), self._secret_value)
        if self._access.require_tls:
            require_encrypted(value, self._setting)
        return value

    def _fetched(self, reference: Reference) -> str:
        try:
            return _CACHE.value(reference, self._access)
        except SecretError as error:
            raise type(error)(f"{self._setting or 'a secret'} ({reference}): {error}") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ReferencedSecret) and self._secret_value == other._secret_value

    def __hash__(self) -> int:
        return hash(self._secret_value)


def secret_setting(given: SecretStr) -> SecretStr:
    """Return the value of a setting: fetched when needed if it is a reference. Raises ValueError if it is malformed."""
    if isinstance(given, ReferencedSecret):
        return given
    text = given.get_secret_value()
    if text.startswith(PLAIN):
        return SecretStr(text.removeprefix(PLAIN))
    embedded = [_parsed(found) for found in _EMBEDDED.findall(text)]
    return ReferencedSecret(text) if embedded or Reference.parse(text) else given


def fetched_values() -> frozenset[str]:
    """Return every value that this process has fetched and still keeps, and those that a renewal replaced."""
    return _CACHE.seen()


def forget() -> None:
    """Forget all values."""
    _CACHE.clear()


def _parsed(text: str) -> Reference:
    reference = Reference.parse(text)
    if reference is None:
        raise ValueError(f"${{{text}}} is no reference to a secret")
    return reference


class _Cache:
    """Values by reference, in the memory of this process alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.RLock()  # a token for Vault may be a reference, too
        self._values: dict[tuple[Reference, SecretsAccess], tuple[str, float]] = {}
        self._seen: set[str] = set()

    def value(self, reference: Reference, access: SecretsAccess) -> str:
        with self._lock:
            key = (reference, access)
            kept = self._values.get(key)
            if kept is not None and self._clock() < kept[1]:
                return kept[0]
            try:
                fetched, seconds = _fetch(reference, access)
            except SecretsUnavailableError:
                if kept is None:
                    raise
                return kept[0]  # a store that restarts does not stop what runs
            self._values[key] = (fetched, self._clock() + min(seconds, access.cache_seconds))
            self._seen.add(fetched)
            return fetched

    def seen(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._seen)

    def clear(self) -> None:
        with self._lock:
            self._values.clear()
            self._seen.clear()


_CACHE = _Cache()


def _fetch(reference: Reference, access: SecretsAccess) -> tuple[str, float]:
    """Return a secret, and how many seconds its store lets it be used."""
    forever = float("inf")
    place, _, key = reference.place.partition("#")
    match reference.scheme:
        case "file":
            return local.from_file(reference.place), forever
        case "env":
            return local.from_environment(reference.place), forever
        case "keyring":
            return local.from_keyring(*reference.place.split("/", 1)), forever
        case "aws-sm":
            return aws.from_secrets_manager(place, key or None), forever
        case _:
            return vault.read(access.vault, place, key)
