"""The ranges of eps and min_samples, and the pairs to begin with: what the points themselves suggest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from haversine_dbscan.geodesy import EARTH_RADIUS_METRES, unit_sphere
from taxi_mlops.domain import FloatArray
from taxi_mlops.specification import MAX_EPS_METRES
from taxi_mlops.training import Tune

POINTS_ASKED = 2_000
LEAST_SAMPLES = 5
MOST_SAMPLES = 2_000
_SHARE_OF_MOST = 1 / 200
_SMALLEST_EPS = 1.0
_DIGITS = 3
_STARTS = 5
_SHARES = (0.7, 0.9)


@dataclass(frozen=True, slots=True)
class Space:
    """Ranges, both ends included; both are searched by their logarithm. start: pairs within them to try first."""

    eps_metres: tuple[float, float]
    min_samples: tuple[int, int]
    start: tuple[tuple[float, int], ...] = ()

    def rounded(self, eps_metres: float) -> float:
        """Round an eps to three digits, which is enough for people, within the range."""
        low, high = self.eps_metres
        return min(max(float(f"{eps_metres:.{_DIGITS}g}"), low), high)


def space_of(document: Tune, latitude: FloatArray, longitude: FloatArray) -> Space:
    """Return the ranges for points in degrees, those that `taxi train` would cluster; float64 (n,).

    min_samples goes from 5 to half a percent of the points. eps goes from where the densest tenth of the points have
    their neighbour of the least min_samples, to where all but a tenth have that of the largest one. The first pairs are
    spread over min_samples, each with the eps within which some share of the points have so many neighbours.
    """
    given = document.min_samples
    most = int(np.clip(len(latitude) * _SHARE_OF_MOST, 4 * LEAST_SAMPLES, MOST_SAMPLES))
    low, high = (LEAST_SAMPLES, most) if given is None else (given[0], given[-1])
    tried = sorted({round(float(one)) for one in np.geomspace(low, high, _STARTS)})
    metres = _distances(latitude, longitude, tried, document.dataset.seed)
    if document.eps_metres is not None:
        ends = document.eps_metres[0], document.eps_metres[-1]
    else:
        least = max(float(np.quantile(metres[0][metres[0] > 0.0], 0.1)) if metres[0].any() else 0.0, _SMALLEST_EPS)
        largest = min(max(float(np.quantile(metres[-1], 0.9)), 4.0 * least), MAX_EPS_METRES)
        ends = _two_digits(least), _two_digits(largest)
    space = Space(ends, (low, high))
    start = [
        (space.rounded(float(np.quantile(apart, share))), one)
        for share in _SHARES
        for one, apart in zip(tried, metres, strict=True)
    ]
    return replace(space, start=tuple(dict.fromkeys(start)))


def _distances(
    latitude: FloatArray, longitude: FloatArray, neighbours: Sequence[int], seed: int
) -> tuple[FloatArray, ...]:
    """Return metres from sampled points to their neighbours of these numbers, themselves the first."""
    from scipy.spatial import KDTree

    vectors = unit_sphere(latitude, longitude)
    chosen = np.random.default_rng(seed).choice(len(vectors), min(len(vectors), POINTS_ASKED), replace=False)
    # Coincident points make balanced trees slow; splitting at the middle of a cell is good enough for them.
    tree = KDTree(vectors, balanced_tree=False, compact_nodes=False)
    k = [min(one, len(vectors)) for one in neighbours]
    chord, _ = tree.query(vectors[chosen], k=k, workers=-1)
    metres = 2.0 * EARTH_RADIUS_METRES * np.arcsin(np.minimum(chord / 2.0, 1.0))
    return tuple(metres.T)


def _two_digits(metres: float) -> float:
    return float(f"{metres:.2g}")
