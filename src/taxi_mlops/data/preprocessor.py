"""Cleaning: which rows are dropped, and under the name of which rule. Nothing is repaired, nothing is invented."""

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
    """How rows are judged.

    region: the box that points must lie in; None finds it from the data (see `robust_region`), or is none without
    find_region.
    """

    region: BoundingBox | None = None
    find_region: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class CleanedCoordinates:
    """What is left, and the account of what was dropped.

    latitude, longitude: degrees, float64 of shape (n,), in the order of the rows. weight: trips that each point stands
    for, float64 of shape (n,), or None where each stands for one. row: 0-based position of each point's row among all
    rows read, int64 of shape (n,), or None where points stand for many rows. region: the box that was applied, or None
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
        """Rows that the points stand for."""
        return self.rows_read - sum(self.dropped.values())


class TaxiTripPreprocessor:
    """Cleans coordinates that come in batches.

    Rules that look at one row alone are applied as batches are added; the two that need the region, in `finish`.
    Longitudes beyond ±180 and within ±360 denote the same meridian 360 degrees away: they are kept there, with a note.
    Duplicates are kept: two trips from one stand are two trips.
    """

    def __init__(self, options: CleaningOptions | None = None) -> None:
        self._options = options or CleaningOptions()
        self._latitudes: list[FloatArray] = []
        self._longitudes: list[FloatArray] = []
        self._rows: list[RowArray] = []
        self._wrapped_rows: list[RowArray] = []
        self._rows_read = 0
        self._dropped = dict.fromkeys((str(rule) for rule in Rule), 0)

    def add(self, latitude: FloatArray, longitude: FloatArray) -> None:
        """Take one batch: float64 of shape (n,) each, in degrees, NaN where missing. The arrays are not changed."""
        row = np.arange(self._rows_read, self._rows_read + latitude.size)
        self._rows_read += latitude.size
        beyond = (np.abs(longitude) > 180) & (np.abs(longitude) <= 360)
        if beyond.any():
            longitude = np.where(beyond, longitude - np.copysign(360.0, longitude), longitude)
            self._wrapped_rows.append(row[beyond])
        for rule, applies in _RULES_OF_ONE_ROW:
            bad = applies(latitude, longitude)
            count = int(np.count_nonzero(bad))
            if count:
                self._dropped[rule] += count
                latitude, longitude, row = latitude[~bad], longitude[~bad], row[~bad]
        self._latitudes.append(latitude)
        self._longitudes.append(longitude)
        self._rows.append(row)

    def finish(self) -> CleanedCoordinates:
        """Apply the region and hand over what is left. The preprocessor is empty afterwards."""
        region = self._options.region or (self._found_region() if self._options.find_region else None)
        if region is not None:
            for number, (latitude, longitude) in enumerate(zip(self._latitudes, self._longitudes, strict=True)):
                inside = self._inside(region, latitude, longitude)
                if not inside.all():
                    self._latitudes[number], self._longitudes[number] = latitude[inside], longitude[inside]
                    self._rows[number] = self._rows[number][inside]
        latitude, longitude = _joined(self._latitudes, np.float64), _joined(self._longitudes, np.float64)
        row = _joined(self._rows, np.int64)
        notes = self._notes(row)
        return CleanedCoordinates(latitude, longitude, self._rows_read, self._dropped, region, row=row, notes=notes)

    def _notes(self, kept: RowArray) -> tuple[str, ...]:
        if not self._wrapped_rows:
            return ()
        wrapped = np.count_nonzero(np.isin(_joined(self._wrapped_rows, np.int64), kept, assume_unique=True))
        if not wrapped:
            return ()
        return (
            f"{wrapped:,} longitudes beyond ±180 degrees, as where they are counted from 0 to 360, "
            "were moved by 360 degrees to the same meridian",
        )

    def _found_region(self) -> BoundingBox | None:
        """The robust region of every k-th row, k such that a million or so tell: quartiles need no more."""
        step = 1 + self._rows_read // _ROWS_FOR_QUARTILES
        latitude = _joined([batch[::step] for batch in self._latitudes], np.float64)
        longitude = _joined([batch[::step] for batch in self._longitudes], np.float64)
        return robust_region(latitude, longitude)

    def _inside(self, region: BoundingBox, latitude: FloatArray, longitude: FloatArray) -> BoolArray:
        inside = region.contains(latitude, longitude)
        outside = ~inside
        swapped = int(np.count_nonzero(region.contains(longitude[outside], latitude[outside])))
        self._dropped[Rule.SWAPPED] += swapped
        self._dropped[Rule.OUTSIDE_REGION] += int(np.count_nonzero(outside)) - swapped
        return inside


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
    """All batches as one array; the list is emptied, so that no second copy stays."""
    whole = np.concatenate(batches) if batches else np.empty(0, dtype)
    batches.clear()
    return whole
