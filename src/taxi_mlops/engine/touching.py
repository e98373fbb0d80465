"""Whether two crowded cells have points within eps of each other, without comparing every pair.

Both sides are halved again and again, and pairs of halves whose bounding boxes decide are not looked into: a dual-tree
search (Gray and Moore 2000), on trees that exist only as far as it goes.
"""

from __future__ import annotations

from numba import njit

from taxi_mlops.engine.frame import FloatArray, Metric, Pair, Whole, count_within

FEW_PAIRS = 2048
"""Up to so many pairs, comparing them all is faster."""


@njit(cache=True, nogil=True)
def any_within(
    metric: Metric, pair: Pair, x: FloatArray, y: FloatArray, begin: Whole, end: Whole, other: Whole, stop: Whole
) -> bool:
    """Return whether a point of begin:end is within eps of one of other:stop. The arrays are not changed.

    Near O(m log m) for m points on both sides, unless the two sides follow each other at eps all along.
    """
    ax, ay, bx, by = x[begin:end].copy(), y[begin:end].copy(), x[other:stop].copy(), y[other:stop].copy()
    stack = [(0, ax.shape[0], 0, bx.shape[0])]
    while len(stack) > 0:
        a, b, c, d = stack.pop()
        low_ax, high_ax, low_ay, high_ay = ax[a:b].min(), ax[a:b].max(), ay[a:b].min(), ay[a:b].max()
        low_bx, high_bx, low_by, high_by = bx[c:d].min(), bx[c:d].max(), by[c:d].min(), by[c:d].max()
        gap_x, gap_y = max(low_bx - high_ax, low_ax - high_bx, 0.0), max(low_by - high_ay, low_ay - high_by, 0.0)
        if gap_y * gap_y + pair.scale * gap_x * gap_x > pair.beyond * (1.0 + 1e-12):
            continue
        far_x, far_y = max(high_bx - low_ax, high_ax - low_bx), max(high_by - low_ay, high_ay - low_by)
        if far_y * far_y + pair.scale * far_x * far_x <= pair.within * (1.0 - 1e-12):
            return True
        size_a, size_b = max(high_ax - low_ax, high_ay - low_ay), max(high_bx - low_bx, high_by - low_by)
        if (b - a) * (d - c) <= FEW_PAIRS or max(size_a, size_b) == 0.0:
            last = b if max(size_a, size_b) > 0.0 else a + 1
            for i in range(a, last):
                if count_within(metric, pair.scale, pair.within, pair.beyond, bx, by, ax[i], ay[i], c, d) > 0:
                    return True
        elif size_a >= size_b:
            middle = _halve(ax, ay, a, b, high_ax - low_ax >= high_ay - low_ay)
            stack.append((a, middle, c, d))
            stack.append((middle, b, c, d))
        else:
            middle = _halve(bx, by, c, d, high_bx - low_bx >= high_by - low_by)
            stack.append((a, b, c, middle))
            stack.append((a, b, middle, d))
    return False


@njit(cache=True, nogil=True)
def _halve(x: FloatArray, y: FloatArray, begin: int, end: int, by_x: bool) -> int:
    """Reorder points that do not all coincide around the middle of their box; return where the upper half begins."""
    along = x if by_x else y
    low, high = along[begin:end].min(), along[begin:end].max()
    middle = low + 0.5 * (high - low)
    to = begin
    for i in range(begin, end):
        if along[i] <= middle and along[i] < high:
            x[i], x[to] = x[to], x[i]
            y[i], y[to] = y[to], y[i]
            to += 1
    return to
