"""The rows that eps reaches from one row, and what is known of their cells: a line for each, nearest row first.

Kernels walk along a row, and along with it slices of the cells of the rows that eps reaches. Arrays are passed one by
one and not in tuples, as compiled code would count references for each look into a tuple of arrays.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from taxi_mlops.engine.frame import FloatArray, Frame, Whole, pair_of_rows
from taxi_mlops.engine.layout import IntArray

PositionArray = NDArray[np.uintp]


@njit(cache=True, nogil=True)
def rows_in_reach(
    frame: Frame,
    row_cell: IntArray,
    row: int,
    begin: PositionArray,
    end: PositionArray,
    inner: IntArray,
    outer: IntArray,
    scale: FloatArray,
    within: FloatArray,
    beyond: FloatArray,
) -> int:
    """Fill in the cells begin:end and the `Pair` of each occupied row within eps of a row; return their number."""
    rows = 0
    for step in range(2 * frame.reach + 1):
        other = row + ((step + 1) // 2 if step % 2 else -(step // 2))
        if 0 <= other < row_cell.shape[0] - 1 and row_cell[other] < row_cell[other + 1]:
            pair = pair_of_rows(frame, row, other)
            if pair.outer >= 0:
                begin[rows], end[rows] = row_cell[other], row_cell[other + 1]
                inner[rows], outer[rows] = pair.inner, pair.outer
                scale[rows], within[rows], beyond[rows] = pair.scale, pair.within, pair.beyond
                rows += 1
    return rows


@njit(cache=True, nogil=True, forceinline=True)
def first_from(column: IntArray, position: Whole, end: Whole, wanted: Whole) -> Whole:
    """Return the first position from `position` to `end` whose column is at least `wanted`."""
    while position < end and column[position] < wanted:
        position += np.uintp(1)
    return position
