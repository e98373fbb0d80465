"""Labels as a table: one row for each point, joined to its trip by `row`, and written to a file in batches."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np

from taxi_mlops.arrow import as_arrow
from taxi_mlops.domain import Clustering, LabelArray, Points
from taxi_mlops.errors import DataError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

LabelFormat = Literal["parquet", "csv", "geojson"]
_BATCH_ROWS = 1 << 18


def label_table(points: Points, labels: LabelArray) -> pa.Table:
    """Return row, latitude, longitude, weight if there is one, and label of every point.

    `row` joins a point to its trip (see `Points`); zones, which represent many rows, have none.
    """
    import pyarrow as pa

    given = {"row": points.row, "latitude": points.latitude, "longitude": points.longitude, "weight": points.weight}
    columns = {name: as_arrow(values) for name, values in given.items() if values is not None}
    return pa.table({**columns, "label": as_arrow(labels)})


def clustering_table(points: Points, clustering: Clustering) -> pa.Table:
    """Return the table of labels with a column `core`, null if the implementation does not report core points."""
    import pyarrow as pa

    core = clustering.core_mask
    column = pa.nulls(len(points), pa.bool_()) if core is None else as_arrow(core)
    return label_table(points, clustering.labels).append_column("core", column)


def with_trips(table: pa.Table, points: Points, trips: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Add the trip's own columns to a table of labels, batch by batch.

    trips: all rows of the input, in their order. A column whose name the table has already is called `trip_…`; those
    that the points were read from are then left out.

    Raises UsageError if points represent many rows, and DataError if the input was changed meanwhile.
    """
    import pyarrow as pa

    if points.row is None:
        raise UsageError("--keep-columns needs points that are rows of the input; zones stand for many")
    first, schema, kept = 0, None, 0
    for batch in trips:
        begin, end = np.searchsorted(points.row, (first, first + batch.num_rows))
        chosen = _own_columns(batch, frozenset(table.column_names), points.provenance.columns).take(
            as_arrow(points.row[begin:end] - first)
        )
        first += batch.num_rows
        if schema is None:
            schema = chosen.schema
        if begin == end:
            continue
        part = table.slice(begin, end - begin)
        try:
            own = pa.Table.from_batches([chosen]).cast(schema)
        except pa.ArrowException as error:
            uri = points.provenance.uri
            raise DataError(f"{uri}: a column has different types in different files ({error}); load one") from None
        kept += end - begin
        yield pa.table([*part.columns, *own.columns], names=[*part.column_names, *own.column_names])
    if kept != len(points):
        raise DataError(f"{points.provenance.uri} was changed while it was read; run it again")


def write_table(batches: Iterable[pa.Table], path: Path, kind: LabelFormat) -> None:
    """Write batches of the same schema, at least one. Raises UsageError for columns that CSV cannot hold."""
    if kind == "parquet":
        _write_parquet(batches, path)
    elif kind == "csv":
        _write_csv(batches, path)
    else:
        with path.open("w", encoding="utf-8") as file:
            _write_geojson(batches, file)


def in_batches(table: pa.Table) -> Iterator[pa.Table]:
    """Cut a table into batches, so that only a part of it is converted at a time."""
    for begin in range(0, max(table.num_rows, 1), _BATCH_ROWS):
        yield table.slice(begin, _BATCH_ROWS)


def _own_columns(batch: pa.RecordBatch, taken: frozenset[str], coordinates: tuple[str, ...]) -> pa.RecordBatch:
    import pyarrow as pa

    names = [name for name in batch.schema.names if name not in taken or name not in coordinates]
    known = set(taken) | set(names)
    called = []
    for name in names:
        new = name
        while new in taken or (new != name and new in known):
            new = f"trip_{new}"
        called.append(new)
    return pa.RecordBatch.from_arrays([batch.column(name) for name in names], called)


def _write_parquet(batches: Iterable[pa.Table], path: Path) -> None:
    import pyarrow.parquet as pq

    first, rest = _first(batches)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for batch in rest:
            writer.write_table(batch)


def _write_csv(batches: Iterable[pa.Table], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.csv as pc

    first, rest = _first(batches)
    nested = [field.name for field in first.schema if pa.types.is_nested(field.type)]
    if nested:
        raise UsageError(f"CSV cannot hold the nested column {nested[0]!r}; take --format parquet or geojson")
    with pc.CSVWriter(path, first.schema) as writer:
        writer.write_table(first)
        for batch in rest:
            writer.write_table(batch)


def _write_geojson(batches: Iterable[pa.Table], file: IO[str]) -> None:
    """Write one point on each line (RFC 7946), with the other columns as its properties."""
    file.write('{"type": "FeatureCollection", "features": [')
    separator = "\n"
    for batch in batches:
        for record in batch.to_pylist():
            longitude, latitude = round(record.pop("longitude"), 7), round(record.pop("latitude"), 7)
            feature = {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [longitude, latitude]},
                "properties": record,
            }
            file.write(f"{separator}{_json(feature)}")
            separator = ",\n"
    file.write("\n]}\n")


def _json(feature: dict[str, Any]) -> str:
    try:
        return json.dumps(feature, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:  # JSON has no NaN
        properties = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in feature["properties"].items()
        }
        return json.dumps(feature | {"properties": properties}, ensure_ascii=False, default=str)


def _first(batches: Iterable[pa.Table]) -> tuple[pa.Table, Iterator[pa.Table]]:
    rest = iter(batches)
    return next(rest), rest
