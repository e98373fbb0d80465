"""Whether two crowded cells have points within eps of each other, without comparing every pair.

Both sides are halved again and again, and pairs of halves whose bounding boxes decide are not looked into: a dual-tree
search (Gray and Moore 2000), on trees that exist only as far as it goes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from haversine_dbscan.arrays import ONE, FloatArray, Position, Record, Records, record
from haversine_dbscan.compiling import allocating, inner
from haversine_dbscan.frame import Pair
from haversine_dbscan.within import any_near

FEW_PAIRS = 2048
"""Up to so many pairs, comparing them all is faster."""
_FEW, _FIRST = np.uintp(FEW_PAIRS), np.uintp(0)
_DEEPEST = 512
"""Halving a float64 more than some 60 times in each of four directions is impossible within a cell."""
_SIDES = record(a=np.uintp, b=np.uintp, c=np.uintp, d=np.uintp)
"""Points a:b of the one side, and c:d of the other."""


class _Box(NamedTuple):
    """The bounding box of some points; size: its longer side."""

    low_x: float
    high_x: float
    low_y: float
    high_y: float
    size: float


@allocating
def any_within(
    limit: float,
    pair: Pair,
    x: FloatArray,
    y: FloatArray,
    begin: Position,
    end: Position,
    other: Position,
    stop: Position,
) -> bool:
    """Return whether a point of begin:end is within eps of one of other:stop. The arrays are not changed.

    limit: the haversine of eps. Near O(m log m) for m points on both sides, also where these follow each other at eps
    all along.
    """
    # Both sides in one pair of arrays, so that the same compiled code serves both.
    points_x, points_y = _both(x, begin, end, other, stop), _both(y, begin, end, other, stop)
    waiting = np.empty(_DEEPEST, _SIDES)
    top = _push(waiting, 0, _FIRST, end - begin, end - begin, end - begin + (stop - other))
    while top > 0:
        top -= 1
        sides = waiting[top]
        a, b, c, d = sides.a, sides.b, sides.c, sides.d
        one, two = _box(points_x, points_y, a, b), _box(points_x, points_y, c, d)
        gap_x, far_x = _apart(one.low_x, one.high_x, two.low_x, two.high_x)
        gap_y, far_y = _apart(one.low_y, one.high_y, two.low_y, two.high_y)
        if gap_y * gap_y + pair.scale * gap_x * gap_x > pair.beyond * (1.0 + 1e-12):
            continue
        if far_y * far_y + pair.scale * far_x * far_x <= pair.within * (1.0 - 1e-12):
            return True
        many = (b - a) * (d - c) > _FEW
        if many and _apart_along(
            two.low_x + two.high_x - one.low_x - one.high_x,
            two.low_y + two.high_y - one.low_y - one.high_y,
            points_x,
            points_y,
            sides,
            pair.scale,
            pair.beyond * (1.0 + 1e-9),
        ):
            continue
        coincide = one.size == 0.0 and two.size == 0.0
        if not many or coincide:
            if coincide:
                b = a + ONE
            for i in range(a, b):
                if any_near(
                    limit, pair.scale, pair.within, pair.beyond, points_x, points_y, points_x[i], points_y[i], c, d
                ):
                    return True
        elif one.size >= two.size:
            middle = _halve(points_x, points_y, a, b, one)
            top = _push(waiting, _push(waiting, top, a, middle, c, d), middle, b, c, d)
        else:
            middle = _halve(points_x, points_y, c, d, two)
            top = _push(waiting, _push(waiting, top, a, b, c, middle), a, b, middle, d)
    return False


@allocating
def _both(values: FloatArray, begin: Position, end: Position, other: Position, stop: Position) -> FloatArray:
    """Return the values begin:end, then those other:stop, in an array of their own."""
    copy = np.empty(np.int64(end - begin + (stop - other)))
    for i in range(begin, end):
        copy[i - begin] = values[i]
    for i in range(other, stop):
        copy[i - other + (end - begin)] = values[i]
    return copy


@inner
def _push(waiting: Records, top: int, a: Position, b: Position, c: Position, d: Position) -> int:
    """Put two sides on a stack; return how many it holds."""
    sides = waiting[top]
    sides.a = a
    sides.b = b
    sides.c = c
    sides.d = d
    return top + 1


@inner
def _box(x: FloatArray, y: FloatArray, begin: Position, end: Position) -> _Box:
    low_x, high_x = _ends(x, begin, end)
    low_y, high_y = _ends(y, begin, end)
    width, height = high_x - low_x, high_y - low_y
    return _Box(low_x, high_x, low_y, high_y, width if width > height else height)


@inner
def _ends(values: FloatArray, begin: Position, end: Position) -> tuple[float, float]:
    """Return the lowest and the highest of the values begin:end."""
    low = high = values[begin]
    for i in range(begin, end):
        low = values[i] if values[i] < low else low
        high = values[i] if values[i] > high else high
    return low, high


@inner
def _apart(low_a: float, high_a: float, low_b: float, high_b: float) -> tuple[float, float]:
    """Return how far two intervals are apart at least and at most."""
    gap, other_gap, far, other_far = low_b - high_a, low_a - high_b, high_b - low_a, high_a - low_b
    gap = gap if gap > other_gap else other_gap
    return gap if gap > 0.0 else 0.0, far if far > other_far else other_far


@inner
def _apart_along(
    along_x: float, along_y: float, x: FloatArray, y: FloatArray, sides: Record, scale: float, squared: float
) -> bool:
    """Return whether both sides are farther apart than a squared distance, seen along a direction.

    Boxes overlap where two sides follow each other aslant. Along the line from one to the other these are as far apart
    as they are, but for how much they curve.
    """
    length = math.sqrt(scale * along_x * along_x + along_y * along_y)
    if length == 0.0:
        return False
    along_x, along_y = scale * along_x / length, along_y / length
    from_x, from_y = x[sides.a], y[sides.a]
    highest, lowest = -np.inf, np.inf
    for i in range(sides.a, sides.b):
        along = along_x * (x[i] - from_x) + along_y * (y[i] - from_y)
        highest = along if along > highest else highest
    for i in range(sides.c, sides.d):
        along = along_x * (x[i] - from_x) + along_y * (y[i] - from_y)
        lowest = along if along < lowest else lowest
    gap = lowest - highest
    return gap > 0.0 and gap * gap > squared


@inner
def _halve(x: FloatArray, y: FloatArray, begin: Position, end: Position, box: _Box) -> Position:
    """Reorder points that do not all coincide around the middle of their box; return where the upper half begins."""
    along, low, high = y, box.low_y, box.high_y
    if box.high_x - box.low_x >= high - low:
        along, low, high = x, box.low_x, box.high_x
    middle = low + 0.5 * (high - low)
    to = begin
    for i in range(begin, end):
        if along[i] <= middle and along[i] < high:
            at_x, at_y = x[i], y[i]
            x[i], y[i] = x[to], y[to]
            x[to], y[to] = at_x, at_y
            to += ONE
    return to
