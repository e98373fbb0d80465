"""The great-circle distance of a pair of points, compiled."""

from __future__ import annotations

import math

from numba import njit

from haversine_dbscan.geodesy import EARTH_RADIUS_METRES
from haversine_dbscan.haversine import haversine


@njit(cache=True, nogil=True)
def distance(
    latitude_a: float, longitude_a: float, cosine_a: float, latitude_b: float, longitude_b: float, cosine_b: float
) -> float:
    """Return the distance in metres of two points in degrees; `cosine` is that of their latitude."""
    between = haversine(latitude_a, longitude_a, cosine_a, latitude_b, longitude_b, cosine_b)
    return 2.0 * EARTH_RADIUS_METRES * math.asin(math.sqrt(min(between, 1.0)))
