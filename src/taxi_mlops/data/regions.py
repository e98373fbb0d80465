"""Boxes of degrees, and a robust box around the points of a city with outliers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import numpy as np

from haversine_dbscan.geodesy import HALF_CIRCUMFERENCE_METRES
from taxi_mlops.domain import BoolArray, FloatArray

METRES_PER_DEGREE = HALF_CIRCUMFERENCE_METRES / 180
"""Metres in a degree of latitude, or of longitude on the equator."""

_SPREAD = 10.0
_REACH_METRES = 100_000.0
_SHOWN_DIGITS = Decimal("1e-6")
"""Digits of a degree: a decimetre."""
_WIDEST_ACROSS = 180.0 - 2e-6
"""Degrees: a box across the antimeridian is less than 180 wide, also with both edges rounded outward."""


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """Degrees, inclusive. Across the antimeridian min_longitude is the larger number, as in GeoJSON (RFC 7946).

    Raises ValueError if they are out of range or out of order.
    """

    min_latitude: float
    min_longitude: float
    max_latitude: float
    max_longitude: float

    def __post_init__(self) -> None:
        in_range = -90 <= self.min_latitude <= self.max_latitude <= 90
        in_range = in_range and abs(self.min_longitude) <= 180 and abs(self.max_longitude) <= 180
        if not (in_range and 0 <= self.width <= 360):
            raise ValueError(
                "should be min_lat,min_lon,max_lat,max_lon: latitudes in [-90, 90], longitudes in [-180, 180] degrees"
            )
        if self.crosses_antimeridian and self.width >= 180:
            raise ValueError(
                "should be min_lat,min_lon,max_lat,max_lon: min_lon is east of max_lon, as in boxes across the "
                "antimeridian, but those are less than 180 degrees wide, such as -17,179,-16,-179"
            )

    @property
    def crosses_antimeridian(self) -> bool:
        """Whether the meridian of ±180 degrees is inside the box."""
        return self.min_longitude > self.max_longitude

    @property
    def width(self) -> float:
        """Degrees of longitude from the western to the eastern edge."""
        return self.max_longitude - self.min_longitude + (360.0 if self.crosses_antimeridian else 0.0)

    @classmethod
    def parse(cls, text: str) -> BoundingBox:
        """Read `min_lat,min_lon,max_lat,max_lon`. Raises ValueError for other text."""
        try:
            south, west, north, east = (float(part) for part in text.split(","))
        except ValueError:
            raise ValueError("should be four degrees, min_lat,min_lon,max_lat,max_lon") from None
        return cls(south, west, north, east)

    def __str__(self) -> str:
        """Return the box to six decimals, rounded outward, so that it can be parsed and has the same points."""
        edges = (
            (self.min_latitude, ROUND_FLOOR),
            (self.min_longitude, ROUND_FLOOR),
            (self.max_latitude, ROUND_CEILING),
            (self.max_longitude, ROUND_CEILING),
        )
        return ",".join(
            f"{Decimal(str(edge)).quantize(_SHOWN_DIGITS, direction).normalize() + 0:f}" for edge, direction in edges
        )

    def contains(self, latitude: FloatArray, longitude: FloatArray) -> BoolArray:
        """Return whether each of n points, in degrees, is inside; bool of shape (n,)."""
        inside: BoolArray = longitude >= self.min_longitude
        if self.crosses_antimeridian:
            inside |= longitude <= self.max_longitude
        else:
            inside &= longitude <= self.max_longitude
        inside &= latitude >= self.min_latitude
        inside &= latitude <= self.max_latitude
        return inside


def bounding_box(latitude: FloatArray, longitude: FloatArray) -> BoundingBox:
    """Return the smallest box around n ≥ 1 points, in degrees; across the antimeridian if that is narrower."""
    west, east = float(longitude.min()), float(longitude.max())
    if east - west > 180.0:
        western = longitude < 0.0
        if float(np.ptp(from_greenwich(longitude))) < _WIDEST_ACROSS:
            west, east = float(longitude[~western].min()), float(longitude[western].max())
    return BoundingBox(float(latitude.min()), west, float(latitude.max()), east)


def from_greenwich(longitude: FloatArray) -> FloatArray:
    """Return longitudes of [-180, 180] counted eastward from Greenwich, in [0, 360): whole across the antimeridian."""
    return np.where(longitude < 0.0, longitude + 360.0, longitude)


def wrapped(longitude: float) -> float:
    """Return a longitude of [-360, 360] on [-180, 180]."""
    return longitude - math.copysign(360.0, longitude) if abs(longitude) > 180.0 else longitude


def robust_region(latitude: FloatArray, longitude: FloatArray) -> BoundingBox | None:
    """Return a box around most of n points, in degrees, that a minority of outliers cannot move; None for no points.

    Along each axis it extends from the median by ten interquartile ranges to each side, and by at least 100 km: a taxi
    ride's length, so that an airport outside the city stays even if the interquartile range of a dense centre is a
    kilometre or two. Medians and quartiles are robust as long as less than a quarter of the rows are outliers.
    Longitudes are counted from Greenwich if that puts points on both sides of the antimeridian closer together.
    """
    if latitude.size == 0:
        return None
    low, middle_latitude, high = _quartiles(latitude)
    reach_latitude = max(_SPREAD * (high - low), _REACH_METRES / METRES_PER_DEGREE)
    low, middle_longitude, high = _quartiles(longitude)
    from_zero = _quartiles(from_greenwich(longitude))
    if from_zero[2] - from_zero[0] < high - low:
        low, middle_longitude, high = from_zero
    shrink = max(math.cos(math.radians(middle_latitude)), 1e-6)
    reach_longitude = max(_SPREAD * (high - low), _REACH_METRES / (METRES_PER_DEGREE * shrink))
    middle_longitude = wrapped(middle_longitude)
    west, east = middle_longitude - reach_longitude, middle_longitude + reach_longitude
    if not (west >= -180.0 and east <= 180.0):  # over the antimeridian, or all around if it is too wide for that
        west, east = (wrapped(west), wrapped(east)) if 2 * reach_longitude < _WIDEST_ACROSS else (-180.0, 180.0)
    return BoundingBox(
        max(-90.0, middle_latitude - reach_latitude), west, min(90.0, middle_latitude + reach_latitude), east
    )


def _quartiles(values: FloatArray) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return float(low), float(middle), float(high)
