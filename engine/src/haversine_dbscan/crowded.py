"""Many points against the same many: counting in single precision, where bounds leave a margin for its rounding.

The points that are neither surely nor surely not within eps of a cell are gathered side by side, once for all points of
the cell, relative to it and in units of eps. Then sixteen are compared at once, however they lie in memory.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from haversine_dbscan.arrays import ONE, FloatArray, Position, Records
from haversine_dbscan.compiling import inlined, inner
from haversine_dbscan.frame import Frame, Whole
from haversine_dbscan.lanes import LANES, count_block

SingleArray = NDArray[np.float32]

MOST_GATHERED = 65_536
"""More points than that would not stay in the processor's cache."""
PADDING = 2 * LANES
_LANES, _AT_ONCE = np.uintp(PADDING), np.uintp(128)
_SCALE, _FAR_AWAY = np.float32(1.0), np.float32(1e9)
_ROUNDING = 1e-5
"""Of a squared distance in units of eps²; ten times what single precision makes of coordinates up to three eps."""


class Scale(NamedTuple):
    """Of the differences to a cell, so that eps is 1: squared distances up to `within` surely are within eps, and those
    above `beyond` surely are not.
    """

    x: float
    y: float
    within: np.float32
    beyond: np.float32


@inner
def single_scale(frame: Frame, reached: Records, rows: Whole) -> Scale:
    """Return one scale for all rows in reach; reached: `REACHED`, of the first `rows` of them."""
    smallest = largest = reached[0].scale
    farthest = reached[0].beyond
    for t in range(rows):
        scale, beyond = reached[t].scale, reached[t].beyond
        smallest = scale if scale < smallest else smallest
        largest = scale if scale > largest else largest
        farthest = beyond if beyond > farthest else farthest
    return Scale(
        math.sqrt(largest / frame.squared),
        math.sqrt(1.0 / frame.squared),
        np.float32(1.0 - _ROUNDING),
        np.float32(farthest / frame.squared * (largest / smallest) * (1.0 + _ROUNDING)),
    )


@inner
def gather(
    x: FloatArray,
    y: FloatArray,
    scale: Scale,
    centre: Whole,
    reached: Records,
    rows: Whole,
    near_x: SingleArray,
    near_y: SingleArray,
) -> Position:
    """Fill in the points possibly but not surely within eps, relative to point `centre`; return how many.

    reached: `REACHED`. near_x, near_y: float32. `PADDING` points that are beyond eps of all follow.
    """
    centre_x, centre_y = x[centre], y[centre]
    to = np.uintp(0)
    for t in range(rows):
        one = reached[t]
        j, stop = np.uintp(one.first), np.uintp(one.sure_first)
        for _ in range(2):
            while j < stop:
                near_x[to] = np.float32((x[j] - centre_x) * scale.x)
                near_y[to] = np.float32((y[j] - centre_y) * scale.y)
                to += ONE
                j += ONE
            j, stop = np.uintp(one.sure_last), np.uintp(one.last)
    for k in range(to, to + _LANES):
        near_x[k] = _FAR_AWAY
        near_y[k] = _FAR_AWAY
    return to


@inlined
def enough_gathered(
    near_x: SingleArray, near_y: SingleArray, total: Position, scale: Scale, dx: float, dy: float, wanted: Whole
) -> int:
    """Return 1 if at least `wanted` of the gathered points are within eps of (dx, dy), 0 if not, −1 if undecided.

    dx, dy: relative to the centre, as yet unscaled.
    """
    at_x, at_y = np.float32(dx * scale.x), np.float32(dy * scale.y)
    near, maybe = 0, 0
    position = np.uintp(0)
    while position < total:
        stop = position + _AT_ONCE if position + _AT_ONCE < total else total
        while position < stop:
            near += count_block(near_x, near_y, position, _LANES, at_x, at_y, _SCALE, scale.within)
            maybe += count_block(near_x, near_y, position, _LANES, at_x, at_y, _SCALE, scale.beyond)
            position += _LANES
        if near >= wanted:
            return 1
        left = np.int64(total) - np.int64(position)
        if maybe + left < wanted and (left > 0 or maybe < wanted):
            return 0
    return -1
