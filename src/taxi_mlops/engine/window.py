"""The rows that eps reaches from one row, and slices of their cells that move along as the row is walked.

A window is three arrays with a line for each row, nearest first; plain arrays, as compiled code would count references
for each look into a tuple of them.

slices: uintp (rows, 5), see the names below. columns: int64 (rows, 2), `inner` and `outer` of the pair of rows. scales:
float64 (rows, 3), its `scale`, `within` and `beyond`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from taxi_mlops.engine.frame import FloatArray, Frame, Whole, pair_of_rows
from taxi_mlops.engine.layout import IntArray

PositionArray = NDArray[np.uintp]

END, OUTER_BEGIN, OUTER_END, INNER_BEGIN, INNER_END = 0, 1, 2, 3, 4
"""The cells of a row end at END; those possibly within eps of the present cell are OUTER_BEGIN:OUTER_END, those surely
within eps INNER_BEGIN:INNER_END."""

INNER, OUTER = 0, 1


@njit(cache=True, nogil=True)
def new_window(frame: Frame) -> tuple[PositionArray, IntArray, FloatArray]:
    """Return an unset window."""
    rows = 2 * frame.reach + 1
    return np.empty((rows, 5), np.uintp), np.empty((rows, 2), np.int64), np.empty((rows, 3), np.float64)


@njit(cache=True, nogil=True)
def open_window(
    frame: Frame, row_cell: IntArray, row: int, slices: PositionArray, columns: IntArray, scales: FloatArray
) -> int:
    """Set a window to the beginning of a row, and return how many rows it has."""
    rows = 0
    for step in range(2 * frame.reach + 1):
        other = row + ((step + 1) // 2 if step % 2 else -(step // 2))
        if 0 <= other < row_cell.shape[0] - 1 and row_cell[other] < row_cell[other + 1]:
            pair = pair_of_rows(frame, row, other)
            if pair.outer >= 0:
                slices[rows] = row_cell[other]
                slices[rows, END] = row_cell[other + 1]
                columns[rows, INNER], columns[rows, OUTER] = pair.inner, pair.outer
                scales[rows, 0], scales[rows, 1], scales[rows, 2] = pair.scale, pair.within, pair.beyond
                rows += 1
    return rows


@njit(cache=True, nogil=True, forceinline=True)
def first_from(column: IntArray, position: Whole, end: Whole, wanted: Whole) -> Whole:
    """Return the first position from `position` to `end` whose column is at least `wanted`."""
    while position < end and column[position] < wanted:
        position += np.uintp(1)
    return position


@njit(cache=True, nogil=True, forceinline=True)
def move_outer(column: IntArray, slices: PositionArray, columns: IntArray, t: Whole, here: Whole) -> None:
    """Move the outer slice of a row of a window to the column `here`, from a column before it."""
    first = first_from(column, slices[t, OUTER_BEGIN], slices[t, END], here - columns[t, OUTER])
    slices[t, OUTER_BEGIN] = first
    slices[t, OUTER_END] = first_from(
        column, max(slices[t, OUTER_END], first), slices[t, END], here + columns[t, OUTER] + 1
    )


@njit(cache=True, nogil=True, forceinline=True)
def move_inner(column: IntArray, slices: PositionArray, columns: IntArray, t: Whole, here: Whole) -> None:
    """Do the same with the inner slice, after the outer one."""
    begin = max(slices[t, INNER_BEGIN], slices[t, OUTER_BEGIN])
    first = first_from(column, begin, slices[t, END], here - columns[t, INNER])
    slices[t, INNER_BEGIN] = first
    slices[t, INNER_END] = first_from(
        column, max(slices[t, INNER_END], first), slices[t, END], here + columns[t, INNER] + 1
    )
