"""The kinds of trip files that are known: each a small declaration, found by the names of its columns.

Column names are matched exactly, letter case and leading blanks included: they are what tells the years apart. To
know another kind of file, add a `TripSchema` to `SCHEMAS`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from taxi_mlops.data.coordinate_names import TripEnd, candidates
from taxi_mlops.errors import DataError

_LIKE_LATITUDE = re.compile(r"latitude|(?<![a-z])lat(?![a-z])", re.IGNORECASE)
_LIKE_LONGITUDE = re.compile(r"longitude|(?<![a-z])(lon|lng|long)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Two columns of degrees (WGS 84)."""

    latitude: str
    longitude: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to read."""
        return (self.latitude, self.longitude)

    @property
    def exchanged(self) -> Coordinates:
        """The same columns the other way round."""
        return Coordinates(self.longitude, self.latitude)

    @property
    def flags(self) -> str:
        """How the command line names the columns."""
        return f"--lat {_quoted(self.latitude.strip())} --lon {_quoted(self.longitude.strip())}"


@dataclass(frozen=True, slots=True)
class Polyline:
    """A column of JSON text `[[longitude, latitude], …]`, of which one end is the point; `[]` is a missing point."""

    column: str
    end: Literal["first", "last"]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to read."""
        return (self.column,)


