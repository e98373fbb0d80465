"""The known kinds of trip files: a declaration for each, recognised by the names of its columns.

Column names are matched exactly, including case and leading blanks, since these distinguish the years. To support
another kind of file, add a `TripSchema` to `SCHEMAS`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from taxi_mlops.data.coordinate_names import TripEnd


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Two columns of numbers.

    Divided by `divisor` they are degrees (WGS 84), or with `crs` coordinates of that system: northing and easting.
    """

    latitude: str
    longitude: str
    divisor: float = 1.0
    crs: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to read."""
        return (self.latitude, self.longitude)

    @property
    def exchanged(self) -> Coordinates:
        """Return the same columns with their roles exchanged."""
        return replace(self, latitude=self.longitude, longitude=self.latitude)

    @property
    def flags(self) -> str:
        """The options of the command line that name the columns."""
        return f"--lat {quoted(self.latitude.strip())} --lon {quoted(self.longitude.strip())}"


PointForm = Literal["WKT", "GeoJSON", "WKB", "pairs"]


@dataclass(frozen=True, slots=True)
class _OneColumn:
    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to read."""
        return (self.column,)


@dataclass(frozen=True, slots=True)
class PointColumn(_OneColumn):
    """A column of points (see `taxi_mlops.data.point_columns`)."""

    form: PointForm
    longitude_first: bool = True
    srid: int = 4326
    """The EPSG code of the spatial reference system that the cells name."""
    crs: str | None = None
    """The system of the coordinates; None is degrees (WGS 84)."""


@dataclass(frozen=True, slots=True)
class Polyline(_OneColumn):
    """A column of JSON text `[[longitude, latitude], …]`, of which one end is the point; `[]` is a missing point."""

    end: Literal["first", "last"]


@dataclass(frozen=True, slots=True)
class Zone(_OneColumn):
    """A column of zone numbers: no points at all (see `taxi_mlops.data.zones`)."""


Place = Coordinates | PointColumn | Polyline | Zone


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
        """Return the columns of the points of one end of the trips."""
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


def quoted(name: str) -> str:
    """Return a name as it is typed on the command line."""
    return f'"{name}"' if " " in name else name
