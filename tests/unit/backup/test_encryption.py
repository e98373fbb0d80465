"""Encryption of backups: what comes out is what went in, or an error."""

from __future__ import annotations

import hashlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("cryptography", reason="cryptography is in the extra stack")

from taxi_mlops.backup.encryption import BackupKey, DamagedError
from taxi_mlops.errors import UsageError

KEY = BackupKey("0123456789abcdef0123456789abcdef")
PIECE = 1 << 20


def encrypted(content: bytes) -> bytes:
    return b"".join(KEY.encrypted(io.BytesIO(content)))


def decrypted(content: bytes, key: BackupKey = KEY) -> bytes:
    return b"".join(key.decrypted(io.BytesIO(content)))


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_a_content_of_any_size_comes_back(size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert decrypted(encrypted(content)) == content


class Trickling(io.BytesIO):
    """A file that gives a few bytes at a time, as a network does."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size if size and size > 0 else 7001, 7001))


def test_a_source_that_gives_a_little_at_a_time() -> None:
    content = b"trips" * 500_000
    assert decrypted(b"".join(KEY.encrypted(Trickling(content)))) == content


def test_equal_contents_are_encrypted_differently() -> None:
    assert encrypted(b"trips") != encrypted(b"trips")


@settings(max_examples=60)
@given(st.binary(max_size=200), st.data())
def test_any_flipped_bit_is_found(content: bytes, data: st.DataObject) -> None:
    sealed = bytearray(encrypted(content))
    at = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[at // 8] ^= 1 << at % 8
    with pytest.raises(DamagedError):
        decrypted(bytes(sealed))


def test_pieces_cannot_be_cut_off_or_exchanged() -> None:
    sealed = encrypted(b"a" * PIECE + b"b" * PIECE + b"c")
    head, size = sealed[:40], PIECE + 16
    first, second, last = sealed[40 : 40 + size], sealed[40 + size : 40 + 2 * size], sealed[40 + 2 * size :]
    for changed in (head + first + second, head + second + first + last, head + first + last, head, b"", head[:20]):
        with pytest.raises(DamagedError):
            decrypted(changed)


def test_another_key_reads_nothing() -> None:
    with pytest.raises(DamagedError, match="damaged, or was written with another key"):
        decrypted(encrypted(b"trips"), BackupKey("fedcba9876543210fedcba9876543210"))


def test_names_and_passphrases_do_not_show_what_they_are_of() -> None:
    sha256 = hashlib.sha256(b"trips").hexdigest()
    assert KEY.name_of(sha256) == KEY.name_of(sha256) != sha256
    assert KEY.passphrase("postgresql") != KEY.passphrase("other")
    assert "0123456789abcdef" not in repr(KEY)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(UsageError, match="fewer than 16 characters"):
        BackupKey(" hunter2 ")
