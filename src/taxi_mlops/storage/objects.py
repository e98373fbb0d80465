"""Upload files to the object store, whole or not at all, and list what is there.

A large file is uploaded in parts. The store checks each part against its SHA-256, and the whole against that of all
parts. Parts stay after a failure: pushing again compares their checksums with the file's, and sends the missing ones.
"""

from __future__ import annotations

import base64
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from taxi_mlops.data.objects import ObjectAddress, ObjectEntry, ObjectStore
from taxi_mlops.data.progress import Progress
from taxi_mlops.errors import DataError, DownloadError, ServiceError
from taxi_mlops.settings import Settings

TRIPS_BUCKET = "taxi-data"
"""The bucket that `taxi data list` lists by default."""

_PART_BYTES = 16 << 20
_MAX_PARTS = 10_000
_AT_ONCE = 4
"""Parts that are sent at a time; as many are in memory."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A file in the object store, after its checksum was verified.

    sent_bytes: how many had to be sent; the rest was there. checksum: as the store keeps it: SHA-256 in base64; for
    several parts that of their digests, with a hyphen and their number.
    """

    uri: str
    size: int
    sent_bytes: int
    checksum: str
    etag: str
    version: str | None


def list_objects(prefix: str | None, settings: Settings) -> tuple[ObjectEntry, ...]:
    """List the objects under a prefix: `s3://bucket/…`, or the start of a key in `TRIPS_BUCKET`; None for all of it.

    Raises DataError if the bucket is absent or may not be read, DownloadError if the store does not answer.
    """
    text = prefix or ""
    address = ObjectAddress.parse(text) if "://" in text else ObjectAddress(TRIPS_BUCKET, text)
    return tuple(ObjectStore(settings).entries(address))


def push(file: Path, target: str, settings: Settings, on_progress: Progress | None = None) -> Pushed:
    """Upload a local file to an address; if that ends in a slash, under its own name.

    Raises DataError if the file cannot be read or changes meanwhile, or if the store refuses; ServiceError if it does
    not answer. The parts that were uploaded stay, and pushing again continues from there.
    """
    address = ObjectAddress.parse(target)
    if not address.key or address.key.endswith("/"):
        address = ObjectAddress(address.bucket, address.key + file.name)
    store = ObjectStore(settings)
    try:
        with _LocalFile.open(file) as content:
            return _Push(content, address, store, on_progress).run()
    except DownloadError as error:
        raise ServiceError(f"{error}; what has arrived stays there: push it again to send the rest") from None


@dataclass(frozen=True, slots=True)
class _Part:
    """Bytes of the file. `number` counts from 1."""

    number: int
    first: int
    size: int


