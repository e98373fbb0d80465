"""Read trips from an S3-compatible object store: `s3://bucket/key` addresses, and byte ranges of objects.

boto3 rather than pyarrow's own S3 file system, which can neither request the version that was seen first (`If-Match`),
nor keep the checksum of each part of an upload, nor resume an interrupted one.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, cast

from pydantic import PlainSerializer, SecretStr

from taxi_mlops.data.download import displayed
from taxi_mlops.errors import DataError, DownloadError, UsageError
from taxi_mlops.monitoring.spans import trace_requests
from taxi_mlops.settings import Settings

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from boto3.session import Session
    from botocore.exceptions import ClientError
    from botocore.response import StreamingBody

SCHEME = "s3"
INSTALL = "pip install 'taxi-mlops[s3]'"

_ATTEMPTS = 3
_CONNECTIONS = 8
_READ_AHEAD_BYTES = 8 << 20
_CHUNK_BYTES = 1 << 20
"""How much is fetched twice at most if a connection breaks."""
_REFUSED = {"401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
_ABSENT = {"404", "NoSuchKey", "NoSuchVersion"}
_CHANGED = {"412", "416", "PreconditionFailed", "InvalidRange"}


@dataclass(frozen=True, slots=True)
class ObjectAddress:
    """An address in an object store. `key` may be empty, a prefix or a pattern, where those are allowed."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> ObjectAddress:
        """Read `s3://bucket/key`. Raises DataError for anything else."""
        match = re.fullmatch(rf"(?i:{SCHEME})://([a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9])(?:/(.*))?", text)
        if match is None:
            raise DataError(f"{displayed(text)}: objects are named like s3://bucket/key, buckets in small letters")
        return cls(match[1], match[2] or "")

    def __str__(self) -> str:
        return f"{SCHEME}://{self.bucket}/{self.key}"


