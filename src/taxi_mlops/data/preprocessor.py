"""Clean coordinates: drop rows, counted by rule. Nothing is repaired, nothing is invented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.data.regions import BoundingBox, robust_region
from taxi_mlops.domain import BoolArray, FloatArray, RowArray

_ROWS_FOR_QUARTILES = 1_000_000

_Number = TypeVar("_Number", np.float64, np.int64)


class Rule(StrEnum):
    """Why a row is dropped. A row counts under the first rule, in this order, that applies to it."""

    MISSING = "missing"
    """One of the two coordinates is null or NaN."""
    ZERO = "zero"
    """Both coordinates are exactly 0, which devices write when they have no fix."""
    OUT_OF_RANGE = "out_of_range"
    """Latitude outside [-90, 90] (as in a swapped pair from beyond 90° E or W), longitude outside [-360, 360]."""
    SWAPPED = "swapped"
    """Outside the region, but inside it with latitude and longitude exchanged."""
    OUTSIDE_REGION = "outside_region"
    """Outside the region, whichever way round."""


@dataclass(frozen=True, slots=True)
class CleaningOptions:
    """Options of cleaning.

    region: the box that points must lie in; None finds it from the data (see `robust_region`), or applies none without
    find_region.
    """

    region: BoundingBox | None = None
    find_region: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class CleanedCoordinates:
    """The points that are left, with the counts of dropped rows.

    latitude, longitude: degrees, float64 of shape (n,), in the order of the rows. weight: number of trips that each
    point represents, float64 of shape (n,), or None if it is one. row: 0-based position of each point's row among all
    rows read, int64 of shape (n,), or None if points represent many rows. region: the box that was applied, or None
    for none.
    """

    latitude: FloatArray
    longitude: FloatArray
    rows_read: int
    dropped: Mapping[str, int]
    region: BoundingBox | None
    weight: FloatArray | None = None
    row: RowArray | None = None
    notes: tuple[str, ...] = ()

    @property
    def rows_used(self) -> int:
        """The number of rows that the points represent."""
        return self.rows_read - sum(self.dropped.values())


@dataclass(frozen=True, slots=True, eq=False)
class JudgedRows:
    """Rows that the single-row rules keep, and those that they drop.

    row: int64 of shape (n,). latitude, longitude: float64 of shape (n,). wrapped: the rows whose longitude was moved to
    the same meridian; some may have been dropped. dropped: rows by rule.
    """

    row: RowArray
    latitude: FloatArray
    longitude: FloatArray
    wrapped: RowArray
    dropped: Mapping[str, int]


def judge_rows(first_row: int, latitude: FloatArray, longitude: FloatArray) -> JudgedRows:
    """Apply the single-row rules to consecutive rows: float64 of shape (n,) each, NaN if missing."""
    row = np.arange(first_row, first_row + latitude.size)
    dropped: dict[str, int] = {}
    if _all_plain(latitude, longitude):
        return JudgedRows(row, latitude, longitude, row[:0], dropped)
    beyond = (np.abs(longitude) > 180) & (np.abs(longitude) <= 360)
    wrapped = row[beyond]
    if wrapped.size:
        longitude = np.where(beyond, longitude - np.copysign(360.0, longitude), longitude)
    for rule, applies in _RULES_OF_ONE_ROW:
        bad = applies(latitude, longitude)
        count = int(np.count_nonzero(bad))
        if count:
            dropped[rule] = count
            latitude, longitude, row = latitude[~bad], longitude[~bad], row[~bad]
    return JudgedRows(row, latitude, longitude, wrapped, dropped)


def judge_by_region(
    region: BoundingBox, latitude: FloatArray, longitude: FloatArray
) -> tuple[BoolArray | None, Mapping[str, int]]:
    """Return which of n points are inside a region, bool of shape (n,), None for all; and the others by rule."""
    if not region.crosses_antimeridian and _within(region, latitude, longitude):
        return None, {}
    inside = region.contains(latitude, longitude)
    outside = ~inside
    swapped = int(np.count_nonzero(region.contains(longitude[outside], latitude[outside])))
    return inside, {Rule.SWAPPED: swapped, Rule.OUTSIDE_REGION: int(np.count_nonzero(outside)) - swapped}


class RegionSample:
    """The rows from which a region is computed: those whose number is a multiple of a power of two, a million or two.

    That is enough for quartiles. The rows do not depend on the batches that they come in, so that samples of parts of
    the input can be merged.
    """

    def __init__(self) -> None:
        self._step = 1
        self._batches: list[tuple[RowArray, FloatArray, FloatArray]] = []

    def add(self, row: RowArray, latitude: FloatArray, longitude: FloatArray) -> None:
        """Add some of the rows, in any order of batches."""
        if row.size:
            while row[-1] >= self._step * _ROWS_FOR_QUARTILES:
                self._step *= 2
                self._batches = [_every(self._step, *batch) for batch in self._batches]
            self._batches.append(_every(self._step, row, latitude, longitude))

    def merge(self, other: RegionSample) -> None:
        """Add the rows of another sample."""
        for batch in other._batches:
            self.add(*batch)

    def points(self) -> tuple[FloatArray, FloatArray]:
        """Return latitude and longitude of the sample, float64 of shape (m,)."""
        chosen = [_every(self._step, *batch) for batch in self._batches]
        latitude, longitude = [batch[1] for batch in chosen], [batch[2] for batch in chosen]
        return _joined(latitude, np.float64), _joined(longitude, np.float64)


class TaxiTripPreprocessor:
    """Cleans coordinates that come in batches.

    Single-row rules are applied as batches are added; the two that need the region, in `finish`.
    Longitudes beyond ±180 and within ±360 denote the same meridian 360 degrees away: they are kept there, with a note.
    Duplicates are kept: two trips from one stand are two trips.
    """

    def __init__(self, options: CleaningOptions | None = None) -> None:
        self._options = options or CleaningOptions()
        self._batches: list[JudgedRows] = []
        self._rows_read = 0

    def add(self, latitude: FloatArray, longitude: FloatArray) -> None:
        """Add one batch: float64 of shape (n,) each, in degrees, NaN if missing. The arrays are not changed."""
        self._batches.append(judge_rows(self._rows_read, latitude, longitude))
        self._rows_read += latitude.size

    def finish(self) -> CleanedCoordinates:
        """Apply the region and return what is left. The preprocessor is empty afterwards."""
        region = self._options.region or (self._found_region() if self._options.find_region else None)
        self._batches.reverse()
        dropped = dict.fromkeys((str(rule) for rule in Rule), 0)
        latitudes, longitudes, rows, wrapped = [], [], [], 0
        while self._batches:  # one at a time, so that there is no second copy of all
            batch = self._batches.pop()
            inside, outside = judge_by_region(region, batch.latitude, batch.longitude) if region else (None, {})
            for rule, count in (*batch.dropped.items(), *outside.items()):
                dropped[rule] += count
            kept = slice(None) if inside is None else inside
            latitudes.append(batch.latitude[kept])
            longitudes.append(batch.longitude[kept])
            rows.append(batch.row[kept])
            wrapped += (
                len(np.intersect1d(batch.wrapped, batch.row[kept], assume_unique=True)) if batch.wrapped.size else 0
            )
        row = _joined(rows, np.int64)
        latitude, longitude = _joined(latitudes, np.float64), _joined(longitudes, np.float64)
        notes = notes_on_wrapping(wrapped)
        return CleanedCoordinates(latitude, longitude, self._rows_read, dropped, region, row=row, notes=notes)

    def _found_region(self) -> BoundingBox | None:
        sample = RegionSample()
        for batch in self._batches:
            sample.add(batch.row, batch.latitude, batch.longitude)
        return robust_region(*sample.points())


def notes_on_wrapping(count: int) -> tuple[str, ...]:
    """Return a note on so many longitudes that were moved."""
    if not count:
        return ()
    return (
        f"{count:,} longitudes beyond ±180 degrees, as where they are counted from 0 to 360, "
        "were moved by 360 degrees to the same meridian",
    )


def notes_on_unread(count: int) -> tuple[str, ...]:
    """Return a note on so many rows that were not read."""
    if not count:
        return ()
    return (
        f"{count:,} rows were not read, since the statistics of their row groups have them outside the box; "
        "those without coordinates among them count as outside, too",
    )


def _all_plain(latitude: FloatArray, longitude: FloatArray) -> bool:
    """Return whether no single-row rule applies, by the extremes alone; False if they are not enough (NaN)."""
    if not latitude.size:
        return False
    south, north, west, east = latitude.min(), latitude.max(), longitude.min(), longitude.max()
    zero = south <= 0.0 <= north and west <= 0.0 <= east
    return bool(south >= -90.0 and north <= 90.0 and west >= -180.0 and east <= 180.0 and not zero)


def _within(region: BoundingBox, latitude: FloatArray, longitude: FloatArray) -> bool:
    """Return whether all points are inside a region that does not cross the antimeridian."""
    return not latitude.size or bool(
        latitude.min() >= region.min_latitude
        and latitude.max() <= region.max_latitude
        and longitude.min() >= region.min_longitude
        and longitude.max() <= region.max_longitude
    )


def _every(
    step: int, row: RowArray, latitude: FloatArray, longitude: FloatArray
) -> tuple[RowArray, FloatArray, FloatArray]:
    """Return the rows whose number is a multiple of a power of two; row: increasing."""
    if step == 1 or not row.size:
        return row, latitude, longitude
    if row[-1] - row[0] == row.size - 1:  # no row was dropped, so that none needs to be looked at
        chosen = slice(-int(row[0]) % step, None, step)
        return row[chosen].copy(), latitude[chosen].copy(), longitude[chosen].copy()
    kept = row & (step - 1) == 0
    return row[kept], latitude[kept], longitude[kept]


def _missing(latitude: FloatArray, longitude: FloatArray) -> BoolArray:
    missing: BoolArray = np.isnan(latitude) | np.isnan(longitude)
    return missing


def _zero(latitude: FloatArray, longitude: FloatArray) -> BoolArray:
    zero: BoolArray = (latitude == 0) & (longitude == 0)
    return zero


def _out_of_range(latitude: FloatArray, longitude: FloatArray) -> BoolArray:
    outside: BoolArray = (np.abs(latitude) > 90) | (np.abs(longitude) > 180)
    return outside


_RULES_OF_ONE_ROW = ((Rule.MISSING, _missing), (Rule.ZERO, _zero), (Rule.OUT_OF_RANGE, _out_of_range))


def _joined(batches: list[NDArray[_Number]], dtype: type[_Number]) -> NDArray[_Number]:
    """Return all batches as one array; the list is emptied."""
    whole = np.concatenate(batches) if batches else np.empty(0, dtype)
    batches.clear()
    return whole