@dataclass(frozen=True, slots=True)
class Zone:
    """A column of zone numbers: no points at all (see `taxi_mlops.data.zones`)."""

    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to read."""
        return (self.column,)


Place = Coordinates | Polyline | Zone


@dataclass(frozen=True, slots=True)
class TripSchema:
    """One kind of trip file.

    It is recognised by the columns of both places, of the time, and `identified_by`. `note` is a sentence that every
    output must repeat about points of this kind.
    """

    name: str
    title: str
    pickup: Place
    dropoff: Place
    time_column: str | None = None
    identified_by: tuple[str, ...] = ()
    note: str = ""

    def place(self, points: TripEnd) -> Place:
        """Where the points of one end of the trips are found."""
        return self.pickup if points == "pickup" else self.dropoff

    @property
    def required(self) -> frozenset[str]:
        """The columns that a file of this kind has."""
        time = (self.time_column,) if self.time_column else ()
        return frozenset((*self.pickup.columns, *self.dropoff.columns, *time, *self.identified_by))


_CHICAGO_NOTE = (
    "Chicago publishes the centroid of the census tract or community area instead of the point: "
    "many trips coincide exactly, and clusters are areas, not places"
)

SYNTHETIC = TripSchema(
    "synthetic",
    "Synthetic city of this project",
    Coordinates("pickup_latitude", "pickup_longitude"),
    Coordinates("dropoff_latitude", "dropoff_longitude"),
    time_column="pickup_time",
    identified_by=("synthetic_trip",),
    note="The trips are synthetic: an invented city where there is none",
)

SCHEMAS: tuple[TripSchema, ...] = (
    SYNTHETIC,
    TripSchema(
        "yellow-2009",
        "New York yellow taxis, 2009",
        Coordinates("Start_Lat", "Start_Lon"),
        Coordinates("End_Lat", "End_Lon"),
        time_column="Trip_Pickup_DateTime",
    ),
    TripSchema(
        "yellow-2010-2013",
        "New York yellow taxis, 2010–2013",
        Coordinates("pickup_latitude", "pickup_longitude"),
        Coordinates("dropoff_latitude", "dropoff_longitude"),
        time_column="pickup_datetime",
        identified_by=("vendor_id", "trip_distance", "payment_type"),
    ),
    TripSchema(
        "yellow-2014",
        "New York yellow taxis, 2014 (column names with leading blanks)",
        Coordinates(" pickup_latitude", " pickup_longitude"),
        Coordinates(" dropoff_latitude", " dropoff_longitude"),
        time_column=" pickup_datetime",
        identified_by=("vendor_id", " trip_distance", " payment_type"),
    ),
    TripSchema(
        "yellow-2015-2016",
        "New York yellow taxis, January 2015 to June 2016",
        Coordinates("pickup_latitude", "pickup_longitude"),
        Coordinates("dropoff_latitude", "dropoff_longitude"),
        time_column="tpep_pickup_datetime",
    ),
    TripSchema(
        "green",
        "New York green taxis, August 2013 to June 2016",
        Coordinates("Pickup_latitude", "Pickup_longitude"),
        Coordinates("Dropoff_latitude", "Dropoff_longitude"),
        time_column="lpep_pickup_datetime",
    ),
    TripSchema(
        "zones",
        "New York taxis of the zone era (from July 2016; older months too, where they were published again)",
        Zone("PULocationID"),
        Zone("DOLocationID"),
    ),
    TripSchema(
        "zones-fhv",
        "New York for-hire vehicles (zones)",
        Zone("PUlocationID"),
        Zone("DOlocationID"),
    ),
    TripSchema(
        "kaggle-trip-duration",
        "Kaggle: New York City Taxi Trip Duration",
        Coordinates("pickup_latitude", "pickup_longitude"),
        Coordinates("dropoff_latitude", "dropoff_longitude"),
        time_column="pickup_datetime",
        identified_by=("id", "vendor_id", "store_and_fwd_flag"),
    ),
    TripSchema(
        "kaggle-fare",
        "Kaggle: New York City Taxi Fare Prediction",
        Coordinates("pickup_latitude", "pickup_longitude"),
        Coordinates("dropoff_latitude", "dropoff_longitude"),
        time_column="pickup_datetime",
        identified_by=("key", "passenger_count"),
    ),
    TripSchema(
        "chicago",
        "Chicago taxis (BigQuery and its samples)",
        Coordinates("pickup_latitude", "pickup_longitude"),
        Coordinates("dropoff_latitude", "dropoff_longitude"),
        identified_by=("pickup_community_area",),
        note=_CHICAGO_NOTE,
    ),
    TripSchema(
        "chicago-portal",
        "Chicago taxis (the city's data portal)",
        Coordinates("Pickup Centroid Latitude", "Pickup Centroid Longitude"),
        Coordinates("Dropoff Centroid Latitude", "Dropoff Centroid Longitude"),
        time_column="Trip Start Timestamp",
        note=_CHICAGO_NOTE,
    ),
    TripSchema(
        "porto",
        "Porto taxis (ECML/PKDD 2015)",
        Polyline("POLYLINE", "first"),
        Polyline("POLYLINE", "last"),
        time_column="TIMESTAMP",
        identified_by=("TRIP_ID",),
    ),
    TripSchema(
        "santiago",
        "Santiago de Chile taxis (ODMeans)",
        Coordinates("origin_latitude", "origin_longitude"),
        Coordinates("destination_latitude", "destination_longitude"),
    ),
)


def choose_schema(
    columns: Sequence[str],
    *,
    where: str,
    points: TripEnd = "pickup",
    latitude_column: str | None = None,
    longitude_column: str | None = None,
    zones: bool = False,
) -> TripSchema:
    """Find the schema of a file with these columns.

    Columns that the user names win over detection; with `zones` only schemas of zones are looked for. Where no known
    schema fits, the one pair of columns is taken whose names say that they hold the wanted end of the trips.

    Raises DataError naming the file (`where`), its columns and the flags to use, where no schema or several fit.
    """
    if latitude_column or longitude_column:
        if points == "dropoff":
            raise DataError(f"{where}: --points dropoff goes without --lat and --lon, which name the columns already")
        return _named_by_user(columns, latitude_column, longitude_column, where, zones=zones)
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
    return _found_by_names(columns, points, where)


def _found_by_names(columns: Sequence[str], points: TripEnd, where: str) -> TripSchema:
    pairs = candidates(columns, points)
    if len(pairs) > 1:
        listed = " or ".join(Coordinates(pair.latitude, pair.longitude).flags for pair in pairs[:4])
        raise DataError(f"{where}: several pairs of columns may hold the {points} points; choose with {listed}")
    if not pairs:
        raise DataError(f"{where}: the columns fit no known kind of trips; {_columns_and_flags(columns)}")
    (pair,) = pairs
    place = Coordinates(pair.latitude, pair.longitude)
    _refuse_twins(columns, frozenset(place.columns), where)
    title = f"Columns {pair.latitude.strip()} and {pair.longitude.strip()}, found by their names"
    return TripSchema("columns", title, place, place)


def _named_by_user(
    columns: Sequence[str], latitude: str | None, longitude: str | None, where: str, *, zones: bool
) -> TripSchema:
    if not (latitude and longitude):
        missing = "longitude" if latitude else "latitude"
        raise DataError(f"{where}: the {missing} column is not named; {_columns_and_flags(columns)}")
    if zones:
        raise DataError(f"{where}: --zones cannot be combined with --lat and --lon: trips have either zones or points")
    place = Coordinates(_resolve(latitude, columns, where), _resolve(longitude, columns, where))
    if place.latitude == place.longitude:
        raise DataError(f"{where}: --lat and --lon name the same column {latitude!r}")
    _refuse_twins(columns, frozenset(place.columns), where)
    return TripSchema("columns", f"Columns {latitude} and {longitude}", place, place)


def _resolve(wanted: str, columns: Sequence[str], where: str) -> str:
    """The column of this name, blanks around it left out, or else of this number, from 1."""
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
    flags = Coordinates(latitude, longitude).flags
    return f"columns: {listed or 'none'}; say which ones hold degrees with {flags}"


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name
