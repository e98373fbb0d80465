"""Compute the features of a model's hotspots from trips, and store them: `taxi features build`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from taxi_mlops.data.progress import Progress
from taxi_mlops.data.request import MONTH_PATTERN
from taxi_mlops.errors import DataError, UsageError
from taxi_mlops.features import definitions
from taxi_mlops.features.definitions import WEEK_HOURS
from taxi_mlops.features.hours import Events, count_events, hotspot_rows, hour_of, months, time_of
from taxi_mlops.features.store import Contents, FeatureStore, Part
from taxi_mlops.features.trips import LocatedTrips, TripTimeColumns, locate_trips
from taxi_mlops.models.hotspot_model import HotspotModel
from taxi_mlops.settings import Settings

if TYPE_CHECKING:
    import polars as pl

MAX_ROWS = 200_000_000
"""Of hotspots times hours; more follow from times that are wrong by decades."""


@dataclass(frozen=True, slots=True)
class Version:
    """A model of the registry, with its name and version."""

    name: str
    version: str
    model: HotspotModel


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """Which rows are computed, and from what.

    timezone: of the trips' clocks. since: trips that began earlier are left out. until: the last time of a row; None is
    the hour after the last pickup. backfill: compute the rows of this month alone, like 2016-05.
    """

    columns: TripTimeColumns = field(default_factory=TripTimeColumns)
    timezone: str = "UTC"
    since: datetime | None = None
    until: datetime | None = None
    backfill: str | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """A build that is stored. rows: of hotspots, written by it. months: of these rows."""

    contents: Contents
    trips: int
    hotspots: int
    rows: int
    months: tuple[str, ...]


def build(
    source: str, version: Version, settings: Settings, options: BuildOptions, on_progress: Progress | None = None
) -> Built:
    """Compute the features from trips, and store them in place of those before.

    Raises DataError if the trips cannot be used, UsageError if the options do not fit the store, or another build is
    under way.
    """
    if options.backfill is not None and not re.fullmatch(MONTH_PATTERN, options.backfill):
        raise UsageError(f"--backfill {options.backfill}: months are written like 2016-05")
    if not len(version.model):
        raise UsageError(f"version {version.version} of model {version.name!r} has no hotspots")
    store = FeatureStore(settings, version.name)
    with store.building():
        before = None if options.backfill is None else store.contents()
        trips = locate_trips(source, version.model, options.columns, settings, options.timezone, on_progress)
        if before is not None:
            _require_same(before, version, trips, options)
        events = _events(trips, options)
        hours = _rows_of(events, options) if before is None else (hour_of(before.first), hour_of(before.last))
        written, rows = dict[str, Part](), 0
        for month, start, stop in _months(hours, len(version.model), options.backfill, trips.uri):
            if on_progress:
                on_progress(f"Computing {month}", 0, None)
            made = hotspot_rows(events, version.model.ids, version.model.centre, start, stop)
            file = store.write(f"hotspots-{month}", made)
            written[month] = Part(file=file, source=trips.uri, data_version=trips.data_version)
            rows += len(made)
        if before is None:
            contents = _contents(store, trips, hours, version, options, written)
        else:
            contents = before.model_copy(update={"months": {**before.months, **written}})
        store.publish(contents)
    return Built(contents, len(trips.frame), len(version.model), rows, tuple(written))


def _events(trips: LocatedTrips, options: BuildOptions) -> Events:
    import polars as pl

    frame = trips.frame
    if options.since is not None:
        begun = pl.col("pickup") >= hour_of(options.since) * 3600
        frame = frame.filter(begun)
    if not len(frame) or frame["pickup"].null_count() == len(frame):
        raise DataError(f"{trips.uri}: there are no trips with a time of their pickup")
    return count_events(frame, has_dropoffs=trips.has_dropoffs)


def _rows_of(events: Events, options: BuildOptions) -> tuple[int, int]:
    """Return the first and the last hour of rows. Raises UsageError if there is none."""
    first, last = events.first + 1, events.last + 1
    if options.until is not None:
        last = min(last, hour_of(options.until))
    if last < first:
        raise UsageError(f"--until {options.until}: the first row would be of {time_of(first)}")
    return first, last


def _months(hours: tuple[int, int], hotspots: int, backfill: str | None, uri: str) -> list[tuple[str, int, int]]:
    """Return the months to compute, with the hours of their rows. Raises UsageError for too many, or none."""
    first, last = hours
    span = f"{time_of(first):%Y-%m-%d} to {time_of(last):%Y-%m-%d}"
    if (last - first + 1) * hotspots > MAX_ROWS:
        raise DataError(
            f"{uri}: {last - first + 1:,} hours from {span} for {hotspots:,} hotspots are too many; leave out trips "
            "with wrong times by --since and --until"
        )
    found = [one for one in months(first, last + 1) if backfill in (None, one[0])]
    if not found:
        raise UsageError(f"--backfill {backfill}: the store has rows from {span}")
    return found


def _contents(
    store: FeatureStore,
    trips: LocatedTrips,
    hours: tuple[int, int],
    version: Version,
    options: BuildOptions,
    written: dict[str, Part],
) -> Contents:
    file = store.write("trips", trip_rows(trips.frame))
    return Contents(
        model=version.name,
        model_version=version.version,
        features=definitions.versions(),
        known_at=trips.known_at,
        timezone=options.timezone,
        since=options.since,
        first=time_of(hours[0]),
        last=time_of(hours[1]),
        has_dropoffs=trips.has_dropoffs,
        months=written,
        trips=Part(file=file, source=trips.uri, data_version=trips.data_version),
        notes=trips.notes,
    )


def trip_rows(trips: pl.DataFrame) -> pl.DataFrame:
    """Return the features of trips: `trip`, the row of the source, `at`, when it began, and one column a feature."""
    import polars as pl

    # 1 January 1970 was a Thursday, three days after the beginning of its week.
    hour_of_week = (pl.col("pickup") // 3600 + 3 * 24) % WEEK_HOURS
    return trips.select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("trip"),
        (pl.col("pickup") * 1_000_000).cast(pl.Datetime("us")).alias("at"),
        "origin",
        "destination",
        hour_of_week.alias("hour_of_week"),
    )


def _require_same(before: Contents, version: Version, trips: LocatedTrips, options: BuildOptions) -> None:
    """Raise UsageError if rows of this build would differ in kind from those of the store."""
    pairs = {
        "model version": (before.model_version, version.version),
        "time that trips were known at": (before.known_at, trips.known_at),
        "time zone": (before.timezone, options.timezone),
        "--since": (before.since, options.since),
        "dropoffs": (before.has_dropoffs, trips.has_dropoffs),
    }
    for what, (there, here) in pairs.items():
        if there != here:
            raise UsageError(f"--backfill: the store's {what} is {there}, and this one {here}; build all months again")
