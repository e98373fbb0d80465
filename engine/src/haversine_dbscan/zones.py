"""Zones of the sphere, each with coordinates in which a frame covers it: a band around the equator and two polar caps.

The band keeps its degrees. A cap is turned so that its pole lies on the equator; there it is nothing special. A zone
owns its points and sees a halo: all other points within eps of them. Points beside the antimeridian are in the halo of
the band once more, a turn further on, so that no pair is parted by it, and none is seen twice.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from haversine_dbscan.arrays import BoolArray, FloatArray, IndexArray
from haversine_dbscan.frame import UnframedError
from haversine_dbscan.geodesy import degrees_of_distance

_EDGE, _EDGE_FOR_FAR = 70.0, 45.0
"""Degrees of latitude where the caps begin, and where they do when eps is more than `_FAR` degrees."""
_FAR, _FARTHEST = 1.5, 25.0
"""Degrees; with an eps of more than the latter, zones with their halos would be half the sphere."""


class Part(NamedTuple):
    """The points of a zone in its coordinates: those that it owns, increasing, then its halo.

    member: int32 or int64 (m,), which of all points they are. owned: how many it owns. x, y: float64 (m,).
    """

    member: IndexArray
    owned: int
    x: FloatArray
    y: FloatArray


class Zone(NamedTuple):
    """A band between the latitudes ±edge (pole 0), or the cap beyond (pole 1: north, −1: south).

    eps: in degrees, rounded up. All latitudes and longitudes are arrays of float32 or float64 (n,), in degrees.
    """

    pole: int
    edge: float
    eps: float

    def owns(self, latitude: NDArray[Any]) -> BoolArray:
        """Return bool (n,): whether points are the zone's own. Every point has one owner."""
        return self._within(latitude, 0.0)

    def place(self, latitude: NDArray[Any], longitude: NDArray[Any]) -> tuple[FloatArray, FloatArray]:
        """Return x and y, float64 (n,), of points in the coordinates of the zone."""
        x, y = np.asarray(longitude, dtype=np.float64), np.asarray(latitude, dtype=np.float64)
        if self.pole == 0:
            return x, y
        from_pole, meridian = np.radians(90.0 - np.abs(y)), np.radians(x)
        up, out = np.cos(from_pole), np.sin(from_pole)
        east, north = out * np.cos(meridian), out * np.sin(meridian)
        return np.degrees(np.arctan2(east, up)), np.degrees(np.arctan2(north, np.hypot(up, east)))

    def part(self, latitude: NDArray[Any], longitude: NDArray[Any]) -> Part:
        """Return the zone's own points and its halo. O(n)."""
        index = np.dtype(np.int32 if len(latitude) < 2**31 else np.int64)
        owns = self.owns(latitude)
        own = np.flatnonzero(owns).astype(index)
        halo = np.flatnonzero(self._within(latitude, self.eps) & ~owns).astype(index)
        member = np.concatenate([own, halo]) if len(halo) else own
        x, y = self.place(latitude[member], longitude[member])
        if self.pole == 0:
            reach = reach_of_longitude(self.eps, self.edge)
            east, west = np.flatnonzero(x > 180.0 - reach), np.flatnonzero(x < reach - 180.0)
            copied = np.concatenate([east, west])
            if len(copied):
                x = np.concatenate([x, x[east] - 360.0, x[west] + 360.0])
                y = np.concatenate([y, y[copied]])
                member = np.concatenate([member, member[copied]])
        return Part(member, len(own), x, y)

    def _within(self, latitude: NDArray[Any], reach: float) -> BoolArray:
        """Return bool (n,): whether latitudes are at most so many degrees outside the zone."""
        if self.pole == 0:
            inside: BoolArray = np.abs(latitude) <= np.float64(self.edge + reach)
        else:
            inside = self.pole * latitude > np.float64(self.edge - reach)
        return inside


def reach_of_longitude(eps: float, latitude: float) -> float:
    """Return the largest difference of longitude of a point at a latitude and one within eps; all in degrees.

    It is where a meridian touches the circle of eps around the point, which must not hold a pole; and a little more.
    """
    sine = np.sin(np.radians(eps)) / np.cos(np.radians(latitude))
    return float(np.degrees(np.arcsin(sine)) * (1.0 + 1e-9) + 1e-12)


def zones_of(eps_metres: float) -> tuple[Zone, ...]:
    """Return the zones for eps. Raises UnframedError where it is more than some 2,700 km."""
    eps = degrees_of_distance(eps_metres)
    if eps > _FARTHEST:
        raise UnframedError(f"eps of {eps:.0f} degrees is too large for zones")
    edge = _EDGE if eps <= _FAR else _EDGE_FOR_FAR
    return tuple(Zone(pole, edge, eps) for pole in (0, 1, -1))
