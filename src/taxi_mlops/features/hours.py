"""The features of hotspots for every hour, from trips: pure functions over data frames of Polars.

A row of time T sees an event (a pickup or dropoff) if it was before T and its trip was known at T or before. All else
follows from this rule; see docs/explanation/features.md.

Times are hours since 1970 on the trips' clocks. A trip is an event of hour E with a delay d: rows from T = E + 1 + d on
see it. Sums are of integers, so that they are exact, whatever the order of the trips.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from haversine_dbscan.geodesy import great_circle_distance
from taxi_mlops.domain import FloatArray
from taxi_mlops.features.definitions import LONG_WINDOWS, WEEK_HOURS, WEEKS, of_entity

if TYPE_CHECKING:
    import polars as pl

DAY = 24
_EPOCH = datetime(1970, 1, 1)  # on the trips' own clocks
_MICROSECONDS = 3_600_000_000
_KEYS = ("hotspot", "hour", "delay")
_LARGEST_KEY = 2**63
_COUNTS = ("trips", "trip_squares")
_LENGTHS = ("lengths", "metres", "metre_squares")


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Trips, counted by hotspot, hour and delay.

    pickups, dropoffs: `hotspot`, `hour`, `delay`, `trips` and what they add to the square of the hour's trips
    (`trip_squares`), sorted by the first three; pickups also the trips of known length (`lengths`), and the sums of
    their `metres` and `metre_squares`. since: `at` and `hour`, the earliest hour of a pickup that rows from `at` on
    know of. first, last: hours of pickups. has_dropoffs: whether it is known where and when trips ended.
    """

    pickups: pl.DataFrame
    dropoffs: pl.DataFrame
    since: pl.DataFrame
    first: int
    last: int
    has_dropoffs: bool


def hour_of(time: datetime) -> int:
    """Return the hour that a time lies in."""
    return (time - _EPOCH) // timedelta(hours=1)


def time_of(hour: int) -> datetime:
    """Return when an hour begins."""
    return _EPOCH + timedelta(hours=hour)


def months(start: int, stop: int) -> Iterator[tuple[str, int, int]]:
    """Yield the months of the rows from start up to but without stop, as 2016-05, each with its own start and stop."""
    while start < stop:
        month = time_of(start).replace(day=1, hour=0)
        following = hour_of((month + timedelta(days=31)).replace(day=1))
        yield f"{month:%Y-%m}", start, min(stop, following)
        start = following


def count_events(trips: pl.DataFrame, *, has_dropoffs: bool) -> Events:
    """Count trips by hotspot, hour and delay.

    trips: `origin` and `destination`, ids of hotspots; `pickup`, `dropoff` and `known`, seconds since 1970; `metres`,
    the length; all Int64, null where unknown. One pickup at least must have a time.
    """
    import polars as pl

    metres = pl.col("metres")
    lengths = (
        metres.count().cast(pl.Int64).alias("lengths"),
        metres.sum(),
        (metres * metres).sum().alias("metre_squares"),
    )
    seen = trips.lazy().filter(pl.col("pickup").is_not_null()).select(hour=_hour("pickup"), at=_seen_from("pickup"))
    since = seen.group_by("at").agg(pl.col("hour").min(), pl.col("hour").max().alias("last")).sort("at").collect()
    return Events(
        pickups=_cells(trips, "origin", "pickup", lengths),
        dropoffs=_cells(trips, "destination", "dropoff"),
        since=since.select("at", pl.col("hour").cum_min()),
        first=int(np.min(since["hour"].to_numpy())),
        last=int(np.max(since["last"].to_numpy())),
        has_dropoffs=has_dropoffs,
    )


