"""Read the needed columns of one file of trips, in batches, or report clearly why it cannot be read.

Formats: CSV in any dialect (`csv_dialect`), Parquet and GeoParquet, Arrow and Feather, GeoJSON and other JSON, GPX
(`geo_tables`), FlatGeobuf, GeoPackage and Shapefiles (`gdal_table`); gzip, bz2, zstd, lz4 and zip with one file in it.
All are recognised by content and not by name (`formats`).

A GeoParquet column of points appears as the columns `latitude` and `longitude`. Files are never memory-mapped: a file
that shrinks while it is read must end in an error, not in a killed process.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from taxi_mlops.data.csv_dialect import CsvDialect
from taxi_mlops.data.csv_table import csv_batches, csv_sample, dialect_of
from taxi_mlops.data.files import MAGIC_BYTES, TripFile, explained, open_stream, opened
from taxi_mlops.data.formats import ZIP_MAGICS, Format, compression_of, format_of, is_zipped_shapefile
from taxi_mlops.data.gdal_table import Layer, find_layer, layer_batches
from taxi_mlops.data.parquet_table import parquet_batches, parquet_header
from taxi_mlops.data.point_columns import Geometry
from taxi_mlops.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from taxi_mlops.data.memory import Rows

_BATCH_ROWS = 1 << 18
_GDAL_BATCH_ROWS = 1 << 16
_SAMPLE_ROWS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A file of trips, of which the header has been read.

    file: its name in errors, also if the rows are in memory.

    columns: the names in order; numbers from 1 if the file has no header (`has_header` is false).
    rows: None if they would have to be counted. dialect: of a CSV file. content: the rows themselves, if they are in
    memory. geometry: the points that the format itself defines, as the columns `latitude` and `longitude`. layer: of a
    file that GDAL reads.
    """

    file: TripFile | str
    format: Format
    columns: tuple[str, ...]
    rows: int | None
    has_header: bool = True
    dialect: CsvDialect | None = None
    content: Rows | None = None
    geometry: Geometry | None = None
    layer: Layer | None = None

    @property
    def stored(self) -> TripFile:
        """Return the file. Raises TypeError if the rows are in memory."""
        if isinstance(self.file, str):
            raise TypeError(f"{self.file} is in memory")
        return self.file

    def sample(self, columns: Sequence[str]) -> pa.RecordBatch:
        """Return the first rows of some columns, at most 1,000; columns of a CSV file are text."""
        with explained(self.file):
            if self.dialect is not None:
                return csv_sample(self.dialect, columns)
            if self.format == "parquet":
                batches = parquet_batches(self.stored, self.geometry, columns, _SAMPLE_ROWS)
            else:
                batches = record_batches(self, columns)
            first = next(batches, None)
            return first.slice(0, _SAMPLE_ROWS) if first is not None else _no_rows(columns)


def open_table(file: TripFile) -> Table:
    """Read the header of a file. Raises DataError if it is missing, empty, corrupt, or of an unknown format."""
    with explained(file):
        kind = _format(file)
        match kind:
            case "parquet":
                columns, rows, geometry = parquet_header(file)
                return Table(file, kind, columns, rows, geometry=geometry)
            case "arrow" | "arrow stream":
                return _arrow_table(file, kind)
            case "geojson" | "gpx":
                return _document_table(file, kind)
            case "geodata":
                layer = find_layer(file)
                return Table(file, kind, layer.columns, layer.rows, geometry=layer.geometry, layer=layer)
            case "csv":
                dialect = dialect_of(file)
                return Table(file, kind, dialect.names, None, has_header=dialect.has_header, dialect=dialect)


def record_batches(
    table: Table, columns: Sequence[str], *, as_text: bool = False, groups: Sequence[int] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the named columns of a file, in batches with its rows in order.

    groups: of a Parquet file, the row groups to read.

    Columns of a CSV file are float64 as long as every cell is a number or missing, and text from the first batch on
    that has another one, or with `as_text` always; columns of other formats keep their type.

    Raises DataError if the file is truncated or corrupt, was removed, or has lines with too few or too many fields.
    """
    with explained(table.file):
        if table.content is not None:
            yield from table.content.select(list(columns)).to_batches(_BATCH_ROWS)
        elif table.dialect is not None:
            yield from csv_batches(table.stored, table.dialect, columns, as_text=as_text)
        elif table.format == "parquet":
            yield from parquet_batches(table.stored, table.geometry, columns, _BATCH_ROWS, groups)
        elif table.layer is not None:
            yield from layer_batches(table.stored, table.layer, columns, _GDAL_BATCH_ROWS)
        else:
            for batch in _arrow_batches(table.stored, table.format):
                yield batch.select(list(columns))


def _format(file: TripFile) -> Format:
    with opened(file) as content:
        start = content.read(MAGIC_BYTES)
    if not start:
        raise DataError(f"{file}: the file is empty")
    try:
        if start.startswith(ZIP_MAGICS) and _is_zipped_shapefile(file):
            return "geodata"
        packed = bool(compression_of(start)) or start.startswith(ZIP_MAGICS)
        kind = _format_within(file) if packed else format_of(start)
    except DataError as error:
        raise DataError(f"{file}: {str(error).removeprefix(f'{file}: ')}") from error
    if packed and kind in {"parquet", "arrow", "geodata"}:
        raise DataError(f"{file}: a compressed {kind} file, which can only be read unpacked; unpack it first")
    if kind != "parquet" and file.suffix.lower() in {".parquet", ".pq"}:
        raise DataError(f"{file}: not a Parquet file (it begins with {start[:4]!r}); fetch or export it again")
    return kind


def _format_within(file: TripFile) -> Format:
    """Return the format of what is compressed in a file."""
    with open_stream(file) as stream:
        start = stream.read(MAGIC_BYTES)
    if compression_of(start) or start.startswith(ZIP_MAGICS):
        raise DataError("a compressed file within a compressed one; unpack it first")
    return format_of(start)


def _is_zipped_shapefile(file: TripFile) -> bool:
    with opened(file) as content, zipfile.ZipFile(content) as archive:
        return is_zipped_shapefile(archive)


def _arrow_table(file: TripFile, kind: Format) -> Table:
    batches = _arrow_batches(file, kind)
    first = next(batches, None)
    if first is None:
        raise DataError(f"{file}: the file has no rows")
    return Table(file, kind, tuple(first.schema.names), None)


def _arrow_batches(file: TripFile, kind: Format) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    if kind == "arrow":
        source = pa.OSFile(str(file)) if isinstance(file, Path) else pa.PythonFile(file.open(), "r")
        with pa.ipc.open_file(source) as reader:
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)
    else:
        with open_stream(file) as stream, pa.ipc.open_stream(stream) as reader:
            yield from reader


def _document_table(file: TripFile, kind: Format) -> Table:
    from taxi_mlops.data.geo_tables import read_gpx, read_json

    with open_stream(file) as stream:
        try:
            document = read_gpx(cast(BinaryIO, stream)) if kind == "gpx" else read_json(cast(BinaryIO, stream))
        except DataError as error:
            raise DataError(f"{file}: {error}") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{file}: not UTF-8, as JSON must be ({error.reason})") from error
    rows = document.rows
    geometry = Geometry("geometry", document.crs) if document.crs else None
    return Table(file, kind, tuple(rows.column_names), rows.num_rows, content=rows, geometry=geometry)


def _no_rows(columns: Sequence[str]) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.nulls(0) for _ in columns], list(columns))
