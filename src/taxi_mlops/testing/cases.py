"""Workloads that reveal errors of DBSCAN implementations: corner cases, ties, and the curvature of the earth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from haversine_dbscan.geodesy import EARTH_RADIUS_METRES, unit_sphere
from taxi_mlops.data.fingerprint import fingerprint
from taxi_mlops.domain import FloatArray, Parameters, Points, Provenance, Workload

EPS = 50.0
"""Metres; the eps of all cases without a reason for another."""

SANTIAGO = (-33.45, -70.66)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A workload with a name."""

    name: str
    workload: Workload

    def __str__(self) -> str:
        return self.name


def make_points(latitude: ArrayLike, longitude: ArrayLike, weight: ArrayLike | None = None) -> Points:
    """Return points in degrees with read-only arrays."""
    frozen = _frozen(latitude), _frozen(longitude), None if weight is None else _frozen(weight)
    n = len(frozen[0])
    provenance = Provenance(uri="conformance", schema="generated", data_version="1", rows_read=n, rows_used=n)
    return Points(*frozen, fingerprint(*frozen), provenance)


def _frozen(values: ArrayLike) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


def around(
    east: ArrayLike,
    north: ArrayLike,
    origin: tuple[float, float] = SANTIAGO,
    weight: ArrayLike | None = None,
) -> Points:
    """Return points at so many metres east and north of a place, also at a pole, by rotating them there."""
    degrees = np.degrees(1.0 / EARTH_RADIUS_METRES)
    up, y, axis = unit_sphere(np.multiply(north, degrees), np.multiply(east, degrees)).T  # around (0, 0)
    cosine, sine = np.cos(np.radians(origin[0])), np.sin(np.radians(origin[0]))
    x, z = up * cosine - axis * sine, up * sine + axis * cosine
    latitude = np.degrees(np.arctan2(z, np.hypot(x, y)))
    longitude = np.degrees(np.arctan2(y, x)) + origin[1]
    return make_points(latitude, (longitude + 180.0) % 360.0 - 180.0, weight)


def unweighted_cases() -> tuple[Case, ...]:
    """Return every case in which each point counts once."""
    return (*_degenerate_cases(), *_shape_cases(), *_tie_cases(), *_earth_cases())


def weighted_cases() -> tuple[Case, ...]:
    """Return cases with weights for repetitions, and with fractions (of powers of two, so that sums are exact)."""
    random = np.random.default_rng(5)
    east, north = _blobs(random, 250)
    return (
        _case("one point that weighs enough", around([0], [0], weight=[5.0]), min_samples=5),
        _case("one point that weighs too little", around([0], [0], weight=[4.75]), min_samples=5),
        _case("whole weights", around(east, north, weight=random.integers(1, 6, len(east))), min_samples=12),
        _case("fractional weights", around(east, north, weight=random.integers(1, 16, len(east)) / 8.0), min_samples=6),
        _case("coincident weights", around([0] * 6 + [30], [0] * 7, weight=[0.5] * 6 + [2.0]), min_samples=5),
    )


def _degenerate_cases() -> tuple[Case, ...]:
    line = np.arange(12) * 40.0
    grid_east, grid_north = _lattice(6, 500.0)
    return (
        _case("no points", make_points([], []), min_samples=5),
        _case("one point, min_samples 1", around([0], [0]), min_samples=1),
        _case("one point, min_samples 2", around([0], [0]), min_samples=2),
        _case("two coincident points", around([0, 0], [0, 0]), min_samples=2),
        _case("two points apart", around([0, 60], [0, 0]), min_samples=2),
        _case("all noise", around(grid_east, grid_north), min_samples=2),
        _case("all of their own", around(grid_east, grid_north), min_samples=1),
        _case("one cluster", around(line, np.zeros(12)), min_samples=3),
        _case("all coincident", around(np.zeros(60), np.zeros(60)), min_samples=60),
        _case("all coincident, one too few", around(np.zeros(60), np.zeros(60)), min_samples=61),
        _case("min_samples above n", around(line, np.zeros(12)), min_samples=13),
        _case("min_samples above everything", around(line, np.zeros(12)), min_samples=2**31 - 1),
        _case("eps above the extent", around(line, np.zeros(12)), min_samples=12, eps=10_000.0),
        _case("eps above the earth", around(line, np.zeros(12)), min_samples=12, eps=30_000_000.0),
    )