def hotspot_rows(events: Events, ids: NDArray[np.int64], centre: FloatArray, start: int, stop: int) -> pl.DataFrame:
    """Return the features of each hotspot at every hour from start up to but without stop.

    ids: of the hotspots, (k,). centre: latitude and longitude in degrees, (k, 2). Returns `hotspot`, `at` and a column
    for each feature of hotspots, sorted by hotspot and time.
    """
    import polars as pl

    order = np.argsort(ids, kind="stable")
    grid = _Grid(ids[order], start, stop)
    sums: dict[str, NDArray[np.int64]] = {}
    for end, cells in (("pickups", events.pickups), ("dropoffs", events.dropoffs)):
        for window in (1, *LONG_WINDOWS):
            columns = (*_COUNTS, *(_LENGTHS if end == "pickups" and window == DAY else ()))
            changes = grid.placed(_changes(cells, window, columns, start, stop))
            sums |= {f"{end}_{column}_{window}": np.cumsum(changes[column], axis=1) for column in columns}
        for week in range(1, WEEKS + 1):
            sums[f"{end}_week_{week}"] = grid.placed(_past_week(cells, week, start, stop))["trips"]
    known_since = np.broadcast_to(_known_since(events.since, grid.hours), grid.shape)
    distance = busier_distance(sums[f"pickups_trips_{DAY}"], centre[order])
    rows = pl.DataFrame(
        {
            "hotspot": np.repeat(grid.ids, len(grid.hours)),
            "at": np.tile(grid.hours, len(ids)),
            "since": known_since.ravel(),
            "distance": pl.Series(distance.ravel()).fill_nan(None),
            **{name: values.ravel() for name, values in sums.items()},
        }
    )
    return _features(rows, events.has_dropoffs)


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """All rows of hotspots, whose ids are ascending, and of the hours from start up to but without stop."""

    ids: NDArray[np.int64]
    start: int
    stop: int

    @property
    def hours(self) -> NDArray[np.int64]:
        """The hours of the rows of each hotspot."""
        return np.arange(self.start, self.stop, dtype=np.int64)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of hotspots and of hours."""
        return len(self.ids), self.stop - self.start

    def placed(self, values: pl.DataFrame) -> dict[str, NDArray[np.int64]]:
        """Return the sums of each column but `hotspot` and `at`, which say where a value is in the grid."""
        row = np.searchsorted(self.ids, values["hotspot"].to_numpy())
        place = row * self.shape[1] + (values["at"].to_numpy() - self.start)
        found = dict[str, NDArray[np.int64]]()
        for name in (one for one in values.columns if one not in ("hotspot", "at")):
            dense = np.zeros(self.shape, dtype=np.int64)
            np.add.at(dense.reshape(-1), place, values[name].to_numpy())
            found[name] = dense
        return found


def busier_distance(counts: NDArray[np.int64], centre: FloatArray) -> FloatArray:
    """Return the metres from each hotspot to the nearest one with a greater count at the same hour, NaN if none has.

    counts: (k, hours). centre: degrees, (k, 2). Returns (k, hours). Neighbours are looked at from the nearest on, each
    for the hours that are left: about ln k of them for each row.
    """
    found = np.full(counts.shape, np.nan)
    for one, (latitude, longitude) in enumerate(centre):
        metres = great_circle_distance(latitude, longitude, centre[:, 0], centre[:, 1])
        left = np.arange(counts.shape[1])
        for other in np.argsort(metres, kind="stable"):
            busier = counts[other, left] > counts[one, left]
            found[one, left[busier]] = metres[other]
            left = left[~busier]
            if not len(left):
                break
    return found


def _hour(column: str) -> pl.Expr:
    import polars as pl

    return pl.col(column) // 3600


def _seen_from(column: str) -> pl.Expr:
    """Return the first hour whose row sees the event of this column."""
    import polars as pl

    return pl.max_horizontal(_hour(column) + 1, (pl.col("known") + 3599) // 3600)


def _cells(trips: pl.DataFrame, hotspot: str, time: str, sums: Sequence[pl.Expr] = ()) -> pl.DataFrame:
    import polars as pl

    events = (
        trips.lazy()
        .filter(pl.col(hotspot).is_not_null() & pl.col(time).is_not_null())
        .select(
            pl.col(hotspot).alias("hotspot"),
            _hour(time).alias("hour"),
            (_seen_from(time) - _hour(time) - 1).alias("delay"),
            "metres",
        )
    )
    cells = _grouped(events, (pl.len().cast(pl.Int64).alias("trips"), *sums))
    # The trips of the hour so far: those so far at all, without those before the hour. `over` takes many times as long.
    begins = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in ("hotspot", "hour"))
    before = pl.when(begins).then(pl.col("trips_then") - pl.col("trips")).forward_fill()
    return (
        cells.with_columns(trips_then=pl.col("trips").cum_sum())
        .with_columns(trips_then=pl.col("trips_then") - before)
        .with_columns(trip_squares=pl.col("trips") * (2 * pl.col("trips_then") - pl.col("trips")))
        .drop("trips_then")
    )


def _grouped(events: pl.LazyFrame, sums: Sequence[pl.Expr]) -> pl.DataFrame:
    """Return the sums over the events of each hotspot, hour and delay, sorted by these.

    One key takes a third of the time of three: they become the digits of a number, if it has 63 bits.
    """
    import polars as pl

    keys = pl.col(_KEYS)
    extremes = events.select(keys.min(), keys.max().name.suffix(" at most")).collect().row(0)
    least, most = extremes[: len(_KEYS)], extremes[len(_KEYS) :]
    if None in least:
        return events.group_by(_KEYS).agg(*sums).collect()
    spans = [high - low + 1 for low, high in zip(least, most, strict=True)]
    if math.prod(spans) >= _LARGEST_KEY:
        return events.group_by(_KEYS).agg(*sums).sort(_KEYS).collect()
    key = pl.lit(0, pl.Int64)
    for name, low, span in zip(_KEYS, least, spans, strict=True):
        key = key * span + (pl.col(name) - low)
    found = events.select(key.alias("key"), "metres").group_by("key").agg(*sums).sort("key")
    factors = [math.prod(spans[number + 1 :]) for number in range(len(spans))]
    digits = (
        (pl.col("key") // factor % span + low).alias(name)
        for name, low, span, factor in zip(_KEYS, least, spans, factors, strict=True)
    )
    return found.select(*digits, pl.exclude("key")).collect()


def _changes(cells: pl.DataFrame, window: int, columns: Sequence[str], start: int, stop: int) -> pl.DataFrame:
    """Return by how much the sums over the last hours change: `hotspot`, `at`, and the columns, to be added up.

    An event of hour E with delay d is in the sums of the rows from E + 1 + d to E + window.
    """
    import polars as pl

    hour, enters = pl.col("hour"), pl.col("hour") + 1 + pl.col("delay")
    inside = cells.filter((pl.col("delay") < window) & (hour + window >= start) & (enters < stop))
    added = inside.select("hotspot", pl.max_horizontal(enters, pl.lit(start)).cast(pl.Int64).alias("at"), *columns)
    removed = inside.select("hotspot", (hour + window + 1).alias("at"), *(-pl.col(column) for column in columns))
    return pl.concat([added, removed.filter(pl.col("at") < stop)])


def _past_week(cells: pl.DataFrame, week: int, start: int, stop: int) -> pl.DataFrame:
    """Return the trips of the hour so many weeks before a row, as far as that row sees them, to be added up."""
    import polars as pl

    hours = week * WEEK_HOURS
    return (
        cells.lazy()
        .select("hotspot", (pl.col("hour") + hours).alias("at"), "delay", "trips")
        .filter((pl.col("delay") < hours) & pl.col("at").is_between(start, stop, closed="left"))
        .select("hotspot", "at", "trips")
        .collect()
    )


def _known_since(since: pl.DataFrame, hours: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the earliest hour of a pickup that the rows of these hours know of; one that is too late if none."""
    at, earliest = since["at"].to_numpy(), since["hour"].to_numpy()
    place = np.searchsorted(at, hours, side="right") - 1
    return np.where(place < 0, np.iinfo(np.int64).max, earliest[place])


