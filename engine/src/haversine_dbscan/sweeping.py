"""Exact DBSCAN of few points: a sweep along rows lists the pairs within eps, and clusters are made from the list.

Few calls of compiled code do all, where cells take dozens; but every pair is listed, so crowded points are for cells.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from haversine_dbscan.arrays import BoolArray, FloatArray, IntArray, LabelArray
from haversine_dbscan.compiling import inlined, kernel
from haversine_dbscan.frame import MARGIN, Extent, Frame, cosines_of
from haversine_dbscan.haversine import cosine_of_latitude, haversine

MOST_SWEPT = 4096
"""Points; with more, cells are faster."""
_PAIRS_PER_POINT = 32
"""At most, on average; with more, cells are faster."""
_ROWS_PER_POINT = 16


class Reach(NamedTuple):
    """Which points may be within eps of each other. Rows are `height` high, from `origin` on.

    rows: how many eps reaches up. across: the largest difference of x. within, beyond, limit: a squared distance up to
    `within` is within eps, one above `beyond` is not; between them, on the sphere, the haversine is compared with
    `limit`.
    """

    origin: float
    height: float
    rows: int
    across: float
    within: float
    beyond: float
    limit: float
    spherical: bool


def cluster_sweeping(
    x: FloatArray, y: FloatArray, frame: Frame, extent: Extent, min_samples: float
) -> tuple[LabelArray, BoolArray] | None:
    """Return labels and core flags as `haversine_dbscan.clustering`; None for points that are for the cells.

    These are crowded, or far apart. x, y: shape (n,), float32 or float64. frame, extent: of these points.
    """
    n = len(x)
    if frame.rows > _ROWS_PER_POINT * (n + 1):
        return None
    points, original = np.empty((3, n)), np.empty(n, dtype=np.int32)
    begin = np.zeros(frame.rows + frame.reach + 3, dtype=np.int64)
    pairs = np.empty((4 * _most_ahead(n), 2), dtype=np.int32)
    reach = _reach(frame, cosines_of(extent)[0] if frame.metric.spherical else 1.0)
    x, y = np.array([x, y], dtype=np.float64)  # copies have one type in compiled code
    first = np.empty(frame.reach + 1, dtype=np.int64)
    found = find_pairs(x, y, np.argsort(x), reach, _most_ahead(n), begin, first, points, original, pairs)
    if found < 0:
        return None
    labels, core = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.bool_)
    cluster_pairs(pairs, found, float(min_samples), np.empty((2, n), dtype=np.int32), labels, core)
    return labels, core


def _most_ahead(n: int) -> int:
    """Return how many candidates in their own rows n points may have together, until cells are faster (measured)."""
    return 7_000 + 2 * n


def _reach(frame: Frame, smallest_cosine: float) -> Reach:
    squared, spherical = frame.squared, frame.metric.spherical
    beyond = squared / frame.curvature * (1.0 + MARGIN)
    return Reach(
        origin=frame.origin_y,
        height=frame.height,
        rows=frame.reach,
        across=math.sqrt(beyond) / smallest_cosine * (1.0 + 1e-9) + frame.slack,
        within=squared * (1.0 - MARGIN) if spherical else squared,
        beyond=beyond if spherical else squared,
        limit=frame.metric.limit,
        spherical=spherical,
    )


@kernel
def find_pairs(
    x: FloatArray,
    y: FloatArray,
    by_x: IntArray,
    reach: Reach,
    most_ahead: int,
    begin: IntArray,
    first: IntArray,
    points: FloatArray,
    original: LabelArray,
    pairs: LabelArray,
) -> int:
    """List the pairs of points within eps of each other, and return how many; −1 where they are too many.

    by_x: the points by increasing x. most_ahead: with more candidates in rows, points are crowded. begin: zeros, three
    and the reach more than there are rows. first: one more than the reach. points: (3, n), filled in with x, y and the
    cosine of the latitude, by row and x. original: (n,), filled in with the indices of these.
    """
    for i in range(y.shape[0]):
        begin[_row_of(y[i], reach) + 2] += 1
    for row in range(2, begin.shape[0]):
        begin[row] += begin[row - 1]
    for i in by_x:
        at = begin[_row_of(y[i], reach) + 1]
        begin[_row_of(y[i], reach) + 1] += 1
        original[at] = i
        points[0, at], points[1, at] = x[i], y[i]
        points[2, at] = cosine_of_latitude(y[i]) if reach.spherical else 1.0
    if _ahead(points, begin, reach) > most_ahead:
        return -1
    found = 0
    for i in range(original.shape[0]):
        row = _row_of(points[1, i], reach)
        for other in range(row, row + reach.rows + 1):
            if other == row:
                j = i + 1
            else:
                if i == begin[row]:
                    first[other - row] = begin[other]
                while (
                    first[other - row] < begin[other + 1]
                    and points[0, i] - points[0, first[other - row]] > reach.across
                ):
                    first[other - row] += 1
                j = first[other - row]
            while j < begin[other + 1] and points[0, j] - points[0, i] <= reach.across:
                if _near(points, i, j, reach):
                    pairs[found, 0], pairs[found, 1] = original[i], original[j]
                    found += 1
                    if found == pairs.shape[0]:
                        return -1
                j += 1
    return found


@inlined
def _ahead(points: FloatArray, begin: IntArray, reach: Reach) -> int:
    """Count the pairs in a row that may be within eps, by x alone: in proportion to all pairs, and counted in O(n)."""
    count = 0
    for row in range(begin.shape[0] - 1):
        end = begin[row]
        for i in range(begin[row], begin[row + 1]):
            while end < begin[row + 1] and points[0, end] - points[0, i] <= reach.across:
                end += 1
            count += end - i - 1
    return count


@inlined
def _row_of(y: float, reach: Reach) -> int:
    return int((y - reach.origin) / reach.height)


@inlined
def _near(points: FloatArray, i: int, j: int, reach: Reach) -> bool:
    """Return whether two points are within eps of each other."""
    dx, dy = points[0, j] - points[0, i], points[1, j] - points[1, i]
    squared = dy * dy + points[2, i] * points[2, j] * (dx * dx)
    if squared > reach.beyond:
        return False
    if squared <= reach.within:
        return True
    x, y, cosine = points[0, i], points[1, i], points[2, i]
    return haversine(y, x, cosine, points[1, j], points[0, j], points[2, j]) <= reach.limit


@kernel
def cluster_pairs(
    pairs: LabelArray, found: int, min_samples: float, room: LabelArray, labels: LabelArray, core: BoolArray
) -> None:
    """Fill in the labels and the core flags, (n,), from the first `found` pairs of points within eps; room: (2, n).

    The parent of a point is one of a lower index in its cluster, so that the first core point stands for all.
    """
    neighbours, parent = room[0], room[1]
    for i in range(labels.shape[0]):
        neighbours[i], parent[i] = 1, i
    for k in range(found):
        neighbours[pairs[k, 0]] += 1
        neighbours[pairs[k, 1]] += 1
    for k in range(found):
        i, j = pairs[k, 0], pairs[k, 1]
        if neighbours[i] >= min_samples and neighbours[j] >= min_samples:
            i, j = _root(parent, i), _root(parent, j)
            if i < j:
                parent[j] = i
            else:
                parent[i] = j
    clusters = np.int32(0)
    for i in range(labels.shape[0]):
        core[i], labels[i] = neighbours[i] >= min_samples, -1
        if core[i]:
            if parent[i] == i:
                labels[i] = clusters
                clusters += np.int32(1)
            else:
                labels[i] = labels[_root(parent, i)]
    for k in range(found):
        i, j = pairs[k, 0], pairs[k, 1]
        if core[i] != core[j]:
            border, label = (j, labels[i]) if core[i] else (i, labels[j])
            if labels[border] < 0 or label < labels[border]:
                labels[border] = label


@inlined
def _root(parent: LabelArray, i: int) -> int:
    """Return the lowest point of the cluster of point i, and halve the way to it."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i
