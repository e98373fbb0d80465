"""Reading the columns that are needed of one CSV or Parquet file, in batches, and saying clearly why it cannot be.

Files are never memory-mapped: a file that shrinks while it is read must end in an error, not in a killed process.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

from taxi_mlops.data.objects import StoredObject
from taxi_mlops.data.validator import shortened
from taxi_mlops.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

_PARQUET_MAGIC = b"PAR1"
_GZIP_MAGIC = b"\x1f\x8b"
_PARQUET_BATCH_ROWS = 1 << 18
_CSV_BLOCK_BYTES = 8 << 20
_LINES_SHOWN = 3


TripFile = Path | StoredObject
"""A file of this machine, or an object of a store."""


def opened(file: TripFile) -> BinaryIO:
    """The bytes of a file, to be read from anywhere in it. Raises OSError, for an object DataError or DownloadError."""
    return file.open("rb") if isinstance(file, Path) else file.open()


@dataclass(frozen=True, slots=True)
class Table:
    """A file of trips: what it is, its column names in order, and its rows where they are known without reading it."""

    file: TripFile
    is_parquet: bool
    columns: tuple[str, ...]
    rows: int | None


def open_table(file: TripFile) -> Table:
    """Look at the header of a file. Raises DataError where it is missing, empty, truncated or corrupt."""
    with _explained(file):
        with opened(file) as content:
            start = content.read(4)
        if not start:
            raise DataError(f"{file}: the file is empty")
        if start == _PARQUET_MAGIC:
            parquet = _open_parquet(file)
            return Table(file, True, tuple(parquet.schema_arrow.names), parquet.metadata.num_rows)
        if file.suffix.lower() in {".parquet", ".pq"}:
            raise DataError(f"{file}: not a Parquet file (it begins with {start!r}); fetch or export it again")
        names = _csv_header(file).names
        if any("\0" in name for name in names):
            raise DataError(f"{file}: neither CSV nor Parquet (it begins with {start!r})")
        return Table(file, False, tuple(names), None)


def record_batches(table: Table, columns: Sequence[str], *, as_text: bool = False) -> Iterator[pa.RecordBatch]:
    """The named columns of a file, in batches.

    In a CSV file cells are read as float64, with `as_text` as strings; Parquet columns keep their type.

    Raises DataError where the file is truncated or corrupt, was removed, or has lines with too few or too many
    fields, and UnreadableCellError where a cell of a CSV file is not a number.
    """
    with _explained(table.file):
        if table.is_parquet:
            yield from _parquet_batches(table, columns)
        else:
            yield from _csv_batches(table, columns, as_text=as_text)


class UnreadableCellError(Exception):
    """A cell of a CSV file is not a number. Reading the columns again as text tells which."""


def _open_parquet(file: TripFile) -> pyarrow.parquet.ParquetFile:
    """Of an object only the ranges of the columns are fetched, few and large, ahead of their decoding."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = str(file) if isinstance(file, Path) else pa.PythonFile(file.open(), "r")
    return pq.ParquetFile(
        source, memory_map=False, page_checksum_verification=True, pre_buffer=not isinstance(file, Path)
    )


def _parquet_batches(table: Table, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with _open_parquet(table.file) as parquet:
        yield from parquet.iter_batches(_PARQUET_BATCH_ROWS, columns=list(columns))


@dataclass(frozen=True, slots=True)
class _CsvHeader:
    """Column names, and whether they must be given to the reader instead of being read from the file."""

    names: list[str]
    given: bool


def _csv_header(file: TripFile) -> _CsvHeader:
    """Read the header. Some months of New York's files end every line but the header with blank fields: name those."""
    with _open_stream(file) as stream, io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline="") as text:
        lines = (fields for fields in csv.reader(text) if fields)
        names = next(lines, [])
        try:
            first = next(lines, [])
        except csv.Error:  # a field longer than the module allows: a polyline
            first = []
    extra = first[len(names) :]
    if extra and not any(extra):
        return _CsvHeader([*names, *(f"blank {number}" for number in range(len(extra)))], given=True)
    return _CsvHeader(names, given=False)


def _open_stream(file: TripFile) -> IO[bytes]:
    """The bytes of a file, decompressed where it is gzip by its first bytes (whatever its name)."""
    import pyarrow as pa

    with opened(file) as content:
        compressed = content.read(2) == _GZIP_MAGIC
    source = pa.OSFile(str(file)) if isinstance(file, Path) else pa.PythonFile(file.open_stream(), "r")
    stream: IO[bytes] = pa.CompressedInputStream(source, "gzip") if compressed else source
    return stream


@dataclass(slots=True)
class _BadLines:
    """Lines with the wrong number of fields; all are counted before the error is raised."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def handle(self, row: pyarrow.csv.InvalidRow) -> str:
        self.count += 1
        if len(self.first) < _LINES_SHOWN:
            fields = f"{row.actual_columns} fields instead of {row.expected_columns}"
            self.first.append(f"line {row.number}: {fields}: {shortened(row.text, 60)}")
        return "skip"


def _csv_batches(table: Table, columns: Sequence[str], *, as_text: bool) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.csv as pc

    header = _csv_header(table.file)
    bad_lines = _BadLines()
    # One thread: with several, pyarrow does not tell the numbers of bad lines.
    read = pc.ReadOptions(use_threads=False, block_size=_CSV_BLOCK_BYTES)
    if header.given:
        read.column_names, read.skip_rows = header.names, 1
    cell_type = pa.string() if as_text else pa.float64()
    convert = pc.ConvertOptions(
        include_columns=list(columns), column_types=dict.fromkeys(columns, cell_type), strings_can_be_null=True
    )
    parse = pc.ParseOptions(invalid_row_handler=bad_lines.handle)
    try:
        with _open_stream(table.file) as stream:
            yield from pc.open_csv(stream, read_options=read, convert_options=convert, parse_options=parse)
    except pa.ArrowInvalid as error:
        if "conversion error" in str(error) and not as_text:
            raise UnreadableCellError(str(error)) from error
        if "Empty CSV" in str(error):
            raise DataError(f"{table.file}: the file holds no rows") from error
        raise
    if bad_lines.count:
        listed = "; ".join(bad_lines.first)
        raise DataError(f"{table.file}: {bad_lines.count:,} broken lines (first: {listed}); correct or remove them")


@contextmanager
def _explained(file: TripFile) -> Iterator[None]:
    """Turn what the system and the readers raise into one line."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{file}: there is no such file (was it removed meanwhile?)") from error
    except PermissionError as error:
        raise DataError(f"{file}: no permission to read it") from error
    except IsADirectoryError as error:
        raise DataError(f"{file}: is a folder; name its files, for example {file}/*.parquet") from error
    except (pa.ArrowException, OSError, EOFError, csv.Error) as error:
        raise DataError(f"{file}: truncated or corrupt ({shortened(error, 200)}); fetch or export it again") from error
