"""The files between the stages of a clustering in tiles, as objects of a bucket: for workers that share no disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from taxi_mlops.data.objects import ObjectAddress, ObjectStore, StoredObject
from taxi_mlops.errors import DataError, DownloadError, RunFolderError, ServiceError
from taxi_mlops.scale.spill_files import Content, SpillReader, ended_early

_MOST_DELETED = 1000
"""Objects of one request, by the interface of S3."""


@dataclass(frozen=True, slots=True)
class BucketFiles:
    """Objects whose names begin with a prefix, as `taxi_mlops.scale.spill_files.SpillFiles`.

    A process that it is sent to connects to the store of its own settings. Methods raise ServiceError if the store
    refuses or does not answer.
    """

    store: ObjectStore
    bucket: str
    prefix: str

    @classmethod
    def below(cls, address: str, store: ObjectStore) -> BucketFiles:
        """Return the files below `s3://bucket/prefix`. Raises DataError if that is no such address."""
        found = ObjectAddress.parse(address)
        prefix = found.key.strip("/")
        if not prefix:
            raise DataError(f"{address}: name a prefix in the bucket, too: {found}waiting, for example")
        return cls(store, found.bucket, f"{prefix}/")

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def folder(self) -> None:
        """None: workers need no folder."""

    @property
    def bytes(self) -> int:
        with self._errors():
            return sum(entry.size for entry in self.store.entries(self._address("")))

    def require_empty(self) -> None:
        """Raise RunFolderError if there is an object below the prefix."""
        with self._errors():
            taken = next(self.store.entries(self._address("")), None)
        if taken is not None:
            raise RunFolderError(f"{self} is not empty ({taken.address}, …); name a new prefix")

    def make(self, folders: Sequence[str] = ()) -> None:  # noqa: ARG002 - there are no folders
        with self._errors():
            self.store.head(self._address(""))

    def exists(self, name: str) -> bool:
        with self._errors():
            return self.store.head(self._address(name)) is not None

    @contextmanager
    def open(self, name: str) -> Iterator[SpillReader]:
        with self._errors():
            [found] = self.store.find(self._address(name))
            with found.open() as file:
                yield _ObjectFile(found, file)

    def write(self, name: str, parts: Iterable[Content]) -> None:
        address = self._address(name)
        content = b"".join(parts)
        with self._errors(), self.store.errors(address):
            self.store.client.put_object(Bucket=address.bucket, Key=address.key, Body=content)

    def remove(self) -> None:
        address = self._address("")
        with self._errors(), self.store.errors(address):
            keys = [{"Key": entry.address.key} for entry in self.store.entries(address)]
            for begin in range(0, len(keys), _MOST_DELETED):
                some = {"Objects": keys[begin : begin + _MOST_DELETED], "Quiet": True}
                self.store.client.delete_objects(Bucket=self.bucket, Delete=some)

    def _address(self, name: str) -> ObjectAddress:
        return ObjectAddress(self.bucket, self.prefix + name)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise what the store answers as ServiceError: it is no fault of the trips, and may pass."""
        try:
            yield
        except (DataError, DownloadError) as error:
            raise ServiceError(f"the points that wait could not be read or written: {error}") from None


class _ObjectFile:
    def __init__(self, found: StoredObject, file: BinaryIO) -> None:
        self._found, self._file = found, file

    @property
    def size(self) -> int:
        return self._found.size

    def read(self, begin: int, dtype: DTypeLike, count: int) -> NDArray[Any]:
        kind = np.dtype(dtype)
        self._file.seek(begin)
        content = self._file.read(kind.itemsize * count)
        if len(content) < kind.itemsize * count:
            raise ended_early(str(self._found))
        return np.frombuffer(bytearray(content), kind)  # of which the caller may write to

    def rest(self, begin: int, dtype: DTypeLike) -> NDArray[Any]:
        kind = np.dtype(dtype)
        return self.read(begin, kind, max(self._found.size - begin, 0) // kind.itemsize)
