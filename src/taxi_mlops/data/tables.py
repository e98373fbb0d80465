"""Read the needed columns of one file of trips, in batches, or say clearly why it cannot be read.

Formats: CSV in any dialect (`csv_dialect`), Parquet and GeoParquet, Arrow and Feather, GeoJSON and other JSON, GPX
(`geo_tables`); gzip, bz2, zstd, lz4 and zip with one file in it, all by content and not by name (`formats`).

A GeoParquet column of points appears as the columns `latitude` and `longitude`. Files are never memory-mapped: a file
that shrinks while it is read must end in an error, not in a killed process.
"""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

from taxi_mlops.arrow import as_arrow
from taxi_mlops.data.columns import MISSING_TEXTS
from taxi_mlops.data.csv_dialect import SAMPLE_BYTES, CsvDialect, find_dialect
from taxi_mlops.data.formats import ZIP_MAGICS, Format, compression_of, format_of, only_member
from taxi_mlops.data.objects import StoredObject
from taxi_mlops.data.point_columns import xy_of
from taxi_mlops.data.validator import shortened
from taxi_mlops.errors import DataError, DataNotFoundError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    from taxi_mlops.data.memory import Rows

_MAGIC_BYTES = 4096
_BATCH_ROWS = 1 << 18
_SAMPLE_ROWS = 1000
_CSV_BLOCK_BYTES = 8 << 20
_LINES_SHOWN = 3

TripFile = Path | StoredObject
"""A file of this machine, or an object of a store."""


def opened(file: TripFile) -> BinaryIO:
    """The bytes of a file, to be read from anywhere in it. Raises OSError, for an object DataError or DownloadError."""
    return file.open("rb") if isinstance(file, Path) else file.open()


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A file of trips, of which the beginning has been looked at.

    file: what errors name where the rows are in memory.

    columns: the names in order; numbers from 1 where the file has no header (`has_header` is false).
    rows: None where the file does not say without being read. dialect: of a CSV file. content: the rows themselves,
    where they are in memory. points: the column of points in a GeoParquet file.
    """

    file: TripFile | str
    format: Format
    columns: tuple[str, ...]
    rows: int | None
    has_header: bool = True
    dialect: CsvDialect | None = None
    content: Rows | None = None
    points: str | None = None

    @property
    def stored(self) -> TripFile:
        """The file. Raises TypeError where the rows are in memory."""
        if isinstance(self.file, str):
            raise TypeError(f"{self.file} is in memory")
        return self.file

    def sample(self, columns: Sequence[str]) -> pa.RecordBatch:
        """The first rows of some columns, at most 1,000; columns of a CSV file are text."""
        with _explained(self.file):
            if self.dialect is not None:
                return _csv_sample(self.dialect, columns)
            if self.format == "parquet":
                batches = _parquet_batches(self, columns, _SAMPLE_ROWS)
            else:
                batches = record_batches(self, columns)
            first = next(batches, None)
            return first.slice(0, _SAMPLE_ROWS) if first is not None else _no_rows(columns)


def open_table(file: TripFile) -> Table:
    """Look at the beginning of a file. Raises DataError where it is missing, empty, corrupt, or of no known format."""
    with _explained(file):
        kind = _format(file)
        match kind:
            case "parquet":
                return _parquet_table(file)
            case "arrow" | "arrow stream":
                return _arrow_table(file, kind)
            case "geojson" | "gpx":
                return _document_table(file, kind)
            case "csv":
                return _csv_table(file)


def record_batches(table: Table, columns: Sequence[str], *, as_text: bool = False) -> Iterator[pa.RecordBatch]:
    """The named columns of a file, in batches that hold its rows in order.

    Columns of a CSV file are float64 as long as every cell is a number or missing, and text from the first batch on
    in which one is not, or with `as_text` always; columns of other formats keep their type.

    Raises DataError where the file is truncated or corrupt, was removed, or has lines with too few or too many fields.
    """
    with _explained(table.file):
        if table.content is not None:
            yield from table.content.select(list(columns)).to_batches(_BATCH_ROWS)
        elif table.dialect is not None:
            yield from _csv_batches(table, table.dialect, columns, as_text=as_text)
        elif table.format == "parquet":
            yield from _parquet_batches(table, columns)
        else:
            for batch in _arrow_batches(table.stored, table.format):
                yield batch.select(list(columns))


def _format(file: TripFile) -> Format:
    with opened(file) as content:
        start = content.read(_MAGIC_BYTES)
    if not start:
        raise DataError(f"{file}: the file is empty")
    try:
        if compression_of(start) or start.startswith(ZIP_MAGICS):
            with _open_stream(file) as stream:
                kind = format_of(stream.read(_MAGIC_BYTES))
        else:
            kind = format_of(start)
    except DataError as error:
        raise DataError(f"{file}: {str(error).removeprefix(f'{file}: ')}") from error
    if kind in {"parquet", "arrow"} and not start.startswith((b"PAR1", b"ARROW1")):
        raise DataError(f"{file}: a compressed {kind} file, which can only be read unpacked; unpack it first")
    if kind != "parquet" and file.suffix.lower() in {".parquet", ".pq"}:
        raise DataError(f"{file}: not a Parquet file (it begins with {start[:4]!r}); fetch or export it again")
    return kind


def _open_stream(file: TripFile) -> IO[bytes]:
    """The bytes of a file from the first to the last, decompressed where it is compressed."""
    import pyarrow as pa

    with opened(file) as content:
        start = content.read(_MAGIC_BYTES)
    if start.startswith(ZIP_MAGICS):
        # The member keeps the file open that the archive opened.
        with zipfile.ZipFile(file if isinstance(file, Path) else file.open()) as archive:
            return cast(IO[bytes], pa.PythonFile(archive.open(only_member(archive)), "r"))
    source = pa.OSFile(str(file)) if isinstance(file, Path) else pa.PythonFile(file.open_stream(), "r")
    compression = compression_of(start)
    stream: IO[bytes] = pa.CompressedInputStream(source, compression) if compression else source
    return stream


def _open_parquet(file: TripFile) -> pyarrow.parquet.ParquetFile:
    """Of an object only the ranges of the columns are fetched, few and large, ahead of their decoding."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = str(file) if isinstance(file, Path) else pa.PythonFile(file.open(), "r")
    return pq.ParquetFile(
        source, memory_map=False, page_checksum_verification=True, pre_buffer=not isinstance(file, Path)
    )


