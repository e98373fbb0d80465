"""A cache backend in Redis: streams of bytes in chunks, found by an entry that is written last."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from taxi_mlops.monitoring.spans import client_span
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.settings import Settings
from taxi_mlops.storage.cache_backend import CacheBackendError, CacheFullError, DamagedEntryError, EntryTooLargeError
from taxi_mlops.storage.redis_client import redis_client

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_PREFIX = "taxi:points:"
_CHUNK_BYTES = 256 << 10
"""With larger ones the client copies into fresh memory, whose page faults cost more than all else; smaller ones need
more round trips."""
_UNFINISHED_SECONDS = 600
"""How long chunks are kept if their writer was killed before it wrote the entry."""


class _Entry(BaseModel):
    """The value of a key: the names of its chunks. It grows while they are written."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(pattern=r"^[0-9a-f]{16}$")
    chunks: int = Field(default=0, ge=0, le=100_000)

    def names(self, key: str) -> list[str]:
        return [f"{_PREFIX}{key}:{self.token}:{number}" for number in range(self.chunks)]


class RedisCache:
    """A cache that any number of processes may share; of those that store a key at once, one succeeds."""

    min_points = 1

    def __init__(self, url: ServiceUrl, settings: Settings) -> None:
        """Connect lazily. Raises UsageError for a URL of another kind, ImportError if redis is not installed."""
        self.name = str(url)
        self._url = url
        self._timeout = settings.service_timeout_seconds
        self._ttl_seconds = max(1, round(settings.points_cache_ttl_seconds))
        self._max_bytes = settings.points_cache_max_bytes
        self._redis = redis_client(url, settings, socket_read_size=_CHUNK_BYTES)

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO | None]:
        entry = self._entry(key)
        if entry is None:
            yield None
            return
        with self._asking("GET", entry.chunks), io.BufferedReader(_Reader(self._chunk, entry.names(key))) as stream:
            yield cast(BinaryIO, stream)

    def store(self, key: str, write: Callable[[IO[bytes]], None]) -> None:
        entry = _Entry(token=secrets.token_hex(8))
        writer = _Writer(lambda chunk: self._append(key, entry, chunk), self._max_bytes)
        try:
            with self._asking("SET"):
                with io.BufferedWriter(writer, _CHUNK_BYTES) as buffered:
                    write(cast(IO[bytes], buffered))
                kept = self._publish(key, entry)
        except (CacheFullError, EntryTooLargeError):
            self._delete(entry.names(key))
            raise
        if not kept:  # another process was faster
            self._delete(entry.names(key))

    def remove(self, key: str) -> None:
        entry = self._entry(key)
        self._delete([_PREFIX + key, *(entry.names(key) if entry else ())])

    def _entry(self, key: str) -> _Entry | None:
        with self._asking("GET"):
            found = self._redis.get(_PREFIX + key)
        try:
            return None if found is None else _Entry.model_validate_json(cast(bytes, found))
        except ValidationError:
            self._delete([_PREFIX + key])
            return None

    def _chunk(self, name: str) -> bytes:
        content = self._redis.get(name)
        if content is None:
            raise DamagedEntryError("a piece of it is gone")
        return cast(bytes, content)

    def _append(self, key: str, entry: _Entry, chunk: memoryview) -> None:
        entry.chunks += 1
        self._redis.set(entry.names(key)[-1], chunk, ex=_UNFINISHED_SECONDS)

    def _publish(self, key: str, entry: _Entry) -> bool:
        """Write the entry, unless there is one by now. If killed in between, the chunks expire soon."""
        if not self._redis.set(_PREFIX + key, entry.model_dump_json(), ex=self._ttl_seconds, nx=True):
            return False
        with self._redis.pipeline(transaction=False) as pipeline:
            for name in entry.names(key):
                pipeline.expire(name, self._ttl_seconds)
            pipeline.execute()
        return True

    def _delete(self, names: list[str]) -> None:
        if names:
            with self._asking("DEL"):
                self._redis.delete(*names)

    @contextmanager
    def _asking(self, command: str, times: int = 1) -> Iterator[None]:
        """Trace one command or many, and raise Redis' errors as a backend's, in one line without the password."""
        from redis import exceptions

        attributes: dict[str, str | int] = {
            "db.system.name": "redis",
            "db.operation.name": command,
            "db.operation.batch.size": times,
        }
        try:
            with client_span(f"Redis {command}", attributes):
                yield
        except exceptions.OutOfMemoryError:
            raise CacheFullError("Redis is full (its maxmemory); give it more, or let it evict") from None
        except exceptions.TimeoutError:
            raise CacheBackendError(f"no answer for {self._timeout:g} s (TAXI_SERVICE_TIMEOUT_SECONDS)") from None
        except (exceptions.RedisError, OSError) as error:
            raise CacheBackendError(self._url.scrub(" ".join(str(error).split()))) from None


class _Writer(io.RawIOBase):
    """Passes on what is written to it, up to a limit. After a failure it discards what its buffer still holds."""

    def __init__(self, append: Callable[[memoryview], None], max_bytes: int) -> None:
        self._append = append
        self._max_bytes = max_bytes
        self._written = 0
        self._works = True

    def writable(self) -> bool:
        return True

    def write(self, content: ReadableBuffer, /) -> int:
        chunk = memoryview(content).cast("B")[:_CHUNK_BYTES]
        if not self._works:
            return len(chunk)
        self._works = False
        self._written += len(chunk)
        if self._written > self._max_bytes:
            raise EntryTooLargeError(self._max_bytes)
        self._append(chunk)
        self._works = True
        return len(chunk)


class _Reader(io.RawIOBase):
    """Reads one stream from many chunks, each fetched when it is needed."""

    def __init__(self, fetch: Callable[[str], bytes], names: list[str]) -> None:
        self._fetch = fetch
        self._names = iter(names)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        target = memoryview(buffer).cast("B")
        if not self._left:
            name = next(self._names, None)
            self._left = memoryview(self._fetch(name) if name else b"")
        size = min(len(target), len(self._left))
        target[:size] = self._left[:size]
        self._left = self._left[size:]
        return size
