"""Random members of every cluster, drawn in one pass."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from taxi_mlops.domain import FloatArray, LabelArray
from taxi_mlops.evaluation.contingency import IndexArray


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