class ObjectStore:
    """A connection to the configured object store. Threads may share it."""

    def __init__(self, settings: Settings) -> None:
        """Connect lazily. Raises UsageError if boto3 is missing or the settings are inconsistent."""
        try:
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError

            session = _session()
        except ImportError:
            raise UsageError(f"{SCHEME}:// addresses need boto3; install it with: {INSTALL}") from None
        url, secret = settings.object_store_url, settings.object_store_secret_key
        self.timeout = settings.service_timeout_seconds
        self.endpoint = displayed(str(url)).rstrip("/") if url else "Amazon S3"
        self._secret = secret or SecretStr("")
        config = Config(
            connect_timeout=self.timeout,
            read_timeout=self.timeout,
            retries={"mode": "standard", "total_max_attempts": 2},
            max_pool_connections=_CONNECTIONS,
            s3={"addressing_style": "path"} if url else {},
        )
        try:
            self.client: Any = session.client(
                "s3",
                endpoint_url=str(url).rstrip("/") if url else None,
                aws_access_key_id=settings.object_store_access_key,
                aws_secret_access_key=secret.get_secret_value() if secret else None,
                region_name=settings.object_store_region,
                config=config,
                verify=str(settings.ca_file) if settings.ca_file else None,
            )
        except (ValueError, BotoCoreError) as error:
            raise UsageError(f"the object store {self.endpoint} cannot be used: {error}") from None
        trace_requests(self.client)

    def __reduce__(self) -> tuple[Callable[[], ObjectStore], tuple[()]]:
        """Pickle no keys: another process connects with its own settings."""
        return _connect, ()

    def find(self, address: ObjectAddress) -> tuple[StoredObject, ...]:
        """Return the object of this name, or those that match the pattern, by name.

        Raises DataError if there is none or they may not be read, DownloadError if the store does not answer.
        """
        if not address.key or address.key.endswith("/"):
            raise DataError(
                f"{address}: is a folder; name its objects, for example {str(address).rstrip('/')}/*.parquet"
            )
        found = self._head(address)
        if found is not None:
            return (found,)
        wildcard = re.search(r"[*?\[]", address.key)
        if wildcard is None:
            raise DataError(f"{address}: there is no such object at {self.endpoint}; see: taxi data list")
        prefix = ObjectAddress(address.bucket, address.key[: wildcard.start()])
        names = [entry.address for entry in self.entries(prefix) if fnmatchcase(entry.address.key, address.key)]
        matches = [match for match in map(self._head, names) if match is not None]
        if not matches:
            raise DataError(f"{address}: no object matches at {self.endpoint}; see: taxi data list")
        return tuple(matches)

    def entries(self, prefix: ObjectAddress) -> Iterator[ObjectEntry]:
        """Return all objects whose name has this prefix, by name. Raises as `find` does."""
        with self.errors(prefix):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=prefix.bucket, Prefix=prefix.key)
            for page in pages:
                for item in page.get("Contents", ()):
                    address = ObjectAddress(prefix.bucket, item["Key"])
                    yield ObjectEntry(address, item["Size"], item["LastModified"], item["ETag"].strip('"'))

    def head(self, address: ObjectAddress) -> dict[str, Any] | None:
        """Return the store's metadata of an object, checksums included, or None if it does not exist."""
        from botocore.exceptions import ClientError

        with self.errors(address):
            try:
                answer: dict[str, Any] = self.client.head_object(
                    Bucket=address.bucket, Key=address.key, ChecksumMode="ENABLED"
                )
            except ClientError as error:
                if _code(error) not in _ABSENT:
                    raise
            else:
                return answer
            self.client.head_bucket(Bucket=address.bucket)  # raises for a bucket that does not exist
        return None

    def _head(self, address: ObjectAddress) -> StoredObject | None:
        answer = self.head(address)
        if answer is None:
            return None
        version = answer.get("VersionId")
        version = None if version == "null" else version  # of a bucket whose versioning is suspended
        return StoredObject(address, answer["ContentLength"], answer["ETag"].strip('"'), version, self)

    @contextmanager
    def errors(self, address: ObjectAddress) -> Iterator[None]:
        """Raise errors of the store or the connection as one line without keys: DataError or DownloadError."""
        from botocore import exceptions
        from urllib3.exceptions import HTTPError

        try:
            yield
        except exceptions.ClientError as error:
            raise self._answered(address, error) from None
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
            raise DataError(
                f"{address}: there are no keys for {self.endpoint}; set TAXI_OBJECT_STORE_URL, "
                "TAXI_OBJECT_STORE_ACCESS_KEY and TAXI_OBJECT_STORE_SECRET_KEY"
            ) from None
        except (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError):
            raise DownloadError(
                f"{address}: {self.endpoint} gave no answer for {self.timeout:g} s (TAXI_SERVICE_TIMEOUT_SECONDS)"
            ) from None
        except exceptions.SSLError as error:
            raise DownloadError(
                f"{address}: the certificate of {self.endpoint} is not trusted ({self._line(error)}); name the "
                "authority's with TAXI_CA_FILE"
            ) from None
        except (exceptions.BotoCoreError, HTTPError, OSError) as error:
            raise DownloadError(
                f"{address}: {self.endpoint} cannot be reached ({self._line(error)}); is it running?"
            ) from None

    def _answered(self, address: ObjectAddress, error: ClientError) -> DataError | DownloadError:
        code = _code(error)
        if code in _ABSENT and error.operation_name != "HeadBucket":
            return DataError(f"{address}: there is no such object at {self.endpoint} (was it removed meanwhile?)")
        if code in {*_ABSENT, "NoSuchBucket"}:
            return DataError(
                f"{address}: there is no bucket {address.bucket!r} at {self.endpoint}; create it, or correct the name"
            )
        if code in _REFUSED:
            return DataError(
                f"{address}: {self.endpoint} refuses ({code}); check TAXI_OBJECT_STORE_ACCESS_KEY, "
                "TAXI_OBJECT_STORE_SECRET_KEY and what their user may do"
            )
        if code in _CHANGED:
            return DownloadError(f"{address}: the object was replaced while it was read; run again to take the new one")
        return DownloadError(f"{address}: {self.endpoint} answered {code} ({self._line(error)})")

    def _line(self, error: Exception) -> str:
        secret = self._secret.get_secret_value()
        line = displayed(" ".join(str(error).split()))
        return line.replace(secret, "***") if secret else line


