"""Draw random members of every cluster in one pass, and random clusters if there are many."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from taxi_mlops.domain import FloatArray, LabelArray
from taxi_mlops.evaluation.contingency import IndexArray
from taxi_mlops.evaluation.performance import CONFIDENCE, Interval

MIN_CLUSTERS = 500
STANDARD_NORMAL_975 = 1.959963984540054


class ClusterSample(NamedTuple):
    """Clusters that an index is computed for: the largest ones, and as many of the others at random.

    chosen: int64 (s,), all of them. random: int64 (r,), places in `chosen` of those at random. total: clusters in all.
    """

    chosen: IndexArray
    random: IndexArray
    total: int

    @property
    def note(self) -> str | None:
        """A note for the reader; None if all clusters were used."""
        if not len(self.random):
            return None
        return f"over {len(self.chosen):,} of {self.total:,} clusters: the largest, and as many at random"


class Members(NamedTuple):
    """Points grouped by cluster: those of cluster c are at start[c]:start[c + 1].

    start: int64 (k + 1,). indices: int64 (m,), of the points among all. latitude, longitude, cosine: float64 (m,);
    degrees, and the cosine of the latitude.
    """

    start: IndexArray
    indices: IndexArray
    latitude: FloatArray
    longitude: FloatArray
    cosine: FloatArray


def draw_clusters(sizes: IndexArray, pairs: int, seed: int) -> ClusterSample:
    """Choose clusters so that comparing each with all takes about so many pairs; all, if these suffice.

    sizes: int64 (k,). At least `MIN_CLUSTERS` are chosen.
    """
    k = len(sizes)
    wanted = max(MIN_CLUSTERS, pairs // k)
    if wanted >= k:
        return ClusterSample(np.arange(k), np.zeros(0, dtype=np.int64), k)
    order = np.argsort(-sizes, kind="stable")
    largest, others = order[: wanted // 2], order[wanted // 2 :]
    drawn = np.random.default_rng(seed).choice(others, wanted - len(largest), replace=False)
    return ClusterSample(np.concatenate([largest, drawn]), np.arange(len(largest), wanted), k)


def mean_over_clusters(values: FloatArray, weights: FloatArray, sample: ClusterSample) -> tuple[float, Interval | None]:
    """Return Σ wᵢ·vᵢ over all clusters from those that were chosen, and its interval unless all were.

    values: float64 (s,), of the chosen ones; weights: float64 (k,), of all, with sum 1. The contribution of the others
    is estimated as their weight times the weighted mean of those drawn (a ratio estimator; Cochran, Sampling
    Techniques, 6.3).
    weight times the weighted mean of those drawn (a ratio estimator; Cochran, Sampling Techniques, 6.3).
    """
    chosen = weights[sample.chosen]
    if not len(sample.random):
        return float(np.sum(chosen * values)), None
    certain = np.ones(len(values), dtype=np.bool_)
    certain[sample.random] = False
    drawn_values, drawn_weights = values[~certain], chosen[~certain]
    rest = 1.0 - float(chosen[certain].sum())
    ratio = float(np.sum(drawn_weights * drawn_values) / drawn_weights.sum())
    mean = float(np.sum(chosen[certain] * values[certain])) + rest * ratio
    r, others = len(drawn_values), sample.total - int(certain.sum())
    spread = float(np.std(drawn_weights * (drawn_values - ratio), ddof=1)) / float(drawn_weights.mean())
    half = STANDARD_NORMAL_975 * rest * spread * float(np.sqrt((1.0 - r / others) / r))
    return mean, Interval(mean - half, mean + half, CONFIDENCE)


def draw_members(
    latitude: FloatArray, longitude: FloatArray, labels: LabelArray, sizes: IndexArray, most: int, seed: int
) -> Members:
    """Return up to `most` members of each cluster, drawn without replacement; all of those of smaller clusters.

    labels: int32 (n,), −1 for noise; sizes: int64 (k,), members of each label. O(n) time.
    """
    start = np.concatenate(([0], np.cumsum(np.minimum(sizes, most))))
    index = _reservoirs(labels, start, np.uint64(np.random.default_rng(seed).integers(1, 2**63)))
    return Members(start, index, latitude[index], longitude[index], np.cos(np.radians(latitude[index])))


@njit(cache=True, nogil=True)
def _reservoirs(labels: LabelArray, start: IndexArray, seed: np.uint64) -> IndexArray:
    """Vitter's algorithm R (ACM TOMS 11(1), 1985), one reservoir a cluster, on the generator xorshift64*."""
    index = np.empty(start[-1], dtype=np.int64)
    seen = np.zeros(start.shape[0] - 1, dtype=np.int64)
    state = seed
    for i in range(labels.shape[0]):
        label = labels[i]
        if label < 0:
            continue
        room = start[label + 1] - start[label]
        place = seen[label]
        seen[label] += 1
        if place >= room:
            state ^= state >> np.uint64(12)
            state ^= state << np.uint64(25)
            state ^= state >> np.uint64(27)
            drawn = (state * np.uint64(2685821657736338717)) >> np.uint64(11)
            place = np.int64(drawn) % seen[label]
        if place < room:
            index[start[label] + place] = i
    return index
