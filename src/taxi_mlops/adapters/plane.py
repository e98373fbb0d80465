"""Project points to a plane around them, for libraries that are made for two dimensions; with a bound of its error.

The projection is azimuthal and equidistant. At the angle c from its middle it keeps lengths along the ray from there,
and stretches those across by c / sin c (Snyder, Map Projections, 1987, § 25). On a disc, no other map has a smaller
error (Milnor, "A problem in cartography", 1969). Let k be that factor for the farthest point. No path within the disc
becomes shorter, and none grows by more than k, so that two points at distance d are between d and k d apart in the
plane. With eps √k in the plane, only pairs may be decided wrongly whose distance is between eps / √k and eps √k.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from haversine_dbscan.geodesy import EARTH_RADIUS_METRES, unit_sphere
from taxi_mlops.domain import FloatArray

_BLOCK = 65_536
"""Points at once, so that intermediate arrays stay small."""


@dataclass(frozen=True, slots=True)
class LocalPlane:
    """A plane that touches the earth.

    latitude, longitude: of the point where it does, in degrees. angle: of the farthest point from there, in radians.
    """

    latitude: float
    longitude: float
    angle: float

    @property
    def stretch(self) -> float:
        """The largest factor by which a distance grows: k, from 1."""
        return 1.0 if self.angle == 0.0 else self.angle / float(np.sin(self.angle))

    @property
    def extent_metres(self) -> float:
        """The largest difference of two coordinates in the plane, at most."""
        return 2.0 * self.angle * EARTH_RADIUS_METRES

    def eps(self, eps_metres: float) -> float:
        """Return eps in the plane, in metres."""
        return eps_metres * float(np.sqrt(self.stretch))

    def error_metres(self, eps_metres: float) -> float:
        """Return how far from eps the distance of a pair may be for the plane to decide it wrongly."""
        return self.eps(eps_metres) - eps_metres


def plane_around(latitude: FloatArray, longitude: FloatArray) -> LocalPlane:
    """Return the plane around the points, whose middle does not depend on their order. One pass to find the middle,
    one for the farthest point.

    latitude, longitude: degrees, float64 of shape (n,); n may be 0.
    """
    if len(latitude) == 0:
        return LocalPlane(0.0, 0.0, 0.0)
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for block in _blocks(len(latitude)):
        places = unit_sphere(latitude[block], longitude[block])
        low, high = np.minimum(low, places.min(axis=0)), np.maximum(high, places.max(axis=0))
    x, y, z = (low + high) / 2.0
    middle = LocalPlane(float(np.degrees(np.arctan2(z, np.hypot(x, y)))), float(np.degrees(np.arctan2(y, x))), 0.0)
    farthest = 0.0
    for block in _blocks(len(latitude)):
        east, north, up = _seen_from(middle, latitude[block], longitude[block])
        farthest = max(farthest, float(np.arctan2(np.hypot(east, north), up).max()))
    return LocalPlane(middle.latitude, middle.longitude, farthest)


def project(latitude: FloatArray, longitude: FloatArray, plane: LocalPlane) -> FloatArray:
    """Return metres east and north of the middle, float64 of shape (n, 2), C order."""
    metres = np.empty((len(latitude), 2), dtype=np.float64)
    for block in _blocks(len(latitude)):
        east, north, up = _seen_from(plane, latitude[block], longitude[block])
        sine = np.hypot(east, north)
        angle = np.arctan2(sine, up)
        factor = EARTH_RADIUS_METRES * np.divide(angle, sine, out=np.ones_like(sine), where=sine > 0.0)
        np.multiply(east, factor, out=metres[block, 0])
        np.multiply(north, factor, out=metres[block, 1])
    return metres


def _blocks(n: int) -> Iterator[slice]:
    return (slice(begin, begin + _BLOCK) for begin in range(0, n, _BLOCK))


def _seen_from(
    plane: LocalPlane, latitude: FloatArray, longitude: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return places on the unit sphere: east, north and up, as seen from the middle. Nearby points keep all digits."""
    turn = longitude - plane.longitude
    # Around the other side of the earth, without a difference of large numbers.
    other_way = (180.0 - np.abs(longitude)) + (180.0 - abs(plane.longitude))
    turn = np.radians(np.where(np.abs(turn) > 180.0, -np.copysign(other_way, turn), turn))
    across = np.cos(np.radians(latitude))
    sine, cosine = np.sin(np.radians(plane.latitude)), np.cos(np.radians(plane.latitude))
    half = np.sin(turn / 2.0)
    east = across * np.sin(turn)
    north = np.sin(np.radians(latitude - plane.latitude)) + 2.0 * sine * across * half * half
    up = sine * np.sin(np.radians(latitude)) + cosine * across * np.cos(turn)
    return east, north, up
