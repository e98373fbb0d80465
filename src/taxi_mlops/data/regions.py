"""Boxes of degrees, and the one that holds a city whose data contain wild points."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from taxi_mlops.domain import BoolArray, FloatArray
from taxi_mlops.engine.geodesy import HALF_CIRCUMFERENCE_METRES

METRES_PER_DEGREE = HALF_CIRCUMFERENCE_METRES / 180
"""Of latitude, or of longitude on the equator."""

_SPREAD = 10.0
_REACH_METRES = 100_000.0


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """Degrees, inclusive. Raises ValueError where they are out of range or out of order."""

    min_latitude: float
    min_longitude: float
    max_latitude: float
    max_longitude: float

    def __post_init__(self) -> None:
        in_order = self.min_latitude <= self.max_latitude and self.min_longitude <= self.max_longitude
        in_range = self.min_latitude >= -90 and self.max_latitude <= 90
        in_range = in_range and self.min_longitude >= -180 and self.max_longitude <= 180
        if not (in_order and in_range):
            raise ValueError(
                "should be min_lat,min_lon,max_lat,max_lon: latitudes in [-90, 90], longitudes in [-180, 180] degrees"
            )

    @classmethod
    def parse(cls, text: str) -> BoundingBox:
        """Read `min_lat,min_lon,max_lat,max_lon`. Raises ValueError where the text is not that."""
        try:
            south, west, north, east = (float(part) for part in text.split(","))
        except ValueError:
            raise ValueError("should be four degrees, min_lat,min_lon,max_lat,max_lon") from None
        return cls(south, west, north, east)

    def __str__(self) -> str:
        return f"{self.min_latitude:g},{self.min_longitude:g},{self.max_latitude:g},{self.max_longitude:g}"

    def contains(self, latitude: FloatArray, longitude: FloatArray) -> BoolArray:
        """Whether each of n points, in degrees, lies inside; bool of shape (n,)."""
        inside: BoolArray = latitude >= self.min_latitude
        inside &= latitude <= self.max_latitude
        inside &= longitude >= self.min_longitude
        inside &= longitude <= self.max_longitude
        return inside


def robust_region(latitude: FloatArray, longitude: FloatArray) -> BoundingBox | None:
    """The box around most of n points, in degrees, that a minority of wild ones cannot move; None for no points.

    Along each axis it reaches from the median ten interquartile ranges to each side, and 100 km at
    least: a taxi ride's length, so that an airport outside the city stays even where the interquartile range of a
    dense centre is a kilometre or two. Medians and quartiles stand as long as less than a quarter of the rows is wild.
    Points on both sides of the antimeridian spread over all longitudes, so that nothing is dropped by longitude.
    """
    if latitude.size == 0:
        return None
    low, middle_latitude, high = (float(value) for value in np.quantile(latitude, (0.25, 0.5, 0.75)))
    reach_latitude = max(_SPREAD * (high - low), _REACH_METRES / METRES_PER_DEGREE)
    low, middle_longitude, high = (float(value) for value in np.quantile(longitude, (0.25, 0.5, 0.75)))
    shrink = max(math.cos(math.radians(middle_latitude)), 1e-6)
    reach_longitude = max(_SPREAD * (high - low), _REACH_METRES / (METRES_PER_DEGREE * shrink))
    return BoundingBox(
        max(-90.0, middle_latitude - reach_latitude),
        max(-180.0, middle_longitude - reach_longitude),
        min(90.0, middle_latitude + reach_latitude),
        min(180.0, middle_longitude + reach_longitude),
    )
