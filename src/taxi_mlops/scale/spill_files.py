"""Files between the stages, by name. Each appears once it is complete, so that what is there is done."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import numpy as np
from numpy.typing import DTypeLike, NDArray

from taxi_mlops.errors import DataError

Content = bytes | memoryview
_BUFFER_BYTES = 1 << 20


class SpillReader(Protocol):
    """A file that is open."""

    @property
    def size(self) -> int:
        """Its bytes."""
        ...

    def read(self, begin: int, dtype: DTypeLike, count: int) -> NDArray[Any]:
        """Return (count,) values that are stored from a byte on. Raises DataError if the file ends before."""
        ...

    def rest(self, begin: int, dtype: DTypeLike) -> NDArray[Any]:
        """Return all values from a byte on, not to be written to; where possible, what is looked at is read."""
        ...


class SpillFiles(Protocol):
    """A folder of files, or what stands for one. It can be pickled. Methods raise OSError and TaxiError."""

    @property
    def folder(self) -> Path | None:
        """The folder, which all workers must see; None if files are elsewhere."""
        ...

    @property
    def bytes(self) -> int:
        """How large all files are together."""
        ...

    def make(self, folders: Sequence[str] = ()) -> None:
        """Prepare it, and remove what an earlier process left unfinished. folders: that files will be in."""
        ...

    def exists(self, name: str) -> bool:
        """Return whether a file is there."""
        ...

    def open(self, name: str) -> AbstractContextManager[SpillReader]:
        """Open a file to read parts of it."""
        ...

    def write(self, name: str, parts: Iterable[Content]) -> None:
        """Write a file that consists of some parts, whole or not at all. Several workers may write the same."""
        ...

    def remove(self) -> None:
        """Remove all files."""
        ...


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """Files of a folder."""

    path: Path

    @property
    def folder(self) -> Path:
        return self.path

    @property
    def bytes(self) -> int:
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())

    def make(self, folders: Sequence[str] = ()) -> None:
        for folder in (".", *folders):
            (self.path / folder).mkdir(parents=True, exist_ok=True)
            for unfinished in (self.path / folder).glob("*.part"):
                unfinished.unlink(missing_ok=True)

    def exists(self, name: str) -> bool:
        return (self.path / name).exists()

    @contextmanager
    def open(self, name: str) -> Iterator[SpillReader]:
        path = self.path / name
        with path.open("rb", buffering=0) as file:
            yield _FileReader(path, file)

    def write(self, name: str, parts: Iterable[Content]) -> None:
        path = self.path / name
        hidden = path.with_name(f"{path.name}.{uuid4().hex}.part")  # of this worker alone
        try:
            with hidden.open("wb", buffering=_BUFFER_BYTES) as file:
                file.writelines(parts)
            hidden.replace(path)
        finally:
            hidden.unlink(missing_ok=True)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


class _FileReader:
    def __init__(self, path: Path, file: io.FileIO) -> None:
        self._path, self._file = path, file

    @property
    def size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def read(self, begin: int, dtype: DTypeLike, count: int) -> NDArray[Any]:
        values = np.empty(count, dtype)
        if not count:
            return values
        self._file.seek(begin)
        rest = values.view(np.uint8).data
        while rest:
            read = self._file.readinto(rest)
            if not read:
                raise ended_early(str(self._path))
            rest = rest[read:]
        return values

    def rest(self, begin: int, dtype: DTypeLike) -> NDArray[Any]:
        if self.size <= begin:
            return np.empty(0, dtype)
        return np.memmap(self._path, dtype, "r", begin)


def ended_early(name: str) -> DataError:
    """Return the error of a file that is shorter than it was."""
    return DataError(f"{name} is damaged: it ends too early; start again in a new folder")


def whole(reader: SpillReader) -> bytes:
    """Return all bytes of a file."""
    return reader.read(0, np.uint8, reader.size).tobytes()


_TYPE_BYTES = 8


class ArrayReader:
    """An array in a file that is open, of which parts are read: its type in 8 bytes, then its values."""

    def __init__(self, reader: SpillReader) -> None:
        self._reader = reader
        self._type = np.dtype(reader.read(0, np.uint8, _TYPE_BYTES).tobytes().decode().strip())
        self._length = (reader.size - _TYPE_BYTES) // self._type.itemsize

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, part: slice) -> NDArray[Any]:
        """Read the values of a slice with step 1."""
        begin, end, _ = part.indices(self._length)
        return self._reader.read(_TYPE_BYTES + begin * self._type.itemsize, self._type, max(end - begin, 0))

    def values(self) -> NDArray[Any]:
        """Return all values, not to be written to, which outlast the reader."""
        return self._reader.rest(_TYPE_BYTES, self._type)


def array_content(values: NDArray[Any]) -> tuple[bytes, memoryview]:
    """Return what `ArrayReader` reads as the array."""
    return values.dtype.str.encode().ljust(_TYPE_BYTES), np.ascontiguousarray(values).data


def arrays_content(**arrays: NDArray[Any]) -> tuple[memoryview]:
    """Return what `load_arrays` reads as arrays by name."""
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]  # its stubs allow no names in a mapping
    return (file.getbuffer(),)


def load_arrays(files: SpillFiles, name: str) -> dict[str, NDArray[Any]]:
    """Read arrays by name. Raises OSError, and DataError if the file is damaged."""
    with files.open(name) as reader:
        content = whole(reader)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
