"""Read Parquet and GeoParquet files in batches.

A GeoParquet column of points (versions 0.4 to 1.1, encoded as WKB or natively) appears as the columns `latitude` and
`longitude`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxi_mlops.data.crs import identified
from taxi_mlops.data.files import TripFile, check_unpacked, size_of
from taxi_mlops.data.point_columns import Geometry, with_points
from taxi_mlops.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet

_POINT_BYTES = 16
_GEOMETRY_NAMES = frozenset({"latitude", "longitude", "geometry"})


def parquet_header(file: TripFile) -> tuple[tuple[str, ...], int, Geometry | None]:
    """Return the names of the columns, the number of rows, and the column of points if the file is GeoParquet.

    Raises DataError if the file has many more rows than its size allows for: equal ones take next to no space.
    """
    with _open_parquet(file) as parquet:
        check_unpacked(parquet.metadata.num_rows * _POINT_BYTES, size_of(file), f"{file}: ")
        schema = parquet.schema_arrow
        geometry = _geometry(file, schema)
        names = schema.names
        if geometry is not None:
            names = [name for name in names if name not in {geometry.column, *_GEOMETRY_NAMES}]
            names += ["latitude", "longitude"]
        return tuple(names), parquet.metadata.num_rows, geometry


def parquet_metadata(file: TripFile) -> pyarrow.parquet.FileMetaData:
    """Read the footer of a file. Raises as pyarrow does."""
    with _open_parquet(file) as parquet:
        return parquet.metadata


def parquet_schema(file: TripFile) -> pa.Schema:
    """Read the columns of a file and their types. Raises as pyarrow does."""
    with _open_parquet(file) as parquet:
        return parquet.schema_arrow


def parquet_batches(
    file: TripFile,
    geometry: Geometry | None,
    columns: Sequence[str],
    rows: int,
    groups: Sequence[int] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield the named columns, of all row groups or of some, in batches of at most so many rows."""
    decoded = {"latitude", "longitude"} & set(columns) if geometry else set()
    stored = [name for name in columns if name not in decoded]
    if geometry and decoded:
        stored.append(geometry.column)
    with _open_parquet(file) as parquet:
        for batch in parquet.iter_batches(rows, row_groups=groups, columns=stored):
            if geometry and decoded:
                yield with_points(file, batch, geometry.column, columns)
            else:
                yield batch.select(list(columns))


def _open_parquet(file: TripFile) -> pyarrow.parquet.ParquetFile:
    """Open a file; of an object only the ranges of the columns are fetched, few and large, ahead of their decoding."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = str(file) if isinstance(file, Path) else pa.PythonFile(file.open(), "r")
    return pq.ParquetFile(
        source, memory_map=False, page_checksum_verification=True, pre_buffer=not isinstance(file, Path)
    )


def _geometry(file: TripFile, schema: pa.Schema) -> Geometry | None:
    """Return the primary column of points if the file is GeoParquet; without `crs` it is in degrees (OGC:CRS84)."""
    described = (schema.metadata or {}).get(b"geo")
    if described is None:
        return None
    try:
        geo = json.loads(described)
        name = geo["primary_column"]
        column: dict[str, Any] = geo["columns"][name]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{file}: its GeoParquet metadata cannot be read ({error!r}); export it again") from error
    if column.get("encoding") not in {"WKB", "point"} or name not in schema.names:
        return None
    try:
        return Geometry(str(name), identified(column["crs"]) if column.get("crs") else None)
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
