"""Colour the clusters of a map so that neighbours differ."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IndexArray = NDArray[np.int64]


def neighbours(picture: NDArray[np.int32], n: int) -> IndexArray:
    """Return pairs (m, 2) of the regions 0 … n − 1 whose territories touch, each once.

    picture: int32 (height, width), the region at each pixel, negative if there is none. The territory of a region
    is every pixel that it is the nearest to (a Voronoi diagram), so that regions with nothing between them touch.
    """
    from scipy.ndimage import distance_transform_edt

    if not np.any(picture >= 0):
        return np.empty((0, 2), dtype=np.int64)
    row, column = distance_transform_edt(picture < 0, return_distances=False, return_indices=True)
    territory = picture[row, column].astype(np.int64)
    keys = []
    for one, other in ((territory[1:], territory[:-1]), (territory[:, 1:], territory[:, :-1])):
        border = one != other
        low, high = np.minimum(one[border], other[border]), np.maximum(one[border], other[border])
        keys.append(np.unique(low * n + high))
    return np.column_stack(np.divmod(np.unique(np.concatenate(keys)), n))


def colour(pairs: IndexArray, n: int, colours: int) -> IndexArray:
    """Return one of `colours` numbers for each of n regions, int64 (n,), so that neighbours differ. O(n + pairs).

    Regions are coloured in the order smallest last (Matula and Beck, J. ACM 30(3), 1983), with which six colours are
    enough for every map in the plane; territories in several pieces may need more, and then the colour that is rarest
    among the neighbours is used. Of the free colours the least used is taken, so that all occur.
    """
    around: list[list[int]] = [[] for _ in range(n)]
    for a, b in pairs.tolist():
        around[a].append(b)
        around[b].append(a)
    chosen = np.full(n, -1, dtype=np.int64)
    used = np.zeros(colours, dtype=np.int64)
    for region in reversed(_smallest_first(around)):
        taken = chosen[around[region]]
        clashes = np.bincount(taken[taken >= 0], minlength=colours)
        chosen[region] = np.lexsort((used, clashes))[0]
        used[chosen[region]] += 1
    return chosen


def _smallest_first(around: list[list[int]]) -> list[int]:
    """Return the regions in the order in which the one with the least neighbours left is removed."""
    from heapq import heapify, heappop, heappush

    left = [len(others) for others in around]
    heap = [(count, region) for region, count in enumerate(left)]
    heapify(heap)
    order: list[int] = []
    gone = [False] * len(around)
    while heap:
        count, region = heappop(heap)
        if gone[region] or count != left[region]:
            continue
        gone[region] = True
        order.append(region)
        for other in around[region]:
            if not gone[other]:
                left[other] -= 1
                heappush(heap, (left[other], other))
    return order
