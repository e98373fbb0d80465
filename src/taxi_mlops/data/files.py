"""Open files of trips, local or in an object store, as streams of bytes."""

from __future__ import annotations

import csv
import zipfile
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
            return cast(IO[bytes], pa.PythonFile(archive.open(only_member(archive)), "r"))
    source = pa.OSFile(str(file)) if isinstance(file, Path) else pa.PythonFile(file.open_stream(), "r")
    compression = compression_of(start)
    stream: IO[bytes] = pa.CompressedInputStream(source, compression) if compression else source
    return stream


@contextmanager
def explained(file: TripFile | str) -> Iterator[None]:
    """Raise the errors of the system and the readers as a DataError of one line."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError as error:
        raise DataNotFoundError(f"{file}: there is no such file (was it removed meanwhile?)") from error
    except PermissionError as error:
        raise DataError(f"{file}: no permission to read it") from error
    except IsADirectoryError as error:
        raise DataError(f"{file}: is a folder; name its files, for example {file}/*.parquet") from error
    except (pa.ArrowException, OSError, EOFError, csv.Error, zipfile.BadZipFile) as error:
        raise DataError(f"{file}: truncated or corrupt ({shortened(error, 200)}); fetch or export it again") from error