@cache
def _connect() -> ObjectStore:
    """The store that the settings of this process name."""
    from taxi_mlops.settings import load_settings

    return ObjectStore(load_settings())


@cache
def _session() -> Session:
    """Return one session for all, since each parses the description of S3 again. Raises ImportError without boto3."""
    from boto3.session import Session

    return Session()


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """A line of a bucket's list. The ETag is without its quotation marks."""

    address: Annotated[ObjectAddress, PlainSerializer(str)]
    size: int
    modified: datetime
    etag: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as it was found; what is read of it later has the same ETag, or raises an error.

    etag: without its quotation marks. version: its id if the bucket is versioned, else None.
    """

    address: ObjectAddress
    size: int
    etag: str
    version: str | None
    store: ObjectStore = field(repr=False, compare=False)

    def __str__(self) -> str:
        return str(self.address)

    @property
    def suffix(self) -> str:
        """The ending of its name, with the dot."""
        return PurePosixPath(self.address.key).suffix

    @property
    def identity(self) -> str:
        """An identifier of this content, which changes when the object is replaced."""
        etag = f"ETag {self.etag}"
        return f"version {self.version}, {etag}" if self.version else etag

    def open(self) -> BinaryIO:
        """Open it for random access: each range is fetched when it is read."""
        return cast(BinaryIO, _ObjectReader(self))

    def open_stream(self) -> BinaryIO:
        """Open it for reading from the first byte to the last, some MiB at a time."""
        return cast(BinaryIO, io.BufferedReader(_ObjectReader(self), _READ_AHEAD_BYTES))


class _ObjectReader(io.RawIOBase):
    """A file over ranges of an object. Every request requires the ETag that was seen first."""

    def __init__(self, found: StoredObject) -> None:
        self._object = found
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, origin: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._object.size}[origin]
        self._position = max(0, start + offset)
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        left = max(0, self._object.size - self._position)
        wanted = left if size < 0 else min(size, left)
        content = self._fetch(wanted) if wanted else b""
        self._position += len(content)
        return content

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        target = memoryview(buffer).cast("B")
        content = self.read(len(target))
        target[: len(content)] = content
        return len(content)

    def _fetch(self, size: int) -> bytes:
        """Fetch exactly `size` bytes from here on; a connection that breaks is resumed a few times."""
        found = self._object
        parts: list[bytes] = []
        missing = size
        for _ in range(_ATTEMPTS):
            with found.store.errors(found.address):
                body = self._request(self._position + size - missing, missing)
                with suppress(*_broken()), body:
                    for part in body.iter_chunks(_CHUNK_BYTES):
                        parts.append(part)
                        missing -= len(part)
            if not missing:
                return parts[0] if len(parts) == 1 else b"".join(parts)
        raise DownloadError(
            f"{found}: truncated: {found.store.endpoint} broke off {_ATTEMPTS} times, at last after "
            f"{self._position + size - missing:,} of {found.size:,} bytes; try again later"
        )

    def _request(self, first: int, size: int) -> StreamingBody:
        """Return the body of a response that announces just these bytes."""
        found = self._object
        answer = found.store.client.get_object(
            Bucket=found.address.bucket,
            Key=found.address.key,
            Range=f"bytes={first}-{first + size - 1}",
            IfMatch=f'"{found.etag}"',
        )
        if answer["ContentLength"] != size:
            raise DownloadError(f"{found}: truncated: asked for {size:,} bytes, sent {answer['ContentLength']:,}")
        return answer["Body"]


def _broken() -> tuple[type[Exception], ...]:
    """Return the exceptions of a body that is interrupted."""
    from botocore import exceptions

    return (
        exceptions.IncompleteReadError,
        exceptions.ResponseStreamingError,
        exceptions.ReadTimeoutError,
    )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
