"""The cells that eps reaches from a cell: a window of columns in each of the rows in reach, nearest row first.

A kernel walks along its rows with tables of the rows in reach, in which a window of columns is two look-ups; at each
step one more replaces the oldest. A table has an entry for every column, so it pays where these are not many more than
the points; elsewhere positions in each row move along with the cell that is decided.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from haversine_dbscan.arrays import ONE, IndexArray, IntArray, Position, Record, Records, record
from haversine_dbscan.compiling import inlined, inner
from haversine_dbscan.frame import Frame, Whole, pair_of_rows
from haversine_dbscan.layout import Layout

WINDOW = record(begin=np.uintp, end=np.uintp, stop=np.uintp, zero=np.int64, columns=np.int64)
"""Of cells in a row in reach. columns: how many it extends to both sides; −1 where there is none. zero: the entry for
column 0 in the tables. Without tables, begin and end are positions that move along, up to `stop`."""

REACHED = record(
    scale=np.float64,
    within=np.float64,
    beyond=np.float64,
    first=np.int64,
    sure_first=np.int64,
    sure_last=np.int64,
    last=np.int64,
)
"""A row in reach. scale, within, beyond: of its `Pair`. first:last are the points possibly within eps of those of a
cell, but for sure_first:sure_last, which surely are."""

_MOST_COLUMNS = 32_768
"""So that the tables of the rows in reach stay in the processor's cache."""
_MOST_PER_POINT = 64
"""Of entries of all tables, so that filling them takes no longer than the points do."""


class Width(NamedTuple):
    """Of a table: its entries, or 0 where none pays, and how many of them are for columns before the first."""

    entries: int
    margin: int


def table_width(frame: Frame, layout: Layout) -> Width:
    """Return how wide the table of a row is. O(R)."""
    occupied = np.diff(layout.row_cell) > 0
    smallest = float(frame.smallest_cosine.min(where=occupied, initial=1.0))
    farthest = math.sqrt(frame.squared / frame.curvature) / smallest + frame.slack
    margin = int(farthest / frame.width) + 3
    entries = frame.columns + 2 * margin
    most = _MOST_PER_POINT * len(layout.x) + 2**18
    if entries > _MOST_COLUMNS or entries * int(np.count_nonzero(occupied)) > most:
        entries = 0
    return Width(entries, margin)


class Scratch(NamedTuple):
    """What a kernel writes to on its way along the rows; never initialised.

    table: int32 or int64, the tables of the rows in reach. outer, inner: `WINDOW`, the cells possibly and surely within
    eps in each row in reach; reached: `REACHED`. cells: empty, of the type of the table.
    """

    table: IndexArray
    outer: Records
    inner: Records
    reached: Records
    cells: IndexArray


def make_scratch(frame: Frame, width: Width, index: np.dtype[Any]) -> Scratch:
    """Return what one range of rows needs; index: the type of what is in the tables."""
    rows = 2 * frame.reach + 1
    return Scratch(
        table=np.empty(rows * width.entries, index),
        outer=np.empty(rows, WINDOW),
        inner=np.empty(rows, WINDOW),
        reached=np.empty(rows, REACHED),
        cells=np.empty(0, index),
    )


@inner
def fill_tables(
    table: IndexArray,
    width: Width,
    column: IntArray,
    value: IndexArray,
    row_cell: IntArray,
    rows: int,
    row: int,
    stop: int,
) -> int:
    """Fill in the tables of the occupied rows of row:stop, each in place of the one `rows` before; return the next row.

    The entry for a column is the value of the first cell of the row in that column or a later one, or else of the cell
    after the row; where `value` is empty, cells are their own values. O(width) per row.
    """
    plain = value.shape[0] == 0
    while row < stop and row + 1 < row_cell.shape[0] and width.entries > 0:
        cell, last = np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])
        if cell < last:
            begin = (row % rows) * width.entries
            entry, end = np.uintp(begin), np.uintp(begin + width.entries)
            while entry < end:
                after = np.uintp(begin + width.margin + column[cell] + 1) if cell < last else end
                known = np.int64(cell) if plain else np.int64(value[cell])
                while entry < after:
                    table[entry] = known
                    entry += ONE
                cell += ONE
        row += 1
    return row


@inner
def rows_in_reach(
    frame: Frame, row_cell: IntArray, row: int, width: Width, outer: Records, inner: Records, reached: Records
) -> Position:
    """Fill in the windows and the `Pair` of each occupied row within eps of a row; return their number.

    outer, inner: `WINDOW`, of the cells possibly and surely within eps. reached: `REACHED`.
    """
    rows = np.uintp(0)
    for step in range(2 * frame.reach + 1):
        half = (step + 1) >> 1
        other = row + half if step & 1 else row - half
        if 0 <= other < row_cell.shape[0] - 1 and row_cell[other] < row_cell[other + 1]:
            pair = pair_of_rows(frame, row, other)
            if pair.outer >= 0:
                zero = (other % (2 * frame.reach + 1)) * width.entries + width.margin
                begin_window(outer[rows], row_cell[other], row_cell[other + 1], zero, pair.outer)
                begin_window(inner[rows], row_cell[other], row_cell[other + 1], zero, pair.inner)
                here = reached[rows]
                here.scale = pair.scale
                here.within = pair.within
                here.beyond = pair.beyond
                rows += ONE
    return rows


@inner
def begin_window(one: Record, begin: int, stop: int, zero: int, columns: int) -> None:
    """Let a window begin at the first cell of its row."""
    one.begin = begin
    one.end = begin
    one.stop = stop
    one.zero = zero
    one.columns = columns


@inlined
def window(table: IndexArray, column: IntArray, value: IndexArray, one: Record, here: int) -> tuple[Whole, Whole]:
    """Return the value of the first cell in the window of column `here`, and that of the first beyond.

    table: of the rows in reach; empty where none pays. value: as of `fill_tables`. one: `WINDOW`.
    """
    columns = one.columns
    if table.shape[0] > 0:
        at = one.zero + here
        return np.int64(table[np.uintp(at - columns)]), np.int64(table[np.uintp(at + columns + 1)])
    begin, end, stop = one.begin, one.end, one.stop
    while begin < stop and column[begin] < here - columns:
        begin += ONE
    end = end if end > begin else begin
    while end < stop and column[end] <= here + columns:
        end += ONE
    one.begin = begin
    one.end = end
    if value.shape[0] == 0:
        return np.int64(begin), np.int64(end)
    return np.int64(value[begin]), np.int64(value[end])