class _LocalFile:
    """The file as it was when it was opened."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._state = self._look()
        self.size = self._state[0]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file. Raises DataError if it cannot be read, or is empty."""
        try:
            if path.is_dir():
                raise DataError(f"{path}: is a folder; push its files one by one")
            file = cls(path, os.open(path, os.O_RDONLY))
        except FileNotFoundError:
            raise DataError(f"{path}: there is no such file (in {Path.cwd()})") from None
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from None
        if not file.size:
            file.__exit__()
            raise DataError(f"{path}: the file is empty")
        return file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def parts(self) -> tuple[_Part, ...]:
        """Return parts whose size depends on the file's alone, so that a later push makes the same ones."""
        size = max(_PART_BYTES, -(-self.size // _MAX_PARTS))
        return tuple(
            _Part(number, first, min(size, self.size - first))
            for number, first in enumerate(range(0, self.size, size), start=1)
        )

    def read(self, part: _Part) -> bytes:
        """Read a part. Raises DataError if the file is shorter by now."""
        content = os.pread(self._descriptor, part.size, part.first)
        if len(content) != part.size:
            self._refuse_changed()
        return content

    def check_unchanged(self) -> None:
        """Raise DataError if the file was written to since it was opened."""
        if self._look() != self._state:
            self._refuse_changed()

    def _look(self) -> tuple[int, int]:
        state = os.fstat(self._descriptor)
        return state.st_size, state.st_mtime_ns

    def _refuse_changed(self) -> None:
        raise DataError(f"{self.path}: was changed while it was pushed; wait until it is whole, and push it again")


class _Push:
    """The upload of one file to one address."""

    def __init__(
        self, file: _LocalFile, address: ObjectAddress, store: ObjectStore, on_progress: Progress | None
    ) -> None:
        self._file = file
        self._address = address
        self._store = store
        self._on_progress = on_progress
        self._where = {"Bucket": address.bucket, "Key": address.key}
        self._parts = file.parts()

    def run(self) -> Pushed:
        """Send what is missing, then check the whole."""
        there = self._store.head(self._address)
        if there and there["ContentLength"] == self._file.size and there.get("ChecksumSHA256") == self._checksum():
            return self._pushed(there, 0)
        with self._store.errors(self._address):
            sent = self._send_parts() if len(self._parts) > 1 else self._send_whole()
        there = self._store.head(self._address)
        if there is None or (there["ContentLength"], there.get("ChecksumSHA256")) != (
            self._file.size,
            self._checksum(),
        ):
            raise ServiceError(
                f"{self._address}: {self._store.endpoint} does not show what was sent, or not its checksum; "
                "push it again, and do not use what is there"
            )
        return self._pushed(there, sent)

    def _send_whole(self) -> int:
        content = self._file.read(self._parts[0])
        self._file.check_unchanged()
        self._store.client.put_object(**self._where, Body=content, ChecksumSHA256=_base64(_sha256(content)))
        return len(content)

    def _send_parts(self) -> int:
        upload = self._unfinished() or self._store.client.create_multipart_upload(
            **self._where, ChecksumAlgorithm="SHA256"
        )
        where = {**self._where, "UploadId": upload["UploadId"]}
        there = self._arrived(where)
        sent = done = 0
        finished = []
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            sending = pool.map(lambda part: self._send(part, where, there.get(part.number)), self._parts)
            for part, (entry, sent_bytes) in zip(self._parts, sending, strict=True):
                finished.append(entry)
                done += part.size
                sent += sent_bytes
                if self._on_progress:
                    self._on_progress("Pushing", done, self._file.size)
        self._file.check_unchanged()
        self._store.client.complete_multipart_upload(**where, MultipartUpload={"Parts": finished})
        return sent

    def _unfinished(self) -> dict[str, Any] | None:
        """Return the last unfinished upload to this key."""
        pages = self._store.client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._address.bucket, Prefix=self._address.key
        )
        uploads = (upload for page in pages for upload in page.get("Uploads", ()))
        return max(
            (upload for upload in uploads if upload["Key"] == self._address.key),
            key=lambda upload: upload["Initiated"],
            default=None,
        )

    def _arrived(self, where: dict[str, str]) -> dict[int, dict[str, Any]]:
        """Return the parts that the store has already, by number."""
        pages = self._store.client.get_paginator("list_parts").paginate(**where)
        return {part["PartNumber"]: part for page in pages for part in page.get("Parts", ())}

    def _send(self, part: _Part, where: dict[str, str], there: dict[str, Any] | None) -> tuple[dict[str, Any], int]:
        """Return the entry of a part for the list that completes the upload, and how many bytes were sent for it."""
        content = self._file.read(part)
        checksum = _base64(_sha256(content))
        entry = {"PartNumber": part.number, "ChecksumSHA256": checksum}
        if there and _is_of(content, checksum, there):
            return {**entry, "ETag": there["ETag"]}, 0
        answer = self._store.client.upload_part(**where, PartNumber=part.number, Body=content, ChecksumSHA256=checksum)
        return {**entry, "ETag": answer["ETag"]}, part.size

    def _checksum(self) -> str:
        """Return the checksum that the store computes of the whole from the parts."""
        digests = [_sha256(self._file.read(part)) for part in self._parts]
        if len(digests) == 1:
            return _base64(digests[0])
        return f"{_base64(_sha256(b''.join(digests)))}-{len(digests)}"

    def _pushed(self, there: dict[str, Any], sent: int) -> Pushed:
        version, etag = there.get("VersionId"), there["ETag"].strip('"')
        return Pushed(str(self._address), self._file.size, sent, there["ChecksumSHA256"], etag, version)


def _is_of(content: bytes, checksum: str, there: dict[str, Any]) -> bool:
    """Return whether an uploaded part has this content. Stores that list no checksum, as SeaweedFS, list the MD5."""
    if "ChecksumSHA256" in there:
        return bool(there["ChecksumSHA256"] == checksum)
    return bool(there["ETag"].strip('"') == hashlib.md5(content, usedforsecurity=False).hexdigest())


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
