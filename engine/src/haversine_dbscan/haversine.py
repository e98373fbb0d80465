"""The distance of a pair of points, as a compiled function: what every exact decision of the kernels rests on.

Distances are compared as haversines, hav(d / R) = sin²(d / 2R), which grow with the distance up to half the
circumference; so no kernel takes an inverse sine.
"""

from __future__ import annotations

import math

from haversine_dbscan.compiling import inner
from haversine_dbscan.geodesy import EARTH_RADIUS_METRES, HALF_CIRCUMFERENCE_METRES

RADIANS = math.pi / 180.0
SMALL_ANGLE = 0.02
"""Radians below which the series of the haversine, cut after four terms, is right to the last bit."""


@inner
def haversine_of_angle(angle: float) -> float:
    """Return sin²(angle / 2) of an angle in radians, without a sine where the angle is small."""
    square = angle * angle
    if square < SMALL_ANGLE * SMALL_ANGLE:
        return square * (0.25 - square * (1.0 / 48.0 - square * (1.0 / 1440.0 - square / 80640.0)))
    sine = math.sin(0.5 * angle)
    return sine * sine


@inner
def cosine_of_latitude(latitude: float) -> float:
    """Return the cosine of a latitude in degrees, right to the last bits also beside the poles, and 0 at them."""
    return math.sin((90.0 - abs(latitude)) * RADIANS)


@inner
def haversine(
    latitude_a: float, longitude_a: float, cosine_a: float, latitude_b: float, longitude_b: float, cosine_b: float
) -> float:
    """Return the haversine of the angle between two points in degrees; `cosine` is that of their latitude.

    Differences are taken in degrees, where nearby coordinates subtract exactly, and the short way around: across the
    antimeridian too the difference is the true one, rounded once.
    """
    longitude = abs(longitude_b - longitude_a)
    if longitude > 180.0:
        longitude = (180.0 - abs(longitude_a)) + (180.0 - abs(longitude_b))
    return haversine_of_angle((latitude_b - latitude_a) * RADIANS) + cosine_a * cosine_b * haversine_of_angle(
        longitude * RADIANS
    )


def haversine_of_distance(metres: float) -> float:
    """Return the haversine that a distance in metres is compared as; 1 from half the circumference on.

    Inclusive there: a little above 1, so that rounding excludes no antipodes.
    """
    if metres >= HALF_CIRCUMFERENCE_METRES:
        return 1.0 + 1e-9
    return math.sin(metres / (2.0 * EARTH_RADIUS_METRES)) ** 2
