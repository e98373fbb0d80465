"""Read trips for features: the hotspots and times of both ends, their length, and when each became known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import numpy as np

from haversine_dbscan.geodesy import great_circle_distance
from taxi_mlops.data.coordinate_names import TripEnd
from taxi_mlops.data.delta import TableAddress, entries_of, open_version, table_file
from taxi_mlops.data.load import OpenedTrips, open_trips
from taxi_mlops.data.progress import Progress
from taxi_mlops.data.request import DELTA, LoadRequest
from taxi_mlops.data.tables import open_table
from taxi_mlops.data.trip_times import UNKNOWN, read_times
from taxi_mlops.domain import NOISE, FloatArray, RowArray
from taxi_mlops.errors import DataError
from taxi_mlops.models.hotspot_model import HotspotModel
from taxi_mlops.settings import Settings

if TYPE_CHECKING:
    import polars as pl

COMMIT: Literal["commit"] = "commit"
"""In place of a column: a trip became known when it was committed to its Delta table."""
LONGEST_METRES = 1_000_000
"""The length of a longer trip counts as unknown: one of its ends is wrong."""
_EPOCH = datetime(1970, 1, 1)  # on the trips' own clocks


@dataclass(frozen=True, slots=True)
class TripTimeColumns:
    """The columns of times, as the user names them; None are found by their names.

    known_at: when each trip became known: a column, or `commit`; None is the end of the trip.
    """

    pickup: str | None = None
    dropoff: str | None = None
    known_at: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LocatedTrips:
    """Trips as features are computed from them.

    frame: a row for each of the source: `origin` and `destination`, ids of hotspots; `pickup`, `dropoff` and `known`,
    seconds since 1970 on the trips' clocks; `metres`, the length; all Int64, null where unknown or outside. known_at:
    what `known` was taken from, in words. notes: what is missing, in sentences.
    """

    frame: pl.DataFrame
    uri: str
    data_version: str
    has_dropoffs: bool
    known_at: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _End:
    """One end of all n trips. hotspot: id or −1. latitude, longitude: degrees, NaN if missing. seconds: or UNKNOWN."""

    hotspot: RowArray
    latitude: FloatArray
    longitude: FloatArray
    seconds: RowArray | None
    column: str | None


def locate_trips(
    source: str,
    model: HotspotModel,
    columns: TripTimeColumns,
    settings: Settings,
    timezone: str,
    on_progress: Progress | None = None,
) -> LocatedTrips:
    """Read trips, and find the hotspots of their ends.

    timezone: of the trips' clocks, for the times of commits. Raises DataError if the trips cannot be read, or have no
    pickup times.
    """
    opened = _opened(source, "pickup", settings, on_progress)
    pickup = _read_end(opened, "pickup", model, columns.pickup)
    if pickup.seconds is None:
        raise DataError(f"{opened.uri}: no column holds the times of pickups; name it with --time COLUMN")
    dropoff, notes = _read_dropoffs(source, opened, pickup, model, columns.dropoff, settings)
    ended = None if dropoff is None else dropoff.seconds
    known, known_at = _known(opened, columns.known_at, pickup, dropoff, settings, timezone)
    metres = np.full(len(pickup.hotspot), -1, dtype=np.int64)
    if dropoff is not None:
        whole = np.rint(great_circle_distance(pickup.latitude, pickup.longitude, dropoff.latitude, dropoff.longitude))
        plausible = whole <= LONGEST_METRES  # false where it is NaN
        metres[plausible] = whole[plausible].astype(np.int64)
    none = np.full(len(metres), UNKNOWN, dtype=np.int64)
    return LocatedTrips(
        frame=_frame(
            {
                "origin": (pickup.hotspot, NOISE),
                "destination": (none if dropoff is None else dropoff.hotspot, UNKNOWN if dropoff is None else NOISE),
                "pickup": (pickup.seconds, UNKNOWN),
                "dropoff": (none if ended is None else ended, UNKNOWN),
                "known": (known, UNKNOWN),
                "metres": (metres, -1),
            }
        ),
        uri=opened.uri,
        data_version=opened.data_version,
        has_dropoffs=ended is not None,
        known_at=known_at,
        notes=notes,
    )


def _opened(source: str, end: TripEnd, settings: Settings, on_progress: Progress | None) -> OpenedTrips:
    return open_trips(LoadRequest(source=source, points=end), settings, on_progress, find_region=False)


def _read_end(opened: OpenedTrips, end: TripEnd, model: HotspotModel, time_column: str | None) -> _End:
    cleaned = opened.read()
    if cleaned.row is None:
        raise DataError(f"{opened.uri}: features need the points of trips, and these are zones")
    n = cleaned.rows_read
    found = model.locate(cleaned.latitude, cleaned.longitude)
    hotspot = np.full(n, NOISE, dtype=np.int64)
    hotspot[cleaned.row] = found.hotspot
    latitude, longitude = np.full(n, np.nan), np.full(n, np.nan)
    latitude[cleaned.row], longitude[cleaned.row] = cleaned.latitude, cleaned.longitude
    times = read_times(opened, np.arange(n), end, time_column)
    return _End(
        hotspot,
        latitude,
        longitude,
        None if times is None else times.seconds,
        None if times is None else times.column,
    )


def _read_dropoffs(
    source: str, opened: OpenedTrips, pickup: _End, model: HotspotModel, time_column: str | None, settings: Settings
) -> tuple[_End | None, tuple[str, ...]]:
    """Return the other end of the trips, None if they have only one, and what is missing."""
    same_version = opened.uri if opened.uri.startswith(DELTA) else source
    try:
        other = _opened(same_version, "dropoff", settings, None)
    except DataError:  # no such columns; whatever else is wrong was raised for the pickups
        other = opened
    if other.columns_read == opened.columns_read:
        if time_column is not None:
            raise DataError(f"--dropoff-time {time_column}: the trips have no points of dropoffs")
        return None, ("The trips have no points of dropoffs: features of dropoffs, balance and length are missing",)
    end = _read_end(other, "dropoff", model, time_column)
    if len(end.hotspot) != len(pickup.hotspot):
        raise DataError(f"{opened.uri}: changed while it was read; build again")
    if end.seconds is not None and end.column == pickup.column:  # a name that fits both ends
        end = _End(end.hotspot, end.latitude, end.longitude, None, None)
    if end.seconds is None:
        return end, (
            "No column holds the times of dropoffs (--dropoff-time): features of dropoffs and balance are missing",
        )
    return end, ()


def _known(
    opened: OpenedTrips,
    known_at: str | None,
    pickup: _End,
    dropoff: _End | None,
    settings: Settings,
    timezone: str,
) -> tuple[RowArray, str]:
    """Return when each trip became known, and what says so: where that is missing, the trip's end, or its beginning."""
    begun = np.full(len(pickup.hotspot), UNKNOWN, dtype=np.int64) if pickup.seconds is None else pickup.seconds
    ended = None if dropoff is None else dropoff.seconds
    known, words = begun, f"the pickup ({pickup.column})"
    if ended is not None and dropoff is not None:
        known, words = np.where(ended == UNKNOWN, begun, ended), f"the dropoff ({dropoff.column})"
    if known_at is None:
        return known, words
    if known_at == COMMIT:
        return _committed(opened, len(known), settings, timezone), "the commit to the table"
    named = read_times(opened, np.arange(len(known)), "pickup", known_at)
    if named is None:
        raise DataError(f"--known-at {known_at}: holds no times that can be read")
    return np.where(named.seconds == UNKNOWN, known, named.seconds), f"the column {known_at}"