def _parquet_table(file: TripFile) -> Table:
    with _open_parquet(file) as parquet:
        schema = parquet.schema_arrow
        points = _geometry_column(file, schema)
        if points is None:
            names = schema.names
        else:
            names = [name for name in schema.names if name not in {points, "latitude", "longitude", "geometry"}]
            names += ["latitude", "longitude"]
        return Table(file, "parquet", tuple(names), parquet.metadata.num_rows, points=points)


def _geometry_column(file: TripFile, schema: pa.Schema) -> str | None:
    """The primary column of points, where the file is GeoParquet (version 1, encoding WKB)."""
    described = (schema.metadata or {}).get(b"geo")
    if described is None:
        return None
    try:
        geo = json.loads(described)
        name = geo["primary_column"]
        column: dict[str, Any] = geo["columns"][name]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: its GeoParquet metadata cannot be read ({error!r}); export it again") from error
    if column.get("encoding") != "WKB" or name not in schema.names:
        return None
    crs = column.get("crs") or {}
    identifier = crs.get("id", {}) if isinstance(crs, dict) else {}
    code = f"{identifier.get('authority')}:{identifier.get('code')}"
    if crs and code not in {"OGC:CRS84", "EPSG:4326"}:
        name_of = crs.get("name", "another system") if isinstance(crs, dict) else crs
        raise DataError(f"{file}: its points are in {name_of} ({code}); convert them to degrees (EPSG:4326) first")
    return str(name)


def _parquet_batches(table: Table, columns: Sequence[str], rows: int = _BATCH_ROWS) -> Iterator[pa.RecordBatch]:
    points = table.points
    decoded = {"latitude", "longitude"} & set(columns) if points else set()
    stored = [name for name in columns if name not in decoded] + ([points] if points and decoded else [])
    with _open_parquet(table.stored) as parquet:
        for batch in parquet.iter_batches(rows, columns=stored):
            yield _with_points(table, batch, points, columns) if points and decoded else batch.select(list(columns))


def _with_points(table: Table, batch: pa.RecordBatch, points: str, columns: Sequence[str]) -> pa.RecordBatch:
    import numpy as np
    import pyarrow as pa
    import shapely

    shapes = np.asarray(shapely.from_wkb(batch.column(points).to_pylist()))
    kinds = shapely.get_type_id(shapes)
    other = (kinds != shapely.GeometryType.POINT) & (kinds != shapely.GeometryType.MISSING)
    if other.any():
        kind = shapes[np.flatnonzero(other)[0]].geom_type
        raise DataError(f"{table.file}: column {points!r} holds {kind}s, not points; take their centroids first")
    longitude, latitude = xy_of(shapes)
    found = {"latitude": as_arrow(latitude), "longitude": as_arrow(longitude)}
    return pa.RecordBatch.from_arrays([found.get(name) or batch.column(name) for name in columns], list(columns))


def _arrow_table(file: TripFile, kind: Format) -> Table:
    batches = _arrow_batches(file, kind)
    first = next(batches, None)
    if first is None:
        raise DataError(f"{file}: the file holds no rows")
    return Table(file, kind, tuple(first.schema.names), None)


def _arrow_batches(file: TripFile, kind: Format) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    if kind == "arrow":
        source = pa.OSFile(str(file)) if isinstance(file, Path) else pa.PythonFile(file.open(), "r")
        with pa.ipc.open_file(source) as reader:
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)
    else:
        with _open_stream(file) as stream, pa.ipc.open_stream(stream) as reader:
            yield from reader


