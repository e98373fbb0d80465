"""Choose eps: the knee of the curve of distances to the k-th neighbour (Ester et al., KDD 1996, section 4.2).

It is a rule of thumb: to the left of the knee points have close neighbours, to the right they are noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from taxi_mlops.data.crowding import FewPlaces, few_places
from taxi_mlops.domain import FloatArray, Points
from taxi_mlops.errors import DataError

POINTS_SAMPLED = 10_000
POINTS_STORED = 200
SHARE_KEPT = 0.99
"""A few points far from all others would stretch the curve and move its knee, so the last hundredth is left out."""


@dataclass(frozen=True, slots=True)
class EpsChoice:
    """An eps that was chosen from the points, with the curve that it was read from.

    k: the neighbour whose distance is used, the point itself included; it is min_samples. sampled: how many points the
    curve was made from. share, distance_metres: the curve, increasing: that share of the sampled points has its k-th
    neighbour within so many metres. knee_share: where on the curve eps lies. places: how many places hold most points,
    where they are few; then the curve is that of the distances from each of them to the nearest other one.
    """

    eps_metres: float
    k: int
    sampled: int
    share: tuple[float, ...]
    distance_metres: tuple[float, ...]
    knee_share: float
    places: int | None = None

    def __str__(self) -> str:
        """One sentence for people."""
        if self.places is not None:
            return (
                f"eps {self.eps_metres:g} m is about the distance between places: most points lie on {self.places:,} "
                f"of them, as at stations, and {self.knee_share:.0%} have another within that; with a smaller --eps "
                "each place is a cluster of its own"
            )
        return (
            f"eps {self.eps_metres:g} m was chosen from the points, by the knee of their distances to neighbour "
            f"{self.k}: {self.knee_share:.0%} have it within that; a rule of thumb, which --eps overrides"
        )


def choose_eps(points: Points, min_samples: int, seed: int) -> EpsChoice:
    """Choose eps from the distances of sampled points to their `min_samples`-th neighbours among all points.

    If most points lie on few places, such distances are 0: then eps is chosen from the distances between the places.

    Raises DataError if that is impossible: for weighted points, fewer points than `min_samples`, or a curve without a
    knee, as if all points coincide.
    """
    if points.weight is not None:
        raise DataError("eps cannot be chosen for weighted points, which stand for many trips each; give --eps METRES")
    if min_samples > len(points):
        raise DataError(f"eps cannot be chosen: there are {len(points)} points and min_samples is {min_samples}")
    places = few_places(points.latitude, points.longitude)
    if places is not None:
        return _between(places, min_samples, seed)
    distances = neighbour_distances(points.latitude, points.longitude, min_samples, seed)
    share, distances = _curve(distances)
    knee = find_knee(share, distances)
    if knee is None or distances[knee] == 0.0:
        raise DataError(
            f"eps cannot be chosen: the distances to neighbour {min_samples} have no knee (half of them are below "
            f"{float(np.median(distances)):.3g} m); give --eps METRES, or another --min-samples"
        )
    return _choice(share, distances, knee, min_samples, min(len(points), POINTS_SAMPLED))


def _between(places: FewPlaces, min_samples: int, seed: int) -> EpsChoice:
    """An eps between places: at the knee of the distances to the nearest other one, else the median."""
    count = len(places.latitude)
    if count == 1:
        raise DataError(f"eps cannot be chosen: {places.share:.0%} of the points lie on one place; give --eps METRES")
    share, distances = _curve(neighbour_distances(places.latitude, places.longitude, 2, seed))
    knee = find_knee(share, distances)
    chosen = len(distances) // 2 if knee is None else knee
    return replace(_choice(share, distances, chosen, min_samples, min(count, POINTS_SAMPLED)), places=count)


def _curve(distances: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The distances in order without the last hundredth, and the share of all that each stands for."""
    distances = np.sort(distances)[: max(2, int(np.ceil(SHARE_KEPT * len(distances))))]
    return np.linspace(0.0, SHARE_KEPT, len(distances)), distances


def _choice(share: FloatArray, distances: FloatArray, knee: int, k: int, sampled: int) -> EpsChoice:
    kept = np.unique(np.append(np.linspace(0, len(distances) - 1, POINTS_STORED).astype(np.int64), knee))
    return EpsChoice(
        eps_metres=_rounded(float(distances[knee])),
        k=k,
        sampled=sampled,
        share=tuple(float(value) for value in share[kept]),
        distance_metres=tuple(float(value) for value in distances[kept]),
        knee_share=float(share[knee]),
    )


def neighbour_distances(latitude: FloatArray, longitude: FloatArray, k: int, seed: int) -> FloatArray:
    """Return float64 (m,): metres from each of up to `POINTS_SAMPLED` points to its k-th nearest, itself the first.

    latitude, longitude: degrees, float64 of shape (n,).
    """
    from scipy.spatial import KDTree

    from haversine_dbscan.geodesy import EARTH_RADIUS_METRES, unit_sphere

    vectors = unit_sphere(latitude, longitude)
    chosen = np.random.default_rng(seed).choice(len(vectors), min(len(vectors), POINTS_SAMPLED), replace=False)
    # Coincident points make balanced trees slow; splitting at the middle of a cell is good enough for them.
    tree = KDTree(vectors, balanced_tree=False, compact_nodes=False)
    chord, _ = tree.query(vectors[chosen], k=[k], workers=-1)
    return np.asarray(2.0 * EARTH_RADIUS_METRES * np.arcsin(np.minimum(chord[:, 0] / 2.0, 1.0)))


def find_knee(x: FloatArray, y: FloatArray) -> int | None:
    """Return the index where an increasing, convex curve is farthest below its chord (Satopää et al. 2011); or None.

    x, y: float64 (n,). None if the curve is nowhere below its chord.
    """
    if y[-1] == y[0] or x[-1] == x[0]:
        return None
    below = (x - x[0]) / (x[-1] - x[0]) - (y - y[0]) / (y[-1] - y[0])
    knee = int(np.argmax(below))
    return knee if below[knee] > 0.0 else None


def _rounded(metres: float) -> float:
    """Round to three digits: a rule of thumb has no more."""
    return float(f"{metres:.3g}")
