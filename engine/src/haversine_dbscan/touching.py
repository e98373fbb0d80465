"""Whether two crowded cells have points within eps of each other, without comparing every pair.

Both sides are halved again and again, and pairs of halves whose bounding boxes decide are not looked into: a dual-tree
search (Gray and Moore 2000), on trees that exist only as far as it goes.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from haversine_dbscan.arrays import FloatArray
from haversine_dbscan.frame import Metric, Pair, Whole
from haversine_dbscan.within import any_near

FEW_PAIRS = 2048
"""Up to so many pairs, comparing them all is faster."""
_DEEPEST = 512
"""Halving a float64 more than some 60 times in each of four directions is impossible within a cell."""


@njit(cache=True, nogil=True)
def any_within(
    metric: Metric, pair: Pair, x: FloatArray, y: FloatArray, begin: Whole, end: Whole, other: Whole, stop: Whole
) -> bool:
    """Return whether a point of begin:end is within eps of one of other:stop. The arrays are not changed.

    Near O(m log m) for m points on both sides, also where these follow each other at eps all along.
    """
    ax, ay, bx, by = x[begin:end].copy(), y[begin:end].copy(), x[other:stop].copy(), y[other:stop].copy()
    stack = np.empty((_DEEPEST, 4), dtype=np.int64)
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = 0, ax.shape[0], 0, bx.shape[0]
    top = 1
    while top > 0:
        top -= 1
        a, b, c, d = stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3]
        low_ax, high_ax = _ends(ax, a, b)
        low_ay, high_ay = _ends(ay, a, b)
        low_bx, high_bx = _ends(bx, c, d)
        low_by, high_by = _ends(by, c, d)
        gap_x, gap_y = max(low_bx - high_ax, low_ax - high_bx, 0.0), max(low_by - high_ay, low_ay - high_by, 0.0)
        if gap_y * gap_y + pair.scale * gap_x * gap_x > pair.beyond * (1.0 + 1e-12):
            continue
        far_x, far_y = max(high_bx - low_ax, high_ax - low_bx), max(high_by - low_ay, high_ay - low_by)
        if far_y * far_y + pair.scale * far_x * far_x <= pair.within * (1.0 - 1e-12):
            return True
        many = (b - a) * (d - c) > FEW_PAIRS
        if many:
            x_to_x, y_to_y = low_bx + high_bx - low_ax - high_ax, low_by + high_by - low_ay - high_ay
            if _apart_along(x_to_x, y_to_y, ax, ay, a, b, bx, by, c, d, pair.scale, pair.beyond * (1.0 + 1e-9)):
                continue
        size_a, size_b = max(high_ax - low_ax, high_ay - low_ay), max(high_bx - low_bx, high_by - low_by)
        if not many or max(size_a, size_b) == 0.0:
            last = b if max(size_a, size_b) > 0.0 else a + 1
            for i in range(a, last):
                if any_near(metric, pair.scale, pair.within, pair.beyond, bx, by, ax[i], ay[i], c, d):
                    return True
        elif size_a >= size_b:
            middle = _halve(ax, ay, a, b, high_ax - low_ax >= high_ay - low_ay)
            stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3] = a, middle, c, d
            stack[top + 1, 0], stack[top + 1, 1], stack[top + 1, 2], stack[top + 1, 3] = middle, b, c, d
            top += 2
        else:
            middle = _halve(bx, by, c, d, high_bx - low_bx >= high_by - low_by)
            stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3] = a, b, c, middle
            stack[top + 1, 0], stack[top + 1, 1], stack[top + 1, 2], stack[top + 1, 3] = a, b, middle, d
            top += 2
    return False


@njit(cache=True, nogil=True)
def _apart_along(
    along_x: float,
    along_y: float,
    ax: FloatArray,
    ay: FloatArray,
    a: int,
    b: int,
    bx: FloatArray,
    by: FloatArray,
    c: int,
    d: int,
    scale: float,
    squared: float,
) -> bool:
    """Return whether both sides are farther apart than a squared distance, seen along a direction.

    Boxes overlap where two sides follow each other aslant. Along the line from one to the other these are as far apart
    as they are, but for how much they curve.
    """
    length = math.sqrt(scale * along_x * along_x + along_y * along_y)
    if length == 0.0:
        return False
    along_x, along_y = scale * along_x / length, along_y / length
    from_x, from_y = ax[a], ay[a]
    highest, lowest = -np.inf, np.inf
    for i in range(a, b):
        highest = max(highest, along_x * (ax[i] - from_x) + along_y * (ay[i] - from_y))
    for i in range(c, d):
        lowest = min(lowest, along_x * (bx[i] - from_x) + along_y * (by[i] - from_y))
    return lowest > highest and (lowest - highest) ** 2 > squared


@njit(cache=True, nogil=True)
def _halve(x: FloatArray, y: FloatArray, begin: int, end: int, by_x: bool) -> int:
    """Reorder points that do not all coincide around the middle of their box; return where the upper half begins."""
    along = x if by_x else y
    low, high = _ends(along, begin, end)
    middle = low + 0.5 * (high - low)
    to = begin
    for i in range(begin, end):
        if along[i] <= middle and along[i] < high:
            x[i], x[to] = x[to], x[i]
            y[i], y[to] = y[to], y[i]
            to += 1
    return to


@njit(cache=True, nogil=True)
def _ends(values: FloatArray, begin: int, end: int) -> tuple[float, float]:
    """Return the lowest and the highest of the values begin:end."""
    low = high = values[begin]
    for i in range(begin, end):
        low, high = min(low, values[i]), max(high, values[i])
    return low, high