def _committed(opened: OpenedTrips, n: int, settings: Settings, timezone: str) -> RowArray:
    """Return when the file of each row was committed, on the trips' clocks."""
    if not opened.uri.startswith(DELTA):
        raise DataError(f"--known-at {COMMIT}: {opened.uri} is no table of versions; name a column")
    address = TableAddress.parse(opened.uri)
    entries = entries_of(open_version(address, settings))
    rows = [open_table(table_file(address.location, entry.path, settings)).rows or 0 for entry in entries]
    seconds = [_on_clocks(entry.modification_time, timezone) for entry in entries]
    known = np.repeat(np.array(seconds, dtype=np.int64), rows)
    if len(known) != n:
        raise DataError(f"{opened.uri}: its files have other rows than its log says")
    return known


def _on_clocks(milliseconds: int, timezone: str) -> int:
    """Return a moment as seconds since 1970 on the clocks of a time zone, rounded up."""
    local = datetime.fromtimestamp(-(-milliseconds // 1000), UTC).astimezone(ZoneInfo(timezone)).replace(tzinfo=None)
    return (local - _EPOCH) // timedelta(seconds=1)


def _frame(columns: dict[str, tuple[RowArray, int]]) -> pl.DataFrame:
    """Return the arrays as a frame, each null where it has its value for what is unknown."""
    import polars as pl

    frame = pl.DataFrame({name: values for name, (values, _) in columns.items()})
    return frame.with_columns(
        pl.when(pl.col(name) != unknown).then(pl.col(name)) for name, (_, unknown) in columns.items()
    )