def _shape_cases() -> tuple[Case, ...]:
    random = np.random.default_rng(7)
    east, north = _blobs(random, 700)
    walk = np.cumsum(random.normal(0.0, 18.0, (400, 2)), axis=0)
    arms = np.array([[0, 0], [45, 0], [-45, 0], [0, 45], [0, -45]], dtype=np.float64)
    repeated = random.integers(0, 60, 600)
    spread = random.uniform(0.0, 3_000.0, (60, 2))
    return (
        _case("blobs and noise", around(east, north), min_samples=8),
        _case("blobs and noise, min_samples 1", around(east, north), min_samples=1),
        _case("blobs and noise, min_samples 2", around(east, north), min_samples=2),
        _case("a winding path", around(walk[:, 0], walk[:, 1]), min_samples=4),
        _case("one core point among border points", around(arms[:, 0], arms[:, 1]), min_samples=5),
        _case("a border point between two clusters", _two_stands_and_a_passer_by(), min_samples=5),
        _case("many repetitions", around(spread[repeated, 0], spread[repeated, 1]), min_samples=11),
        _case("uniform", around(random.uniform(0, 2_000, 1_500), random.uniform(0, 2_000, 1_500)), min_samples=5),
    )


def _tie_cases() -> tuple[Case, ...]:
    east, north = _lattice(12, EPS)
    touching = np.concatenate((np.arange(8) * 40.0, 280.0 + EPS * (1 + 1e-6) + np.arange(8) * 40.0))
    metre_apart = np.arange(40) * 0.6
    return (
        _case("lattice at exactly eps, four neighbours", around(east, north), min_samples=5),
        _case("lattice at exactly eps, chained", around(east, north), min_samples=2),
        _case("meridian just within eps", _meridian(30, EPS * (1 - 1e-8)), min_samples=3),
        _case("meridian just beyond eps", _meridian(30, EPS * (1 + 1e-8)), min_samples=2),
        _case("clusters that nearly touch", around(touching, np.zeros(16)), min_samples=3),
        # Their degrees are equal in float32.
        _case("closer than float32 resolves", around(metre_apart, np.zeros(40)), min_samples=2, eps=0.5),
        _case("as close as float32 does not resolve", around(metre_apart, np.zeros(40)), min_samples=2, eps=0.7),
        _case("millimetres", around(metre_apart / 100, np.zeros(40)), min_samples=3, eps=0.015),
    )


def _earth_cases() -> tuple[Case, ...]:
    random = np.random.default_rng(11)
    east, north = _blobs(random, 250)
    turn, distance = random.uniform(-180.0, 180.0, 200), random.uniform(0.0, 400.0, 200)
    polar = 90.0 - np.degrees(distance / EARTH_RADIUS_METRES)
    towns = random.uniform([-80, -180], [80, 180], (40, 2))
    trips = towns[random.integers(0, 40, 600)] + random.normal(0.0, 6e-4, (600, 2))
    stretch = np.arange(-10, 11) * 6e-4  # at 60° N, as far as 33 m; on a flat map, 67 m
    return (
        _case("across the antimeridian", around(east - 500.0, north, (-17.0, 180.0)), min_samples=5),
        _case("both names of the antimeridian", make_points([10.0] * 4, [180.0, -180.0, 180.0, -180.0]), min_samples=4),
        _case("the north pole", make_points(polar, turn), min_samples=8),
        _case("the south pole", make_points(-polar, turn), min_samples=8),
        _case(
            "the pole by many names", make_points([90.0] * 6, [0.0, 60.0, 120.0, 180.0, -120.0, -60.0]), min_samples=6
        ),
        _case("longitudes in the north", make_points(np.full(21, 60.0), stretch), min_samples=3),
        _case("towns all over the earth", make_points(trips[:, 0], trips[:, 1]), min_samples=4),
    )


def _case(name: str, points: Points, min_samples: int, eps: float = EPS) -> Case:
    return Case(name, Workload(points, Parameters(eps_metres=eps, min_samples=min_samples)))


def _lattice(side: int, spacing: float) -> tuple[FloatArray, FloatArray]:
    east, north = np.meshgrid(np.arange(side) * spacing, np.arange(side) * spacing)
    return east.ravel(), north.ravel()


def _meridian(n: int, spacing: float) -> Points:
    return around(np.zeros(n), np.arange(n) * spacing, (0.0, 0.0))


def _blobs(random: np.random.Generator, n: int) -> tuple[FloatArray, FloatArray]:
    """Return four blobs of different density and some noise, in 3 km by 3 km, shuffled; metres."""
    centres = np.array([[500, 500], [900, 2_500], [2_400, 800], [2_450, 900]], dtype=np.float64)
    widths = np.array([30.0, 80.0, 40.0, 40.0])
    which = random.integers(0, 4, n - n // 5)
    blobs = centres[which] + random.normal(0.0, 1.0, (len(which), 2)) * widths[which, None]
    metres = random.permutation(np.concatenate((blobs, random.uniform(0.0, 3_000.0, (n // 5, 2)))))
    return metres[:, 0], metres[:, 1]


def _two_stands_and_a_passer_by() -> Points:
    """Return two stands of five points 96 m apart, and a point within eps of both that is not a core point."""
    stand = np.array([[0, 0], [-8, 0], [-12, 0], [-8, 8], [-8, -8]], dtype=np.float64)
    metres = np.concatenate((stand, [[48, 0]], -stand + [96, 0]))
    return around(metres[:, 0], metres[:, 1])
