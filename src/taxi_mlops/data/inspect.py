"""Report what a file of trips contains, before it is clustered: `taxi data inspect`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from taxi_mlops.data.crowding import few_places
from taxi_mlops.data.load import OpenedTrips, open_trips
from taxi_mlops.data.plausibility import Middle
from taxi_mlops.data.preprocessor import CleanedCoordinates, Rule
from taxi_mlops.data.progress import Progress
from taxi_mlops.data.regions import METRES_PER_DEGREE, BoundingBox, bounding_box, from_greenwich, wrapped
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.domain import FloatArray
from taxi_mlops.settings import Settings

_SHADES = " ░▒▓█"
_MAP_COLUMNS = 64
_MAP_ROWS = 24
_CELL_ASPECT = 2.0
"""Height of a character on a terminal, in widths."""
_SHOWN_SHARE = (0.005, 0.995)
"""The map shows this range of latitudes and longitudes, so that a few outliers do not shrink the city to a dot."""


@dataclass(frozen=True, slots=True)
class TextMap:
    """Density of points as characters, north at the top; each darker shade means several times more points."""

    lines: tuple[str, ...]
    box: BoundingBox
    metres_per_column: float


@dataclass(frozen=True, slots=True)
class Inspection:
    """The contents of a file, and the result of cleaning.

    rows_used, dropped, share_missing, bounding_box and map are None if the trips cannot become points; then
    `refusal` says why. bounding_box: of the points that are left. city: the one near them, or None.
    """

    uri: str
    schema: str
    title: str
    columns: tuple[str, ...]
    columns_read: tuple[str, ...]
    rows_read: int
    rows_used: int | None = None
    dropped: Mapping[str, int] | None = None
    share_missing: float | None = None
    bounding_box: BoundingBox | None = None
    city: str | None = None
    map: TextMap | None = None
    notes: tuple[str, ...] = ()
    refusal: str | None = None


def inspect(request: LoadRequest, settings: Settings, on_progress: Progress | None = None) -> Inspection:
    """Inspect the trips of a request. Raises as `load_points` does, except for trips without points."""
    trips = open_trips(request, settings, on_progress)
    if trips.refusal is not None:
        return Inspection(
            trips.uri,
            trips.schema.name,
            trips.schema.title,
            trips.columns,
            trips.columns_read,
            rows_read=trips.count_rows(),
            refusal=trips.refusal,
        )
    return _of_points(trips, trips.read())


def _of_points(trips: OpenedTrips, cleaned: CleanedCoordinates) -> Inspection:
    box = bounding_box(cleaned.latitude, cleaned.longitude) if cleaned.latitude.size else None
    city = Middle.of(cleaned.latitude, cleaned.longitude).city
    return Inspection(
        trips.uri,
        trips.schema.name,
        trips.schema.title,
        trips.columns,
        trips.columns_read,
        rows_read=cleaned.rows_read,
        rows_used=cleaned.rows_used,
        dropped=dict(cleaned.dropped),
        share_missing=cleaned.dropped[Rule.MISSING] / cleaned.rows_read,
        bounding_box=box,
        city=str(city) if city else None,
        map=text_map(cleaned.latitude, cleaned.longitude, cleaned.weight) if box else None,
        notes=tuple(note for note in (trips.schema.note, *cleaned.notes, _note_on_places(cleaned)) if note),
    )


def _note_on_places(cleaned: CleanedCoordinates) -> str:
    """Return a note if most trips share a few places, else an empty text. Points with weights are places already."""
    places = None if cleaned.weight is not None else few_places(cleaned.latitude, cleaned.longitude)
    return f"{places}: clusters will be places, or groups of them" if places else ""


def text_map(latitude: FloatArray, longitude: FloatArray, weight: FloatArray | None = None) -> TextMap:
    """Draw the density of n ≥ 1 points, in degrees, on at most 64 × 24 characters, true to scale."""
    if bounding_box(latitude, longitude).crosses_antimeridian:
        longitude = from_greenwich(longitude)
    south, north = (float(value) for value in np.quantile(latitude, _SHOWN_SHARE, method="inverted_cdf"))
    west, east = (float(value) for value in np.quantile(longitude, _SHOWN_SHARE, method="inverted_cdf"))
    metres_per_longitude = METRES_PER_DEGREE * max(math.cos(math.radians((south + north) / 2)), 1e-6)
    width, height = (east - west) * metres_per_longitude, (north - south) * METRES_PER_DEGREE
    per_column = max(width / _MAP_COLUMNS, height / (_MAP_ROWS * _CELL_ASPECT), 1.0)
    per_column *= 1 + 1e-9  # so that rounding leaves no point outside
    columns = max(1, math.ceil(width / per_column))
    rows = max(1, math.ceil(height / (per_column * _CELL_ASPECT)))
    east = west + columns * per_column / metres_per_longitude
    south = north - rows * per_column * _CELL_ASPECT / METRES_PER_DEGREE
    counts, _, _ = np.histogram2d(
        latitude, longitude, bins=(rows, columns), range=((south, north), (west, east)), weights=weight
    )
    box = BoundingBox(max(south, -90.0), wrapped(west), north, wrapped(east) if east < west + 180.0 else 180.0)
    return TextMap(tuple(_shaded(line) for line in _levels(counts[::-1])), box, per_column)


def _levels(counts: FloatArray) -> FloatArray:
    """Return 0 for empty cells, then 1 to 4 by the logarithm of the count."""
    top = math.log1p(float(counts.max()))
    share = np.log1p(counts) / top if top else np.zeros_like(counts)
    darkest = len(_SHADES) - 1
    levels: FloatArray = np.minimum(np.ceil(share * darkest), darkest)  # a share can round to just above 1
    return levels


def _shaded(levels: FloatArray) -> str:
    return "".join(_SHADES[int(level)] for level in levels).rstrip()
