"""Many points against the same many: counting in single precision, where bounds leave a margin for its rounding.

The points that are neither surely nor surely not within eps of a cell are gathered side by side, once for all points of
the cell, relative to it and in units of eps. Then sixteen are compared at once, however they lie in memory.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from haversine_dbscan.arrays import FloatArray, IndexArray
from haversine_dbscan.frame import Frame, Whole
from haversine_dbscan.lanes import LANES, count_block

SingleArray = NDArray[np.float32]

MOST_GATHERED = 65_536
"""More points than that would not stay in the processor's cache."""
PADDING = 2 * LANES
_AT_ONCE = 128
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


@njit(cache=True, nogil=True)
def single_scale(frame: Frame, scale: FloatArray, beyond: FloatArray, rows: Whole) -> Scale:
    """Return one scale for all rows in reach; scale, beyond: of the first `rows` of them."""
    smallest, largest, farthest = scale[0], scale[0], beyond[0]
    for t in range(rows):
        smallest, largest, farthest = min(smallest, scale[t]), max(largest, scale[t]), max(farthest, beyond[t])
    return Scale(
        math.sqrt(largest / frame.squared),
        math.sqrt(1.0 / frame.squared),
        np.float32(1.0 - _ROUNDING),
        np.float32(farthest / frame.squared * (largest / smallest) * (1.0 + _ROUNDING)),
    )


@njit(cache=True, nogil=True)
def gather(
    x: FloatArray,
    y: FloatArray,
    scale: Scale,
    centre: Whole,
    begin: IndexArray,
    end: IndexArray,
    rows: Whole,
    near_x: SingleArray,
    near_y: SingleArray,
) -> Whole:
    """Fill in the points begin:end of both slices of each row, relative to point `centre`; return how many.

    begin, end: (rows, 2). near_x, near_y: float32. `PADDING` points that are beyond eps of all follow.
    """
    centre_x, centre_y = x[centre], y[centre]
    to = np.uintp(0)
    for t in range(rows):
        for side in range(2):
            for j in range(np.uintp(begin[t, side]), np.uintp(end[t, side])):
                near_x[to] = np.float32((x[j] - centre_x) * scale.x)
                near_y[to] = np.float32((y[j] - centre_y) * scale.y)
                to += np.uintp(1)
    for k in range(to, to + np.uintp(PADDING)):
        near_x[k], near_y[k] = np.float32(1e9), np.float32(1e9)
    return np.int64(to)


@njit(cache=True, nogil=True, forceinline=True)
def enough_gathered(
    near_x: SingleArray,
    near_y: SingleArray,
    total: Whole,
    scale: Scale,
    dx: float,
    dy: float,
    wanted: Whole,
) -> int:
    """Return 1 if at least `wanted` of the gathered points are within eps of (dx, dy), 0 if not, −1 if undecided.

    dx, dy: relative to the centre, as yet unscaled.
    """
    at_x, at_y = np.float32(dx * scale.x), np.float32(dy * scale.y)
    one, lanes = np.float32(1.0), np.uintp(PADDING)
    near, maybe = 0, 0
    position, stop = np.uintp(0), np.uintp(0)
    while position < np.uintp(total):
        stop += np.uintp(_AT_ONCE)
        while position < min(stop, np.uintp(total)):
            near += count_block(near_x, near_y, position, lanes, at_x, at_y, one, scale.within)
            maybe += count_block(near_x, near_y, position, lanes, at_x, at_y, one, scale.beyond)
            position += lanes
        if near >= wanted:
            return 1
        if maybe + total - np.int64(position) < wanted and (position < np.uintp(total) or maybe < wanted):
            return 0
    return -1
