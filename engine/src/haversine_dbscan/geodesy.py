"""Distances on the sphere, in metres, and the chords that stand for them.

Everything here is plain numpy. The earth is a sphere of its mean radius, as everywhere where "haversine" is said.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from haversine_dbscan.arrays import FloatArray

EARTH_RADIUS_METRES = 6_371_008.8
"""Mean radius (2a + b) / 3 of the GRS 80 ellipsoid, as the IUGG adopted it (Moritz 2000, doi:10.1007/s001900050278)."""

HALF_CIRCUMFERENCE_METRES = float(np.pi * EARTH_RADIUS_METRES)
"""The largest distance of two points on the sphere."""

SMALLEST_EPS_METRES = 1e-6
"""Degrees in float64 resolve some nanometres; below a micrometre "within eps" would be decided by rounding."""


def unit_sphere(latitude: ArrayLike, longitude: ArrayLike) -> FloatArray:
    """Return the points as vectors of length one, so that Euclidean neighbours are great-circle neighbours.

    latitude, longitude: degrees, shape (n,). Returns float64 of shape (n, 3), C order: x towards (0, 0), y towards
    (0, 90° E), z towards the north pole. A coordinate is right to about 2e-16, which is 1.3 nanometres on the ground.
    """
    phi = np.radians(np.asarray(latitude, dtype=np.float64))
    theta = np.radians(np.asarray(longitude, dtype=np.float64))
    points = np.empty((*phi.shape, 3), dtype=np.float64)
    radius = np.cos(phi)
    np.multiply(radius, np.cos(theta), out=points[..., 0])
    np.multiply(radius, np.sin(theta), out=points[..., 1])
    np.sin(phi, out=points[..., 2])
    return points


def chord_length(metres: float) -> float:
    """Return the straight distance through the unit sphere of two points `metres` apart on its surface.

    Increasing up to half the circumference, and 2 (the diameter) from there on.
    """
    return float(2.0 * np.sin(min(metres, HALF_CIRCUMFERENCE_METRES) / (2.0 * EARTH_RADIUS_METRES)))


def degrees_of_distance(metres: float) -> float:
    """Return a distance on the sphere as degrees of latitude, and a little more: rounding must not hide neighbours."""
    return float(np.degrees(metres / EARTH_RADIUS_METRES) * (1.0 + 1e-9) + 1e-12)


def great_circle_distance(
    latitude_a: ArrayLike, longitude_a: ArrayLike, latitude_b: ArrayLike, longitude_b: ArrayLike
) -> FloatArray:
    """Return the great-circle distance in metres of points in degrees; the arguments broadcast.

    The haversine formula (Sinnott, Sky and Telescope 68, 1984), which keeps its relative accuracy down to the smallest
    distances: differences are taken in degrees, where nearby coordinates subtract exactly, and the short way around;
    cosines are taken as sines from the pole, where they are small.
    """
    latitude_a, longitude_a = np.asarray(latitude_a, dtype=np.float64), np.asarray(longitude_a, dtype=np.float64)
    latitude_b, longitude_b = np.asarray(latitude_b, dtype=np.float64), np.asarray(longitude_b, dtype=np.float64)
    longitude = np.abs(longitude_b - longitude_a)
    other_way = (180.0 - np.abs(longitude_a)) + (180.0 - np.abs(longitude_b))
    half_phi = np.sin(np.radians(latitude_b - latitude_a) / 2.0)
    half_theta = np.sin(np.radians(np.where(longitude > 180.0, other_way, longitude)) / 2.0)
    product = np.sin(np.radians(90.0 - np.abs(latitude_a))) * np.sin(np.radians(90.0 - np.abs(latitude_b)))
    haversine = half_phi * half_phi + product * half_theta * half_theta
    return np.asarray(2.0 * EARTH_RADIUS_METRES * np.arcsin(np.sqrt(np.minimum(haversine, 1.0))))
