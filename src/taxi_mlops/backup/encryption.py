"""Encrypt and decrypt streams with AES-256-GCM, in pieces, so that files of any size pass through little memory.

A file is 8 bytes that name the format, a random salt, and pieces of 1 MiB, each with its tag of 16 bytes. The key of a
file is derived from the secret and its salt (HKDF-SHA256). The nonce of a piece is its number, and whether it is the
last, so that pieces can be neither exchanged nor cut off (the STREAM construction, Hoang et al. 2015).
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from taxi_mlops.errors import ServiceError, UsageError

INSTALL = "pip install 'taxi-mlops[stack]'"
_FORMAT = b"TAXIBAK1"
_SALT_BYTES = 32
_PIECE_BYTES = 1 << 20
_TAG_BYTES = 16


class DamagedError(ServiceError):
    """A file of a backup is not what was written, or was written with another key."""


class BackupKey:
    """The secret of a place of backups. Its `repr` does not show it."""

    def __init__(self, secret: str) -> None:
        """Raises UsageError if the secret is too short to protect anything, or a library is missing."""
        if len(secret.strip()) < 16:
            raise UsageError("the key of backups has fewer than 16 characters; make one with: openssl rand -hex 32")
        try:
            import cryptography  # noqa: F401
        except ImportError:
            raise UsageError(f"backups need the package cryptography; install it with: {INSTALL}") from None
        self._secret = secret.strip().encode()

    def name_of(self, sha256: str) -> str:
        """Return the name of the file that has this content; without the key it says nothing about the content."""
        return hmac.new(self._derived(b"names"), bytes.fromhex(sha256), "sha256").hexdigest()

    def passphrase(self, purpose: str) -> str:
        """Return a passphrase for another program."""
        return self._derived(purpose.encode()).hex()

    def encrypted(self, content: BinaryIO) -> Iterator[bytes]:
        """Return the content, encrypted, in pieces."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        salt = os.urandom(_SALT_BYTES)
        yield _FORMAT + salt
        cipher = AESGCM(self._derived(b"file", salt))
        piece, number = _read(content), 0
        while True:
            following = _read(content)
            yield cipher.encrypt(_nonce(number, last=not following), piece, None)
            if not following:
                return
            piece, number = following, number + 1

    def decrypted(self, content: BinaryIO) -> Iterator[bytes]:
        """Return the content, decrypted, in pieces. Raises DamagedError at the first one that is damaged."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        head = content.read(len(_FORMAT) + _SALT_BYTES)
        if len(head) != len(_FORMAT) + _SALT_BYTES or not head.startswith(_FORMAT):
            raise DamagedError("is no file of a backup")
        cipher = AESGCM(self._derived(b"file", head[len(_FORMAT) :]))
        size = _PIECE_BYTES + _TAG_BYTES
        piece, number = content.read(size), 0
        while True:
            following = content.read(size)
            try:
                yield cipher.decrypt(_nonce(number, last=not following), piece, None)
            except (InvalidTag, ValueError):
                raise DamagedError("is damaged, or was written with another key") from None
            if not following:
                return
            piece, number = following, number + 1

    def _derived(self, purpose: bytes, salt: bytes = b"") -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), 32, salt or None, b"taxi-mlops backup " + purpose).derive(self._secret)


def _read(content: BinaryIO) -> bytes:
    """Read a whole piece, also where a single read returns less, as from a network."""
    pieces, wanted = [], _PIECE_BYTES
    while wanted and (piece := content.read(wanted)):
        pieces.append(piece)
        wanted -= len(piece)
    return b"".join(pieces)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def write_all(pieces: Iterable[bytes], file: BinaryIO) -> None:
    """Write all pieces to a file."""
    for piece in pieces:
        file.write(piece)