def _document_table(file: TripFile, kind: Format) -> Table:
    from taxi_mlops.data.geo_tables import read_gpx, read_json

    with _open_stream(file) as stream:
        try:
            content = read_gpx(cast(BinaryIO, stream)) if kind == "gpx" else read_json(cast(BinaryIO, stream))
        except DataError as error:
            raise DataError(f"{file}: {error}") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{file}: not UTF-8, as JSON must be ({error.reason})") from error
    return Table(file, kind, tuple(content.column_names), content.num_rows, content=content)


def _csv_table(file: TripFile) -> Table:
    with _open_stream(file) as stream:
        start = stream.read(SAMPLE_BYTES)
        whole = len(start) < SAMPLE_BYTES or not stream.read(1)
    try:
        dialect = find_dialect(start, whole=whole)
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not {error.encoding}, as its first bytes promise ({error.reason})") from error
    if dialect is None:
        raise DataError(f"{file}: the file holds no rows")
    if any("\0" in name for name in dialect.names):
        raise DataError(f"{file}: no format that is read here (it begins with {start[:4]!r})")
    return Table(file, "csv", dialect.names, None, has_header=dialect.has_header, dialect=dialect)


def _csv_sample(dialect: CsvDialect, columns: Sequence[str]) -> pa.RecordBatch:
    import pyarrow as pa

    cells = [pa.array(dialect.cells(name), pa.string()) for name in columns]
    return _with_decimal_points(pa.RecordBatch.from_arrays(cells, list(columns)), dialect)


def _no_rows(columns: Sequence[str]) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.nulls(0) for _ in columns], list(columns))


@dataclass(slots=True)
class _BadLines:
    """Lines with the wrong number of fields; all are counted before the error is raised."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def handle(self, row: pyarrow.csv.InvalidRow) -> str:
        if row.text is not None and not row.text.strip():
            return "skip"  # a line of blanks is no row
        self.count += 1
        if len(self.first) < _LINES_SHOWN:
            fields = f"{row.actual_columns} fields instead of {row.expected_columns}"
            line = "" if row.number is None else f"line {row.number}: "
            self.first.append(f"{line}{fields}: {shortened(row.text, 60)}")
        return "skip"


def _csv_batches(
    table: Table, dialect: CsvDialect, columns: Sequence[str], *, as_text: bool
) -> Iterator[pa.RecordBatch]:
    """Batches of float64; text from the first batch on in which a cell is no number."""
    import pyarrow as pa

    if as_text:
        yield from _csv_reader_batches(table, dialect, columns, pa.string())
        return
    rows = 0
    try:
        for batch in _csv_reader_batches(table, dialect, columns, pa.float64()):
            yield batch
            rows += batch.num_rows
    except pa.ArrowInvalid as error:
        if "conversion error" not in str(error):
            raise
    else:
        return
    for batch in _csv_reader_batches(table, dialect, columns, pa.string()):
        skipped = min(rows, batch.num_rows)
        rows -= skipped
        if skipped < batch.num_rows:
            yield _with_decimal_points(batch.slice(skipped), dialect)


def _csv_reader_batches(
    table: Table, dialect: CsvDialect, columns: Sequence[str], cell_type: pa.DataType
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.csv as pc

    bad_lines = _BadLines()
    # One thread: with several, pyarrow does not say the numbers of bad lines.
    read = pc.ReadOptions(
        use_threads=False,
        block_size=_CSV_BLOCK_BYTES,
        column_names=list(dialect.names),
        skip_rows=dialect.skip_lines,
        encoding="utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding,
    )
    convert = pc.ConvertOptions(
        include_columns=list(columns),
        column_types=dict.fromkeys(columns, cell_type),
        strings_can_be_null=True,
        null_values=MISSING_TEXTS,
        decimal_point="," if any(map(dialect.has_decimal_commas, columns)) else ".",
    )
    parse = pc.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True, invalid_row_handler=bad_lines.handle)
    try:
        with _open_stream(table.stored) as stream:
            yield from pc.open_csv(stream, read_options=read, convert_options=convert, parse_options=parse)
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error) or "Could not skip initial" in str(error):
            raise DataError(f"{table.file}: the file holds no rows") from error
        if "straddling object" in str(error):
            limit = f"{_CSV_BLOCK_BYTES >> 20} MiB"
            raise DataError(f"{table.file}: a row is longer than {limit}; is a quotation mark open?") from error
        raise
    if bad_lines.count:
        listed = "; ".join(bad_lines.first)
        raise DataError(f"{table.file}: {bad_lines.count:,} broken lines (first: {listed}); correct or remove them")


def _with_decimal_points(batch: pa.RecordBatch, dialect: CsvDialect) -> pa.RecordBatch:
    """Text columns with decimal commas rewritten with decimal points."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = [
        pc.replace_substring(batch.column(name), ",", ".") if dialect.has_decimal_commas(name) else batch.column(name)
        for name in batch.schema.names
    ]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


@contextmanager
def _explained(file: TripFile | str) -> Iterator[None]:
    """Turn what the system and the readers raise into one line."""
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
