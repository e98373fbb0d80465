"""The folder that backups are kept in: contents by their checksum, one manifest a backup, all encrypted."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, cast

from filelock import FileLock, Timeout
from pydantic import ValidationError

from taxi_mlops.backup.encryption import BackupKey, DamagedError, write_all
from taxi_mlops.backup.manifest import Manifest
from taxi_mlops.errors import ServiceError, UsageError
from taxi_mlops.results.backup_state import BACKUPS, VERIFIED, Verification, labels_in, verification_in
from taxi_mlops.stack.folder import write_private


class Place:
    """A folder of backups; another disk, or another machine's, mounted. Methods raise ServiceError if it fails."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @property
    def postgresql(self) -> Path:
        """The repository of pgBackRest."""
        return self.path / "postgresql"

    @property
    def _contents(self) -> Path:
        return self.path / "contents"

    @property
    def _backups(self) -> Path:
        return self.path / BACKUPS

    @property
    def _verified(self) -> Path:
        return self.path / VERIFIED

    def make(self) -> None:
        """Create the folder. Other users may enter it, since root runs PostgreSQL as another, but not list it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
            for folder in (self._contents, self._backups):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ServiceError(f"{self.path}: backups cannot be kept there: {error.strerror}") from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other process change the folder. Raises ServiceError if one does."""
        try:
            with FileLock(self.path / "lock", timeout=0, mode=0o600):
                for left in self.path.glob(".draft-*"):  # by a process that was killed
                    left.unlink()
                yield
        except Timeout:
            raise ServiceError(f"another `taxi backup` is at work in {self.path}") from None

    def put(self, content: BinaryIO, key: BackupKey) -> tuple[str, int]:
        """Keep a content, once, and return its SHA-256 and its size in bytes."""
        read = _Hashed(content)
        with self._draft() as (draft, path):
            write_all(key.encrypted(cast(BinaryIO, read)), draft)
            draft.flush()
            os.fsync(draft.fileno())
            target = self._file(read.sha256, key)
            if not target.exists():
                target.parent.mkdir(mode=0o700, exist_ok=True)
                path.replace(target)
        return read.sha256, read.size

    def holds(self, sha256: str, key: BackupKey) -> bool:
        """Return whether a content is there; `check` reads it."""
        return self._file(sha256, key).is_file()

    @contextmanager
    def get(self, sha256: str, key: BackupKey) -> Iterator[BinaryIO]:
        """Return a checked content as a file to read. Raises DamagedError."""
        with tempfile.TemporaryFile(dir=self._contents) as clear:
            for piece in self._checked(sha256, key):
                clear.write(piece)
            clear.seek(0)
            yield cast(BinaryIO, clear)

    def check(self, sha256: str, key: BackupKey) -> None:
        """Read a content whole. Raises DamagedError if it is missing or damaged."""
        for _ in self._checked(sha256, key):
            pass

    def labels(self) -> tuple[str, ...]:
        """Return the labels of all backups, the oldest first."""
        return labels_in(self.path)

    def write(self, manifest: Manifest, key: BackupKey) -> None:
        """Write a manifest, which makes its backup complete."""
        import io

        text = io.BytesIO(manifest.model_dump_json().encode())
        with self._draft() as (draft, path):
            write_all(key.encrypted(text), draft)
            draft.flush()
            os.fsync(draft.fileno())
            path.replace(self._backups / manifest.label)

    def manifest(self, label: str, key: BackupKey) -> Manifest:
        """Return a manifest. Raises UsageError if there is no such backup, DamagedError."""
        if label not in self.labels():
            raise UsageError(f"{self.path} has no backup {label!r}; it has: {', '.join(self.labels()) or 'none'}")
        path = self._backups / label
        try:
            with path.open("rb") as file:
                return Manifest.model_validate_json(b"".join(key.decrypted(file)))
        except DamagedError as error:
            raise DamagedError(f"{path} {error}") from None
        except ValidationError:
            raise DamagedError(f"{path} is no manifest that this version reads; upgrade taxi-mlops") from None
        except OSError as error:
            raise DamagedError(f"{path} cannot be read: {error.strerror}") from None

    def newest(self, key: BackupKey, before: datetime | None = None) -> Manifest:
        """Return the newest manifest, or the newest that was complete at a time. Raises UsageError if there is none."""
        for label in reversed(self.labels()):
            manifest = self.manifest(label, key)
            if before is None or manifest.created <= before:
                return manifest
        raise UsageError(
            f"{self.path} has no backup" + (f" from before {before:%Y-%m-%d %H:%M:%S %Z}" if before else "")
        )

    def remove(self, labels: tuple[str, ...], kept: Sequence[Manifest], key: BackupKey) -> int:
        """Remove backups, and the contents that none of the kept has. Returns how many contents were removed."""
        needed = {self._file(sha256, key) for manifest in kept for sha256 in manifest.contents.values()}
        for label in labels:
            (self._backups / label).unlink()
        unneeded = [path for path in self._contents.glob("*/*") if path not in needed]
        for path in unneeded:
            path.unlink()
        return len(unneeded)

    def note(self, verification: Verification) -> None:
        """Note the last verified restore."""
        write_private(self._verified, verification.model_dump_json())

    def verification(self) -> Verification | None:
        """Return the last verified restore, None if there was none."""
        return verification_in(self.path)

    def _file(self, sha256: str, key: BackupKey) -> Path:
        name = key.name_of(sha256)
        return self._contents / name[:2] / name

    def _checked(self, sha256: str, key: BackupKey) -> Iterator[bytes]:
        path, found = self._file(sha256, key), hashlib.sha256()
        try:
            with path.open("rb") as file:
                for piece in key.decrypted(file):
                    found.update(piece)
                    yield piece
        except DamagedError as error:
            raise DamagedError(f"{path} {error}") from None
        except OSError as error:
            raise DamagedError(f"{path} cannot be read: {error.strerror}") from None
        if found.hexdigest() != sha256:
            raise DamagedError(f"{path} has another content than was backed up")

    @contextmanager
    def _draft(self) -> Iterator[tuple[BinaryIO, Path]]:
        descriptor, name = tempfile.mkstemp(dir=self.path, prefix=".draft-")
        path = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file, path
        except OSError as error:
            raise ServiceError(f"{self.path}: cannot be written: {error.strerror}") from None
        finally:
            path.unlink(missing_ok=True)


class _Hashed:
    """A file whose size and checksum are known once it was read."""

    def __init__(self, content: BinaryIO) -> None:
        self._content = content
        self._hash = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        found = self._content.read(size)
        self._hash.update(found)
        self.size += len(found)
        return found

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()