def _features(rows: pl.DataFrame, has_dropoffs: bool) -> pl.DataFrame:
    """Return the features from the sums; null where the known trips do not reach back so far."""
    import polars as pl

    def known(hours: int, end: str = "pickups") -> pl.Expr:
        return (pl.col("since") <= pl.col("at") - hours) & pl.lit(has_dropoffs or end == "pickups")

    def total(end: str, hours: int) -> pl.Expr:
        return pl.col(f"{end}_trips_{hours}")

    made: dict[str, pl.Expr] = {}
    for end in ("pickups", "dropoffs"):
        made[f"{end}_1h"] = pl.when(known(1, end)).then(total(end, 1))
        for hours in LONG_WINDOWS:
            squares = pl.col(f"{end}_trip_squares_{hours}")
            made[f"{end}_mean_{hours}h"] = pl.when(known(hours, end)).then(total(end, hours) / hours)
            made[f"{end}_spread_{hours}h"] = pl.when(known(hours, end)).then(_spread(total(end, hours), squares, hours))
        weeks = [pl.col(f"{end}_week_{week}") for week in range(1, WEEKS + 1)]
        of_weeks, squares = pl.sum_horizontal(weeks), pl.sum_horizontal(week * week for week in weeks)
        reached = known(WEEKS * WEEK_HOURS, end)
        made[f"{end}_week_ago"] = pl.when(known(WEEK_HOURS, end)).then(weeks[0])
        made[f"{end}_mean_weeks"] = pl.when(reached).then(of_weeks / WEEKS)
        made[f"{end}_spread_weeks"] = pl.when(reached).then(_spread(of_weeks, squares, WEEKS))
    for hours in (1, *LONG_WINDOWS):
        balance = total("dropoffs", hours) - total("pickups", hours)
        made[f"balance_{hours}h"] = pl.when(known(hours, "dropoffs")).then(balance)
    lengths = pl.col(f"pickups_lengths_{DAY}")
    mean = pl.col(f"pickups_metres_{DAY}") / lengths
    variance = pl.col(f"pickups_metre_squares_{DAY}") / lengths - mean * mean
    measured = known(DAY) & (lengths > 0)
    made[f"trip_length_mean_{DAY}h"] = pl.when(measured).then(mean)
    made[f"trip_length_spread_{DAY}h"] = pl.when(measured).then(variance.clip(lower_bound=0.0).sqrt())
    made["busier_hotspot_distance"] = pl.when(known(DAY)).then(pl.col("distance"))
    kinds = {"integer": pl.Int64, "number": pl.Float64}
    return rows.select(
        "hotspot",
        (pl.col("at") * _MICROSECONDS).cast(pl.Datetime("us")),
        *(made[feature.name].cast(kinds[feature.kind]).alias(feature.name) for feature in of_entity("hotspot")),
    )


def _spread(total: pl.Expr, squares: pl.Expr, n: int) -> pl.Expr:
    """Return the standard deviation of n whole numbers from their sum and the sum of their squares, which are exact."""
    import polars as pl

    return (n * squares - total * total).cast(pl.Float64).sqrt() / n
