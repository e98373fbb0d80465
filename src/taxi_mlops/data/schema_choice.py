"""Choose the columns that hold the points: those that the user names, of a known schema, by names, or by values."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from taxi_mlops.data.columns import numbers
from taxi_mlops.data.coordinate_names import (
    CoordinatePair,
    TripEnd,
    candidates,
    divisor_of,
    end_of,
    find_pairs,
    longitude_stands_first,
    plane_candidates,
)
from taxi_mlops.data.crs import system
from taxi_mlops.data.plausibility import Middle, advice_on_range, longitude_is_first
from taxi_mlops.data.point_columns import WGS84, form_of, points_of, srid_of
from taxi_mlops.data.schemas import SCHEMAS, Coordinates, PointColumn, TripSchema, Zone, quoted
from taxi_mlops.data.validator import DataValidator
from taxi_mlops.domain import FloatArray
from taxi_mlops.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

Look: TypeAlias = "Callable[[Sequence[str]], pa.RecordBatch]"
"""Returns the first rows of some columns."""

_SHARE_OF_ROWS = 0.9
_LIKE_LATITUDE = re.compile(r"latitude|(?<![a-z])lat(?![a-z])", re.IGNORECASE)
_LIKE_LONGITUDE = re.compile(r"longitude|(?<![a-z])(lon|lng|long)(?![a-z])", re.IGNORECASE)


def choose_schema(
    columns: Sequence[str],
    *,
    where: str,
    points: TripEnd = "pickup",
    latitude_column: str | None = None,
    longitude_column: str | None = None,
    projected: bool = False,
    zones: bool = False,
    look: Look | None = None,
) -> TripSchema:
    """Find the schema of a file with these columns.

    Columns that the user names take precedence; one alone is a column of both coordinates. With `zones` only schemas
    of zones are considered. If no known schema fits, the one pair of columns is chosen whose names say that they hold
    the wanted end of the trips, else the one pair named y and x, or column of points, whose values do. With `projected`
    those named y and x come first.

    look: None if values cannot be read.

    Raises DataError naming the file (`where`), its columns and the flags to use, if no schema or several fit.
    """
    if latitude_column or longitude_column:
        if points == "dropoff":
            raise DataError(f"{where}: --points dropoff goes without --lat and --lon, which name the columns already")
        return _named_by_user(columns, latitude_column, longitude_column, where, look, zones=zones)
    present = frozenset(columns)
    fitting = [schema for schema in SCHEMAS if schema.required <= present]
    if zones:
        fitting = [schema for schema in fitting if isinstance(schema.pickup, Zone)]
    if len(fitting) == 1:
        _refuse_twins(columns, fitting[0].required, where)
        return fitting[0]
    if zones:
        raise DataError(f"{where}: leave out --zones: there are no zone columns PULocationID and DOLocationID")
    if fitting:
        problem = f"the columns fit several kinds of trips ({', '.join(schema.name for schema in fitting)})"
        raise DataError(f"{where}: {problem}; {_columns_and_flags(columns)}")
    found = _found(columns, points, where, look, projected=projected)
    if found is None:
        raise DataError(f"{where}: {_nothing_found(columns, points, where, look)}")
    return found


def _found(
    columns: Sequence[str], points: TripEnd, where: str, look: Look | None, *, projected: bool = False
) -> TripSchema | None:
    """The one pair of columns, or column, that holds one end of the trips. Raises DataError where there are several."""
    found = _found_by_names(plane_candidates(columns, points), points, columns, where) if projected else None
    found = found or _found_by_names(candidates(columns, points), points, columns, where)
    return found or (_found_by_values(columns, points, where, look) if look else None)


def _named_by_user(
    columns: Sequence[str], latitude: str | None, longitude: str | None, where: str, look: Look | None, *, zones: bool
) -> TripSchema:
    if zones:
        raise DataError(f"{where}: --zones cannot be combined with --lat and --lon: trips have either zones or points")
    if latitude and longitude:
        first = _resolve(latitude, columns, where)
        place = Coordinates(first, _resolve(longitude, columns, where), divisor_of(first))
        _refuse_two_ends(place, columns, where)
        if place.latitude == place.longitude:
            raise DataError(
                f"{where}: --lat and --lon name the same column {latitude!r}; "
                "for a column of both coordinates give one of the two"
            )
        _refuse_twins(columns, frozenset(place.columns), where)
        return TripSchema("columns", f"Columns {latitude} and {longitude}", place, place)
    column = _resolve(latitude or longitude or "", columns, where)
    _refuse_twins(columns, frozenset((column,)), where)
    cells = look([column]).column(0) if look else None
    both = None if cells is None else _point_column(column, cells, where)
    if both is None:
        missing = "longitude" if latitude else "latitude"
        raise DataError(f"{where}: the {missing} column is not named; {_columns_and_flags(columns)}")
    if latitude:
        return _schema_of(_oriented(both, cells, where, otherwise=False))
    return _schema_of(replace(both, longitude_first=True))


def _refuse_two_ends(place: Coordinates, columns: Sequence[str], where: str) -> None:
    """Raise DataError where one column is of the pickups by its name and the other of the dropoffs."""
    ends = [end_of(column) for column in place.columns]
    if None in ends or ends[0] == ends[1]:
        return
    names = [quoted(column.strip()) for column in place.columns]
    pairs = [
        Coordinates(pair.latitude, pair.longitude).flags
        for pair in find_pairs(columns)
        if place.latitude == pair.latitude or place.longitude == pair.longitude
    ]
    raise DataError(
        f"{where}: {names[0]} is of the {ends[0]}s and {names[1]} of the {ends[1]}s; name two columns of one end"
        + (f": {' or '.join(pairs)}" if pairs else "")
    )


def _found_by_names(
    pairs: Sequence[CoordinatePair], points: TripEnd, columns: Sequence[str], where: str
) -> TripSchema | None:
    if not pairs:
        return None
    place = _only([Coordinates(pair.latitude, pair.longitude, pair.divisor) for pair in pairs], points, where)
    _refuse_twins(columns, frozenset(place.columns), where)
    title = f"Columns {place.latitude.strip()} and {place.longitude.strip()}, found by their names"
    return TripSchema("columns", title, place, place)


def _only(places: Sequence[Coordinates], points: TripEnd, where: str) -> Coordinates:
    if len(set(places)) > 1:
        listed = " or ".join(place.flags for place in dict.fromkeys(places[:4]))
        raise DataError(f"{where}: several pairs of columns may hold the {points} points; choose with {listed}")
    return places[0]


def _found_by_values(columns: Sequence[str], points: TripEnd, where: str, look: Look) -> TripSchema | None:
    named = [Coordinates(pair.latitude, pair.longitude) for pair in plane_candidates(columns, points)]
    pairs = [pair for pair in named if _holds_degrees(pair, look(pair.columns))]
    if pairs:
        pair = _only(pairs, points, where)
        _refuse_twins(columns, frozenset(pair.columns), where)
        title = f"Columns {pair.latitude.strip()} and {pair.longitude.strip()}, found by their names and values"
        return TripSchema("columns", title, pair, pair)
    sample = look([name for name in columns if columns.count(name) == 1])
    both = [
        place
        for name in sample.schema.names
        if (place := _point_column(name, sample.column(name), where)) is not None and end_of(name) in (points, None)
    ]
    both = [place for place in both if end_of(place.column) == points] or both
    if not both:
        if named:
            _refuse_projected(_only(named, points, where), look, where)
        return None
    if len(both) > 1:
        listed = " or ".join(f"--lat {quoted(place.column.strip())}" for place in both[:4])
        raise DataError(f"{where}: several columns may hold the {points} points; choose with {listed}")
    return _schema_of(_oriented(both[0], sample.column(both[0].column), where))


def _refuse_projected(pair: Coordinates, look: Look, where: str) -> None:
    """Raise DataError if columns named y and x hold projected coordinates, with the likely system."""
    advice = advice_on_range(*_values(pair, look(pair.columns)), pair)
    if advice:
        columns = f"{quoted(pair.latitude.strip())} and {quoted(pair.longitude.strip())}"
        raise DataError(f"{where}: columns {columns} are not degrees; {advice}")


def _point_column(column: str, cells: pa.Array, where: str) -> PointColumn | None:
    """Return the column as one of points, if its cells are; the order of pairs is not determined here."""
    form = form_of(cells)
    if form is None:
        return None
    srid = srid_of(cells, form)
    try:
        crs = None if srid == WGS84 else system(f"EPSG:{srid}")
    except DataError as error:
        raise DataError(f"{where}: column {column!r}: {error}") from error
    return PointColumn(column, form, longitude_first=form != "pairs", srid=srid, crs=crs)


def _oriented(place: PointColumn, cells: pa.Array, where: str, otherwise: bool | None = None) -> PointColumn:
    """Return the column with the order of its pairs, found by its name, else by the values.

    otherwise: whether longitude comes first if both are possible; without it DataError is raised.
    """
    if place.form != "pairs":
        return _checked_order(place, cells, where, named=otherwise is not None)
    first = longitude_stands_first(place.column)
    if first is None:
        first = longitude_is_first(*points_of(cells, place, DataValidator("", ())))
    if first is None:
        first = otherwise
    if first is None:
        name = quoted(place.column.strip())
        raise DataError(
            f"{where}: the pairs of coordinates in column {name} may be in either order; "
            f"say --lat {name} if latitude stands first, --lon {name} if longitude does"
        )
    return replace(place, longitude_first=first)


def _checked_order(place: PointColumn, cells: pa.Array, where: str, *, named: bool) -> PointColumn:
    """A column of points in a form in which longitude stands first, though some write latitude first by mistake.

    named: the user named it by --lat. Raises DataError where the values are exchanged and it was not.
    """
    latitude, longitude = points_of(cells, place, DataValidator("", ()))
    if place.crs is not None or longitude_is_first(longitude, latitude) is not False:
        return place
    if not named:
        name, middle = quoted(place.column.strip()), Middle.of(latitude, longitude)
        raise DataError(
            f"{where}: column {name} of {place.form} points: {middle}; "
            f"say --lat {name} if latitude stands first, --lon {name} if longitude does"
        )
    return replace(place, longitude_first=False)


def _schema_of(place: PointColumn) -> TripSchema:
    name = place.column.strip()
    title = f"Column {name} of {place.form} points"
    if place.form == "pairs" or not place.longitude_first:
        order = "longitude, latitude" if place.longitude_first else "latitude, longitude"
        title = f"Column {name} of {place.form}: {order}"
    return TripSchema("columns", title, place, place)


def _holds_degrees(place: Coordinates, sample: pa.RecordBatch) -> bool:
    """Return whether most values are within the range of degrees, and most have fractions, unlike pixels."""
    latitude, longitude = _values(place, sample)
    known = ~(np.isnan(latitude) | np.isnan(longitude))
    latitude, longitude = latitude[known], longitude[known]
    if not latitude.size:
        return False
    in_range = (np.abs(latitude) <= 90) & (np.abs(longitude) <= 360)
    whole = (latitude == np.round(latitude)) & (longitude == np.round(longitude))
    return bool(in_range.mean() >= _SHARE_OF_ROWS and whole.mean() < 0.5)


def _values(place: Coordinates, sample: pa.RecordBatch) -> tuple[FloatArray, FloatArray]:
    """Return the numbers of two columns, float64 of shape (n,), NaN if missing."""
    unreadable = DataValidator("", ())
    latitude, longitude = (numbers(sample.column(name), name, unreadable) for name in place.columns)
    return latitude, longitude


def _nothing_found(columns: Sequence[str], points: TripEnd, where: str, look: Look | None) -> str:
    """Why no columns were found, and what to do."""
    other: TripEnd = "dropoff" if points == "pickup" else "pickup"
    with suppress(DataError):
        found = _found(columns, other, where, look)
        if found is not None:
            names = " and ".join(quoted(name.strip()) for name in found.place(other).columns)
            return f"there are no {points} points, but {other} points in {names}: take them with --points {other}"
    return f"the columns fit no known kind of trips; {_columns_and_flags(columns)}"


def _resolve(wanted: str, columns: Sequence[str], where: str) -> str:
    """Return the column of this name, ignoring blanks around it, or of this number, from 1."""
    if wanted in columns:
        return wanted
    for column in columns:
        if column.strip() == wanted:
            return column
    if wanted.isdecimal() and 1 <= int(wanted) <= len(columns):
        return columns[int(wanted) - 1]
    raise DataError(f"{where}: there is no column {wanted!r}; {_columns_and_flags(columns)}")


def _refuse_twins(columns: Sequence[str], needed: frozenset[str], where: str) -> None:
    twins = sorted(name for name in needed if columns.count(name) > 1)
    if twins:
        raise DataError(f"{where}: the column {twins[0]!r} appears more than once; rename one of them")


def _columns_and_flags(columns: Sequence[str]) -> str:
    listed = ", ".join(repr(column) for column in columns[:60]) + (", …" if len(columns) > 60 else "")
    latitude = next((column.strip() for column in columns if _LIKE_LATITUDE.search(column)), "COLUMN")
    longitude = next((column.strip() for column in columns if _LIKE_LONGITUDE.search(column)), "COLUMN")
    if end_of(latitude) != end_of(longitude):
        latitude = longitude = "COLUMN"
    flags = Coordinates(latitude, longitude).flags
    return f"columns: {listed or 'none'}; say which ones hold degrees with {flags}"
