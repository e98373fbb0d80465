"""The cells that eps reaches from a cell: a window of columns in each of the rows in reach, nearest row first.

A kernel walks along its rows with tables of the rows in reach, in which a window of columns is two look-ups; at each
step one more replaces the oldest. A table has an entry for every column, so it pays where these are not many more than
the points; elsewhere positions in each row move along with the cell that is decided.

Arrays are passed one by one and not in tuples, as compiled code would count references for each look into a tuple of
arrays.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from haversine_dbscan.arrays import FloatArray, IndexArray, IntArray
from haversine_dbscan.frame import Frame, Whole, pair_of_rows
from haversine_dbscan.layout import Layout

PositionArray = NDArray[np.uintp]

_MOST_COLUMNS = 32_768
"""So that the tables of the rows in reach stay in the processor's cache."""
_MOST_PER_POINT = 64
"""Of entries of all tables, so that filling them takes no longer than the points do."""


class Width(NamedTuple):
    """Of a table: its entries, or 0 where none pays, and how many of them are for columns before the first."""

    entries: int
    margin: int


@njit(cache=True, nogil=True)
def table_width(frame: Frame, layout: Layout) -> Width:
    """Return how wide the table of a row is. O(R)."""
    smallest, rows = 1.0, 0
    for row in range(layout.row_cell.shape[0] - 1):
        if layout.row_cell[row] < layout.row_cell[row + 1]:
            rows += 1
            smallest = min(smallest, frame.smallest_cosine[row])
    farthest = math.sqrt(frame.squared / frame.curvature) / smallest + frame.slack
    margin = int(farthest / frame.width) + 3
    entries = frame.columns + 2 * margin
    if entries > _MOST_COLUMNS or entries * rows > _MOST_PER_POINT * layout.x.shape[0] + 2**18:
        entries = 0
    return Width(entries, margin)


@njit(cache=True, nogil=True)
def fill_tables(
    table: IndexArray,
    width: Width,
    column: IntArray,
    value: IndexArray | None,
    row_cell: IntArray,
    rows: int,
    row: int,
    stop: int,
) -> int:
    """Fill in the tables of the occupied rows of row:stop, each in place of the one `rows` before; return the next row.

    The entry for a column is the value of the first cell of the row in that column or a later one, or else of the cell
    after the row; cells are their own values where there are none. O(width) per row.
    """
    while row < min(stop, row_cell.shape[0] - 1) and width.entries > 0:
        if row_cell[row] == row_cell[row + 1]:
            row += 1
            continue
        begin = (row % rows) * width.entries
        entry = np.uintp(begin)
        for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
            after = np.uintp(begin + width.margin + column[cell] + 1)
            while entry < after:
                table[entry] = cell if value is None else value[cell]
                entry += np.uintp(1)
        while entry < np.uintp(begin + width.entries):
            table[entry] = row_cell[row + 1] if value is None else value[np.uintp(row_cell[row + 1])]
            entry += np.uintp(1)
        row += 1
    return row


@njit(cache=True, nogil=True)
def rows_in_reach(
    frame: Frame,
    row_cell: IntArray,
    row: int,
    width: Width,
    begin: PositionArray,
    end: PositionArray,
    zero: IntArray,
    inner: IntArray,
    outer: IntArray,
    scale: FloatArray,
    within: FloatArray,
    beyond: FloatArray,
) -> int:
    """Fill in the cells begin:end and the `Pair` of each occupied row within eps of a row; return their number.

    zero: where in the tables the entry for column 0 of each row is.
    """
    rows = 0
    for step in range(2 * frame.reach + 1):
        other = row + ((step + 1) // 2 if step % 2 else -(step // 2))
        if 0 <= other < row_cell.shape[0] - 1 and row_cell[other] < row_cell[other + 1]:
            pair = pair_of_rows(frame, row, other)
            if pair.outer >= 0:
                begin[rows], end[rows] = row_cell[other], row_cell[other + 1]
                zero[rows] = (other % (2 * frame.reach + 1)) * width.entries + width.margin
                inner[rows], outer[rows] = pair.inner, pair.outer
                scale[rows], within[rows], beyond[rows] = pair.scale, pair.within, pair.beyond
                rows += 1
    return rows


@njit(cache=True, nogil=True, forceinline=True)
def window(
    table: IndexArray,
    zero: Whole,
    column: IntArray,
    value: IndexArray | None,
    begin: PositionArray,
    end: PositionArray,
    t: Whole,
    stop: Whole,
    here: Whole,
    columns: Whole,
) -> tuple[np.int64, np.int64]:
    """Return the value of the first cell that is at most so many columns from here, and that of the first beyond.

    table: of the rows in reach; empty where none pays. zero: its entry for column 0 of the row. Without a table, the
    positions begin[t] and end[t] move along, up to `stop`.
    """
    if table.shape[0] > 0:
        first, last = np.uintp(zero + here - columns), np.uintp(zero + here + columns + 1)
        return np.int64(table[first]), np.int64(table[last])
    begin[t] = first_from(column, begin[t], stop, here - columns)
    end[t] = first_from(column, max(end[t], begin[t]), stop, here + columns + 1)
    if value is None:
        return np.int64(begin[t]), np.int64(end[t])
    return np.int64(value[begin[t]]), np.int64(value[end[t]])


@njit(cache=True, nogil=True, forceinline=True)
def first_from(column: IntArray, position: Whole, end: Whole, wanted: Whole) -> Whole:
    """Return the first position from `position` to `end` whose column is at least `wanted`."""
    while position < end and column[position] < wanted:
        position += np.uintp(1)
    return position
