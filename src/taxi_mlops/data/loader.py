"""Read files of trips as arrays, batch by batch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from taxi_mlops.data.columns import numbers, polyline_ends, without_missing
from taxi_mlops.data.coordinate_names import TripEnd
from taxi_mlops.data.crs import is_projected, system, title, to_degrees
from taxi_mlops.data.files import TripFile, explained, size_of
from taxi_mlops.data.plausibility import Middle, advice_on_range, longitude_is_first
from taxi_mlops.data.point_columns import form_of, points_of
from taxi_mlops.data.progress import Progress
from taxi_mlops.data.regions import BoundingBox
from taxi_mlops.data.row_groups import GroupRun, runs_of
from taxi_mlops.data.schema_choice import choose_schema
from taxi_mlops.data.schemas import Coordinates, Place, PointColumn, Polyline, TripSchema, Zone, quoted
from taxi_mlops.data.tables import Table, open_table, record_batches
from taxi_mlops.data.validator import ColumnRules, DataValidator
from taxi_mlops.domain import FloatArray
from taxi_mlops.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_MOST = 0.9
_BYTES_OF_A_ROW = 40
"""Of a file that does not say how many rows it has; few trips take less."""
_DEGREES = re.compile(r"-?\d{1,3}\.\d{3,}")


class DataLoader:
    """Reads one end of the trips in some files, or tables, of one schema: only the columns that it needs, in batches.

    columns_may_differ: columns that some files lack are missing there, as where a table got a column later.
    box: outside of which no points are wanted: row groups that lie elsewhere need not be read.

    The constructor reads the headers only, and raises DataError if a file cannot be read, its schema is unknown, or
    differs from that of the first file. The iterators raise DataError if a file is unusable: see `tables` for files and
    `DataValidator` for their content.
    """

    def __init__(
        self,
        files: Sequence[TripFile | Table],
        points: TripEnd = "pickup",
        *,
        latitude_column: str | None = None,
        longitude_column: str | None = None,
        crs: str | None = None,
        zones: bool = False,
        columns_may_differ: bool = False,
        box: BoundingBox | None = None,
        on_progress: Progress | None = None,
    ) -> None:
        self._columns_may_differ = columns_may_differ
        self._box = box
        self.rows_unread = 0
        self.tables = tuple(file if isinstance(file, Table) else open_table(file) for file in files)
        if not (latitude_column or longitude_column):
            for table in self.tables:
                _refuse_without_header(table)
        schemas = [
            _in_system(
                choose_schema(
                    table.columns,
                    where=str(table.file),
                    points=points,
                    latitude_column=latitude_column,
                    longitude_column=longitude_column,
                    projected=crs is not None and is_projected(system(crs)),
                    zones=zones,
                    look=table.sample,
                ),
                table,
                crs,
            )
            for table in self.tables
        ]
        for table, schema in zip(self.tables, schemas, strict=True):
            if schema != schemas[0]:
                raise DataError(
                    f"{table.file} holds “{schema.title}” but {self.tables[0].file} holds “{schemas[0].title}”: "
                    "load files of one kind at a time"
                )
        self.schema: TripSchema = schemas[0]
        self.place = self.schema.place(points)
        self._on_progress = on_progress
        self._rows_done = 0

    @property
    def crs(self) -> str | None:
        """The system of the coordinates; None is degrees of WGS 84."""
        return self.place.crs if isinstance(self.place, Coordinates | PointColumn) else None

    def count_rows(self) -> int:
        """Return the number of rows of all files, which are read to the end if the header does not have it."""
        return sum(
            table.rows
            if table.rows is not None
            else sum(batch.num_rows for batch in record_batches(table, self.place.columns, as_text=True))
            for table in self.tables
        )

    def approximate_rows(self) -> int:
        """Return about how many rows there are, without reading them. Compressed files may hold more."""
        return sum(
            table.rows if table.rows is not None else size_of(table.stored) // _BYTES_OF_A_ROW for table in self.tables
        )

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield some columns of the trips, or all; those of CSV files as text, without names that are there twice.

        Raises DataError if the files differ in their columns, and must not.
        """
        if self._columns_may_differ:
            yield from self._rows_of_all_columns(columns)
            return
        first, *others = self.tables
        for table in others:
            if set(table.columns) != set(first.columns):
                different = ", ".join(sorted(set(table.columns) ^ set(first.columns)))
                raise DataError(f"{first.file} and {table.file} differ in columns ({different}): load one at a time")
        names = columns or [name for name in first.columns if first.columns.count(name) == 1]
        for table in self.tables:
            yield from self._read(table, names, as_text=True)

    def _rows_of_all_columns(self, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        """Yield rows with the columns that any table has."""
        import pyarrow as pa

        there = [[name for name in table.columns if columns is None or name in columns] for table in self.tables]
        pairs = list(zip(self.tables, there, strict=True))
        schema = pa.unify_schemas([table.sample(names).schema for table, names in pairs])
        for table, names in pairs:
            for batch in self._read(table, names, as_text=True):
                filled = [
                    batch.column(field.name) if field.name in names else pa.nulls(batch.num_rows, field.type)
                    for field in schema
                ]
                yield pa.RecordBatch.from_arrays(filled, schema=schema)

    def coordinates(self) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield latitude and longitude of each batch: float64 of shape (n,), degrees, NaN if missing.

        `rows_unread` counts those in row groups outside the box, for which a point outside is yielded.
        """
        self.rows_unread = 0
        for table in self.tables:
            rows = self.table_rows(table)
            validator = rows.validator()
            for latitude, longitude in rows.coordinates(validator):
                self._advance(len(latitude))
                yield latitude, longitude
            self.rows_unread += validator.unread
            validator.conclude()

    def table_rows(self, table: Table) -> TableRows:
        """Return all rows of one of the tables. Raises DataError if they have no points."""
        if isinstance(self.place, Zone):
            raise DataError(f"{table.file}: there are no points, only zone numbers")
        return TableRows(table, self.place, self.crs, box=self._box)

    def zone_numbers(self) -> Iterator[FloatArray]:
        """Yield the zone of each trip of each batch: float64 of shape (n,), as in the file, NaN if missing."""
        if not isinstance(self.place, Zone):
            raise DataError(f"{self.tables[0].file}: the trips have points; leave out --zones")
        rules = (ColumnRules(self.place.column),)
        for table in self.tables:
            validator = DataValidator(table.file, rules)
            for batch in self._read(table, self.place.columns):
                zones = numbers(batch.column(0), self.place.column, validator)
                validator.observe((zones,))
                yield zones
            validator.conclude()

    def _read(self, table: Table, columns: Sequence[str], *, as_text: bool = False) -> Iterator[pa.RecordBatch]:
        for batch in record_batches(table, columns, as_text=as_text):
            self._advance(batch.num_rows)
            yield batch

    def _advance(self, rows: int) -> None:
        """Report that so many more rows are read."""
        self._rows_done += rows
        if self._on_progress:
            known = [each.rows for each in self.tables if each.rows is not None]
            total = sum(known) if len(known) == len(self.tables) else None
            self._on_progress("Reading", self._rows_done, total)


@dataclass(frozen=True, slots=True, eq=False)
class TableRows:
    """The points in all rows of a table, or in some row groups of a Parquet file. It can be pickled.

    first_row: how many rows of the file are before them. box: outside of which no points are wanted.
    """

    table: Table
    place: Coordinates | PointColumn | Polyline
    crs: str | None
    groups: tuple[int, ...] | None = None
    first_row: int = 0
    box: BoundingBox | None = None

    def validator(self) -> DataValidator:
        """Return the validator of these rows."""
        latitude, longitude = _names(self.place)
        in_degrees = not is_projected(self.crs)
        rules = (
            ColumnRules(latitude, limit=90.0 if in_degrees else None),
            ColumnRules(longitude, limit=360.0 if in_degrees else None),
        )
        return DataValidator(self.table.file, rules, partial(_advice, self.table, self.place), self.first_row)

    def absolute(self) -> TableRows:
        """Return the same rows, for a process with another working directory."""
        file = self.table.file
        return replace(self, table=replace(self.table, file=file.absolute())) if isinstance(file, Path) else self

    def coordinates(self, validator: DataValidator | None) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield latitude and longitude of each batch: float64 of shape (n,), degrees, NaN if missing.

        Rows in row groups that lie outside the box are not read: one point outside stands for each of them.
        validator: None if the rows were checked before.
        """
        as_text = not isinstance(self.place, Coordinates)
        of_types = validator or DataValidator(self.table.file, ())
        for run in self._runs():
            if run.outside is not None:
                if validator is not None:
                    validator.pass_over(run.rows)
                latitude, longitude = (np.broadcast_to(np.float64(value), run.rows) for value in run.outside)
                yield latitude, longitude
                continue
            for batch in record_batches(self.table, self.place.columns, as_text=as_text, groups=run.groups):
                points = _points(batch, self.place, of_types)
                if validator is not None:
                    validator.observe(points)
                yield to_degrees(points[1], points[0], self.crs) if self.crs else points

    def _runs(self) -> Iterator[GroupRun]:
        """Yield the row groups to read, and those outside the box, where their statistics are those of the points."""
        place, table = self.place, self.table
        if self.box is None or table.format != "parquet" or table.geometry is not None or not _is_plain(place):
            yield GroupRun(self.groups)
            return
        with explained(table.file):
            yield from runs_of(table.stored, (place.columns[0], place.columns[1]), self.box, self.groups)


def _is_plain(place: Place) -> bool:
    """Return whether a place is two columns of degrees as they are stored."""
    return isinstance(place, Coordinates) and place.divisor == 1.0 and place.crs is None


def _points(batch: pa.RecordBatch, place: Place, validator: DataValidator) -> tuple[FloatArray, FloatArray]:
    """Return latitude and longitude of the rows of a batch, unconverted, float64 of shape (n,), NaN if missing."""
    match place:
        case Coordinates():
            latitude, longitude = (numbers(batch.column(name), name, validator) for name in place.columns)
            if place.divisor != 1.0:
                latitude, longitude = latitude / place.divisor, longitude / place.divisor
            return latitude, longitude
        case PointColumn():
            return points_of(batch.column(place.column), place, validator)
        case Polyline():
            return polyline_ends(batch.column(place.column), place, validator)
        case Zone():
            raise TypeError("zones are not points")


def _in_system(schema: TripSchema, table: Table, crs: str | None) -> TripSchema:
    """Return the schema with the system of its coordinates: the given one, else the one that the file names.

    Raises DataError if there is no such system, or the values are not coordinates of it.
    """
    pickup, dropoff = schema.pickup, schema.dropoff
    if not (isinstance(pickup, Coordinates | PointColumn) and isinstance(dropoff, Coordinates | PointColumn)):
        if crs is not None:
            raise DataError(f"{table.file}: --crs is for columns of points; leave it out for “{schema.title}”")
        return schema
    of_format = table.geometry is not None and pickup.columns == ("latitude", "longitude")
    by_file = table.geometry.crs if table.geometry and of_format else pickup.crs
    used = by_file if crs is None else system(crs)
    if used is None and by_file is None:
        return schema
    note = schema.note
    if by_file not in {None, used}:
        note = f"The file says that its points are in {by_file}; they were taken as {crs}, as --crs says"
    described = schema.title if used is None else f"{schema.title}, in {title(used)}"
    placed = replace(
        schema, title=described, note=note, pickup=replace(pickup, crs=used), dropoff=replace(dropoff, crs=used)
    )
    if used is not None:
        _check_system(table, placed.pickup, used)
    return placed


def _check_system(table: Table, place: Place, crs: str) -> None:
    """Raise DataError if the first rows are degrees already, or lie where the system has no points."""
    latitude, longitude = _points(table.sample(place.columns), place, DataValidator(table.file, ()))
    known = ~(np.isnan(latitude) | np.isnan(longitude) | ((latitude == 0) & (longitude == 0)))
    y, x = latitude[known], longitude[known]
    if not y.size:
        return
    columns = " and ".join(quoted(name.strip()) for name in place.columns)
    if is_projected(crs) and ((np.abs(y) <= 90) & (np.abs(x) <= 360)).mean() > _MOST:
        raise DataError(f"{table.file}: {columns} hold degrees already, not coordinates of {title(crs)}")
    if not np.isfinite(to_degrees(x, y, crs)[0]).mean() > 1 - _MOST:
        other = _advice(table, place)
        raise DataError(f"{table.file}: {columns} are not coordinates of {title(crs)}; {other or 'give another --crs'}")


def _names(place: Coordinates | PointColumn | Polyline) -> tuple[str, str]:
    """Return the names of the two coordinates in errors."""
    if isinstance(place, Coordinates):
        return place.latitude, place.longitude
    return f"{place.column} (latitude)", f"{place.column} (longitude)"


def _advice(table: Table, place: Place) -> str:
    """Return what to do if the columns are not degrees; empty if that is not known."""
    return advice_on_range(*_points(table.sample(place.columns), place, DataValidator(table.file, ())), place)


def _refuse_without_header(table: Table) -> None:
    """Raise DataError with the flags to use if the first line of a file is data and not names."""
    if table.has_header:
        return
    found = [*_pairs_by_values(table), *(f"--lat {name}" for name in table.columns if _holds_points(table, name))]
    raise DataError(
        f"{table.file}: the first line holds data, not names; name the columns by their numbers: "
        f"{' or '.join(found[:4]) or '--lat N --lon M'}"
    )


def _pairs_by_values(table: Table) -> Iterator[str]:
    """Yield the options that name two columns of degrees, latitude first, for each pair of neighbours."""
    likely = [name for name in table.columns if _looks_like_degrees(table, name)]
    for first, second in zip(likely[::2], likely[1::2], strict=False):
        unreadable = DataValidator(table.file, ())
        sample = table.sample([first, second])
        one, other = (numbers(sample.column(name), name, unreadable) for name in (first, second))
        longitude_stands_first = longitude_is_first(one, other)
        if longitude_stands_first is None:
            yield f"--lat {first} --lon {second} or --lat {second} --lon {first}"
            continue
        if longitude_stands_first:
            first, second, one, other = second, first, other, one  # noqa: PLW2901 - exchanged
        city = Middle.of(one, other).city
        yield f"--lat {first} --lon {second}{f' (around {city})' if city else ''}"


def _looks_like_degrees(table: Table, column: str) -> bool:
    """Return whether the first cells that are there are numbers within ±180 with three decimals or more."""
    cells = without_missing(table.sample([column]).column(0)).drop_null().to_pylist()
    return bool(cells) and all(_DEGREES.fullmatch(cell) and abs(float(cell)) <= 180.0 for cell in cells)


def _holds_points(table: Table, column: str) -> bool:
    return form_of(table.sample([column]).column(0)) is not None
