"""From files of trips to arrays, batch by batch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from taxi_mlops.data.choice import choose_schema
from taxi_mlops.data.columns import numbers, polyline_ends
from taxi_mlops.data.coordinate_names import TripEnd
from taxi_mlops.data.doubts import advice_on_range
from taxi_mlops.data.point_columns import points_of
from taxi_mlops.data.progress import Progress
from taxi_mlops.data.schemas import Coordinates, Place, PointColumn, Polyline, TripSchema, Zone
from taxi_mlops.data.tables import Table, TripFile, open_table, record_batches
from taxi_mlops.data.validator import ColumnRules, DataValidator
from taxi_mlops.domain import FloatArray
from taxi_mlops.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_DEGREES = re.compile(r"-?\d{1,3}\.\d{3,}")


class DataLoader:
    """Reads one end of the trips in some files, or tables, of one schema: only the columns that it needs, in batches.

    Constructing it looks at the headers only, and raises DataError where a file cannot be read, its schema is not
    found, or is not that of the first file. The iterators raise DataError where a file is unusable: see `tables` for
    files and `DataValidator` for their content.
    """

    def __init__(
        self,
        files: Sequence[TripFile | Table],
        points: TripEnd = "pickup",
        *,
        latitude_column: str | None = None,
        longitude_column: str | None = None,
        zones: bool = False,
        on_progress: Progress | None = None,
    ) -> None:
        self.tables = tuple(file if isinstance(file, Table) else open_table(file) for file in files)
        if not (latitude_column or longitude_column):
            for table in self.tables:
                _refuse_without_header(table)
        schemas = [
            choose_schema(
                table.columns,
                where=str(table.file),
                points=points,
                latitude_column=latitude_column,
                longitude_column=longitude_column,
                zones=zones,
                look=table.sample,
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

    def count_rows(self) -> int:
        """Rows of all files, read to the end where the header does not tell."""
        return sum(
            table.rows
            if table.rows is not None
            else sum(batch.num_rows for batch in record_batches(table, self.place.columns, as_text=True))
            for table in self.tables
        )

    def rows(self) -> Iterator[pa.RecordBatch]:
        """All columns of the trips; those of CSV files as text, and those whose name is there twice left out.

        Raises DataError where the files differ in their columns.
        """
        first, *others = self.tables
        for table in others:
            if set(table.columns) != set(first.columns):
                different = ", ".join(sorted(set(table.columns) ^ set(first.columns)))
                raise DataError(f"{first.file} and {table.file} differ in columns ({different}): load one at a time")
        names = [name for name in first.columns if first.columns.count(name) == 1]
        for table in self.tables:
            yield from self._read(table, names, as_text=True)

    def coordinates(self) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Latitude and longitude of each batch: float64 of shape (n,), as in the file, NaN where missing."""
        place = self.place
        if isinstance(place, Zone):
            raise DataError(f"{self.tables[0].file}: there are no points, only zone numbers")
        latitude, longitude = _names(place)
        rules = (ColumnRules(latitude, limit=90.0), ColumnRules(longitude, limit=360.0))
        for table in self.tables:
            validator = DataValidator(table.file, rules, partial(_advice, table, place))
            for batch in self._read(table, place.columns, as_text=not isinstance(place, Coordinates)):
                points = _points(batch, place, validator)
                validator.observe(points)
                yield points
            validator.conclude()

    def zone_numbers(self) -> Iterator[FloatArray]:
        """Zone of each trip of each batch: float64 of shape (n,), as in the file, NaN where missing."""
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
        known = [each.rows for each in self.tables if each.rows is not None]
        total = sum(known) if len(known) == len(self.tables) else None
        for batch in record_batches(table, columns, as_text=as_text):
            self._rows_done += batch.num_rows
            if self._on_progress:
                self._on_progress("Reading", self._rows_done, total)
            yield batch


def _points(batch: pa.RecordBatch, place: Place, validator: DataValidator) -> tuple[FloatArray, FloatArray]:
    """Latitude and longitude of the rows of a batch, float64 of shape (n,), NaN where missing."""
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
            raise TypeError("zones are no points")


def _names(place: Coordinates | PointColumn | Polyline) -> tuple[str, str]:
    """What errors call the two coordinates."""
    if isinstance(place, Coordinates):
        return place.latitude, place.longitude
    return f"{place.column} (latitude)", f"{place.column} (longitude)"


def _advice(table: Table, place: Place) -> str:
    """What to do where the columns hold no degrees; empty where that is not known."""
    return advice_on_range(*_points(table.sample(place.columns), place, DataValidator(table.file, ())), place)


def _refuse_without_header(table: Table) -> None:
    """Raise DataError with the flags to use, where the first line of a file holds data and not names."""
    if table.has_header:
        return
    likely = [name for name in table.columns if _looks_like_degrees(table, name)]
    first, second = likely if len(likely) == 2 else ("N", "M")
    raise DataError(
        f"{table.file}: the first line holds data, not names; name the columns by their numbers: "
        f"--lat {first} --lon {second}{f', or --lat {second} --lon {first}' if likely else ''}"
    )


def _looks_like_degrees(table: Table, column: str) -> bool:
    """Whether the first cells are numbers within ±180 with three decimals or more."""
    cells = [cell for cell in table.sample([column]).column(0).to_pylist() if cell]
    return bool(cells) and all(_DEGREES.fullmatch(cell.strip()) and abs(float(cell)) <= 180.0 for cell in cells)
