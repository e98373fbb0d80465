"""Boxes of degrees on the sphere: how far a distance reaches around them, and which of them overlap.

Boxes are rows (south, west, north, east) of an array, float64 (n, 4), with west ≤ east. Around the poles and across the
antimeridian an extended box has longitudes beyond ±180; where it holds a pole, it spans all of them.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from haversine_dbscan.arrays import BoolArray, FloatArray
from haversine_dbscan.zones import reach_of_longitude

ALL_AROUND = 1080.0
"""Degrees of longitude to each side: more than any difference of two longitudes."""


def extended(boxes: FloatArray, degrees: float) -> FloatArray:
    """Return boxes that hold every point within a distance, in degrees, of a point in the boxes given."""
    farthest = np.abs(boxes[:, ::2]).max(axis=1, initial=0.0).tolist()
    reach = [ALL_AROUND if each + degrees >= 90.0 else reach_of_longitude(degrees, each) for each in farthest]
    wider = boxes + np.outer(reach, (0.0, -1.0, 0.0, 1.0)) + degrees * np.array([-1.0, 0.0, 1.0, 0.0])
    np.clip(wider[:, ::2], -90.0, 90.0, out=wider[:, ::2])
    return wider


def overlapping(boxes: FloatArray, other: FloatArray) -> BoolArray:
    """Return bool (n,): which boxes within ±180 degrees share a point with another one, (4,), that may be extended."""
    south, west, north, east = boxes.T
    beside = (west <= other[3]) & (east >= other[1])
    beside |= (west + 360.0 <= other[3]) | (east - 360.0 >= other[1])
    return np.asarray((south <= other[2]) & (north >= other[0]) & beside)


@njit(cache=True, nogil=True, inline="always")
def is_inside(latitude: float, longitude: float, south: float, west: float, north: float, east: float) -> bool:
    """Return whether a point is in a box that may be extended."""
    if latitude < south or latitude > north:
        return False
    return west <= longitude <= east or longitude + 360.0 <= east or longitude - 360.0 >= west
