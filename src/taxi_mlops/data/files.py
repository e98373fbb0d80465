"""Open files of trips, local or in an object store, as streams of bytes."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from taxi_mlops.data.formats import ZIP_MAGICS, compression_of, only_member
from taxi_mlops.data.objects import StoredObject
from taxi_mlops.data.validator import shortened
from taxi_mlops.errors import DataError, DataNotFoundError

MAGIC_BYTES = 4096
"""How many of the first bytes are enough to recognise a format."""

_UNPACKED_BYTES = 256 << 20
_UNPACKED_TIMES = 250
"""Up to so many bytes, or so many times its size, what a compressed file holds is read."""

TripFile = Path | StoredObject
"""A local file, or an object of a store."""


def opened(file: TripFile) -> BinaryIO:
    """Open a file for reading at any position. Raises OSError, for an object DataError or DownloadError."""
    return file.open("rb") if isinstance(file, Path) else file.open()


def open_stream(file: TripFile) -> IO[bytes]:
    """Open a file for reading from the first byte to the last, decompressed if it is compressed."""
    import pyarrow as pa

    with opened(file) as content:
        start = content.read(MAGIC_BYTES)
    if start.startswith(ZIP_MAGICS):
        # The member keeps the file open that the archive opened.
        with zipfile.ZipFile(file if isinstance(file, Path) else file.open()) as archive:
            member = only_member(archive)
            return _Unpacked(archive.open(member), member.compress_size)
    source = pa.OSFile(str(file)) if isinstance(file, Path) else pa.PythonFile(file.open_stream(), "r")
    compression = compression_of(start)
    if compression is None:
        return cast(IO[bytes], source)
    size = file.stat().st_size if isinstance(file, Path) else file.size
    return _Unpacked(cast(IO[bytes], pa.CompressedInputStream(source, compression)), size)


def check_unpacked(unpacked_bytes: int, packed_bytes: int, prefix: str = "") -> None:
    """Raise DataError if a file unpacks to more than trips do: a small one may be made to fill the memory.

    prefix: of the message.
    """
    if unpacked_bytes > max(_UNPACKED_BYTES, _UNPACKED_TIMES * packed_bytes):
        raise DataError(
            f"{prefix}{packed_bytes:,} bytes unpack to more than {_UNPACKED_TIMES} times as many, "
            "as none of trips do; if they are right, unpack the file first"
        )


class _Unpacked(io.RawIOBase, IO[bytes]):
    """What is decompressed from a file, up to a limit: a small file may unpack to any size.

    Raises DataError beyond the limit.
    """

    def __init__(self, content: IO[bytes], packed_bytes: int) -> None:
        super().__init__()
        self._content = content
        self._packed_bytes = packed_bytes
        self._position = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        data = self._content.read(size)
        self._position += len(data)
        check_unpacked(self._position, self._packed_bytes)
        return data

    def close(self) -> None:
        if not self.closed:
            self._content.close()
        super().close()


@contextmanager
def explained(file: TripFile | str) -> Iterator[None]:
    """Raise the errors of the system and the readers as a DataError of one line."""
    import pyarrow as pa

    try:
        yield
    except NotImplementedError as error:
        raise DataError(f"{file}: {shortened(error, 200)}; unpack it first") from error
    except FileNotFoundError as error:
        raise DataNotFoundError(f"{file}: there is no such file (was it removed meanwhile?)") from error
    except PermissionError as error:
        raise DataError(f"{file}: no permission to read it") from error
    except IsADirectoryError as error:
        raise DataError(f"{file}: is a folder; name its files, for example {file}/*.parquet") from error
    except (pa.ArrowException, OSError, EOFError, UnicodeError, csv.Error, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(f"{file}: truncated or corrupt ({shortened(error, 200)}); fetch or export it again") from error


def size_of(file: TripFile) -> int:
    """Return how many bytes a file has. Raises DataError if it cannot be looked at."""
    with explained(file):
        return file.size if isinstance(file, StoredObject) else file.stat().st_size
