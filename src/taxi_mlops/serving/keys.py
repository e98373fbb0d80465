"""API keys: random tokens, of which a file keeps the hashes alone.

A line of the file is the name of a key and the SHA-256 of its token. A token has 256 random bits, so its hash needs no
salt and no slow function: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from taxi_mlops.errors import UsageError

_MAX_BYTES = 1_000_000
_LINE = re.compile(r"(?P<name>[A-Za-z0-9_.-]{1,64}) sha256:(?P<digest>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """The keys that are accepted, by the digests of their tokens."""

    digests: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> ApiKeys:
        """Read a file of keys. Raises UsageError if it cannot be read, has another form, or holds none."""
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise UsageError(f"{path} is larger than a file of keys can be")
            lines = [line.strip() for line in path.read_text(encoding="ascii").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the API keys {path}: {error}") from None
        found: dict[str, str] = {}
        for number, line in enumerate(lines, start=1):
            match = _LINE.fullmatch(line)
            if match:
                found[match["name"]] = match["digest"]
            elif line and not line.startswith("#"):
                raise UsageError(f"{path}, line {number} is no API key; add keys with: taxi serve --new-key NAME")
        if not found:
            raise UsageError(f"{path} holds no API key; add one with: taxi serve --new-key NAME --keys {path}")
        return cls(found)

    def accepts(self, token: str) -> bool:
        """Return whether this is the token of a key, in a time that does not depend on which."""
        digest = _digest(token)
        return sum(hmac.compare_digest(digest, one) for one in self.digests.values()) > 0


def add_key(path: Path, name: str) -> str:
    """Add a key to the file, which only its owner can read, and return its token. Raises UsageError."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name):
        raise UsageError(f"--new-key {name!r}: a name has up to 64 of A-Z, a-z, 0-9, ., _ and -")
    if path.exists() and path.stat().st_size and name in ApiKeys.read(path).digests:
        raise UsageError(f"{path} has a key {name!r} already; remove its line first")
    token = secrets.token_urlsafe(32)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a", encoding="ascii") as file:
            file.write(f"{name} sha256:{_digest(token)}\n")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
