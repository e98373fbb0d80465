"""The interface of cache backends, which store streams of bytes by key, and the backend that is a folder."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from taxi_mlops.settings import Settings


class CacheBackendError(Exception):
    """A backend failed; the message is one line without passwords."""


class CacheFullError(CacheBackendError):
    """There is no space for an entry."""


class EntryTooLargeError(CacheBackendError):
    """An entry is larger than the settings allow."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"it takes more than {max_bytes:,} bytes (TAXI_POINTS_CACHE_MAX_BYTES)")


class DamagedEntryError(Exception):
    """An entry is not what was stored."""


class CacheBackend(Protocol):
    """Stores streams of bytes by key, each whole or not at all."""

    name: str
    """The location, with its password masked."""
    min_points: int
    """The least number of points worth caching; fewer are prepared as fast as they are read."""

    def open(self, key: str) -> AbstractContextManager[BinaryIO | None]:
        """Return the stream of this key, or None.

        Raises CacheBackendError, also while reading, and DamagedEntryError where a chunk is missing.
        """
        ...

    def store(self, key: str, write: Callable[[IO[bytes]], None]) -> None:
        """Call `write` with a stream, and store what it writes once it is whole. Raises CacheBackendError."""
        ...

    def remove(self, key: str) -> None:
        """Remove the entry. Raises CacheBackendError."""
        ...


class FolderCache:
    """A file for each entry. The least recently used ones are removed to make space."""

    min_points = 100_000

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.cache_dir / "points"
        self._ttl = settings.points_cache_ttl_seconds
        self._max_bytes = settings.points_cache_max_bytes
        self.name = str(self._folder)

    def open(self, key: str) -> AbstractContextManager[BinaryIO | None]:
        path = self._path(key)
        with self._errors():
            try:
                if time.time() - path.stat().st_mtime > self._ttl:
                    return nullcontext()
                os.utime(path)
                return path.open("rb")
            except FileNotFoundError:
                return nullcontext()

    def store(self, key: str, write: Callable[[IO[bytes]], None]) -> None:
        with self._errors():
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._folder, prefix=".")
            partial = Path(name)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    write(file)
                self._make_room(partial.stat().st_size)
                partial.replace(self._path(key))
            finally:
                partial.unlink(missing_ok=True)

    def remove(self, key: str) -> None:
        with self._errors():
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.arrow"

    def _make_room(self, size: int) -> None:
        """Remove expired entries, and then the oldest, until all entries with this one fit the limit."""
        if size > self._max_bytes:
            raise EntryTooLargeError(self._max_bytes)
        states = {path: path.stat() for path in self._folder.glob("*.arrow")}
        total = size + sum(state.st_size for state in states.values())
        for path, state in sorted(states.items(), key=lambda item: item[1].st_mtime):
            if total <= self._max_bytes and time.time() - state.st_mtime <= self._ttl:
                break
            path.unlink(missing_ok=True)
            total -= state.st_size

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CacheBackendError(error.strerror or str(error)) from None
