"""API keys: random tokens, of which a file keeps the hashes alone.

A line of the file is the name of a key, its role, and the SHA-256 of its token. A token has 256 random bits, so its
hash needs no salt and no slow function: there is nothing to guess. For the same reason a digest may be looked up in a
dict: how long that takes says something of digests, which nobody can choose.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from taxi_mlops.errors import UsageError

_MAX_BYTES = 1_000_000
_LINE = re.compile(r"(?P<name>[A-Za-z0-9_.-]{1,64})(?: (?P<role>read|admin))? sha256:(?P<digest>[0-9a-f]{64})")


class Role(StrEnum):
    """What a key allows: `read` to ask, `admin` also to change what is stored."""

    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Key:
    """A key that is accepted."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """The keys that are accepted, by the digests of their tokens."""

    by_digest: dict[str, Key]

    @classmethod
    def read(cls, path: Path) -> ApiKeys:
        """Read a file of keys. Raises UsageError if it cannot be read, has another form, or holds none."""
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise UsageError(f"{path} is larger than a file of keys can be")
            lines = [line.strip() for line in path.read_text(encoding="ascii").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the API keys {path}: {error}") from None
        found: dict[str, Key] = {}
        for number, line in enumerate(lines, start=1):
            match = _LINE.fullmatch(line)
            if match:
                found[match["digest"]] = Key(match["name"], Role(match["role"] or Role.READ))
            elif line and not line.startswith("#"):
                raise UsageError(f"{path}, line {number} is no API key; add keys with: taxi serve --new-key NAME")
        if not found:
            raise UsageError(f"{path} holds no API key; add one with: taxi serve --new-key NAME --keys {path}")
        return cls(found)

    def find(self, token: str) -> Key | None:
        """Return the key of a token; None if there is none."""
        return self.by_digest.get(_digest(token))


def add_key(path: Path, name: str, role: Role = Role.READ) -> str:
    """Add a key to the file, which only its owner can read, and return its token. Raises UsageError."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name):
        raise UsageError(f"--new-key {name!r}: a name has up to 64 of A-Z, a-z, 0-9, ., _ and -")
    present = ApiKeys.read(path).by_digest.values() if path.exists() and path.stat().st_size else ()
    if any(key.name == name for key in present):
        raise UsageError(f"{path} has a key {name!r} already; remove its line first")
    token = secrets.token_urlsafe(32)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a", encoding="ascii") as file:
            file.write(f"{name} {role} sha256:{_digest(token)}\n")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
