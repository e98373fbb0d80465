"""Which core points belong together: those of a cell do, and cells do where two of their core points are within eps.

A disjoint-set forest over the cells with core points (union by lowest index, path halving; Tarjan 1975). Cells surely
within eps are united without a look at their points; then neighbours, then all others are tested, and only where they
are not united already. Cells side by side that are, a run, are passed over at once.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from haversine_dbscan.arrays import FloatArray, IndexArray, IntArray
from haversine_dbscan.cores import CoreCells
from haversine_dbscan.frame import Frame, Metric, Pair, Whole, pair_of_rows
from haversine_dbscan.layout import Layout
from haversine_dbscan.threads import Range
from haversine_dbscan.touching import FEW_PAIRS, any_within
from haversine_dbscan.window import PositionArray, Width, fill_tables, window
from haversine_dbscan.within import any_near

SURE, ADJACENT, ALL = 0, 1, 2
"""The stages of connecting."""
_TRIED = 16
"""Of a crowded cell, so many points are tried one by one: most cells side by side touch at the first."""


@njit(cache=True, nogil=True, forceinline=True)
def find_root(parent: IndexArray, node: Whole) -> Whole:
    """Return the root of a node, and shorten the way to it."""
    here = np.uintp(node)
    up = np.uintp(parent[here])
    while up != here:
        parent[here] = parent[up]
        here = up
        up = np.uintp(parent[here])
    return here


@njit(cache=True, nogil=True)
def find_roots(parent: IndexArray, cells: Range) -> None:
    """Make each cell of a range point at its root."""
    for cell in range(cells[0], cells[1]):
        parent[cell] = find_root(parent, cell)


@njit(cache=True, nogil=True)
def find_runs(row_cell: IntArray, of: IndexArray, rows: Range, run_end: IndexArray) -> None:
    """Fill in where the run of each cell ends: cells one after the other in a row with the same value in `of`."""
    for row in range(rows[0], rows[1]):
        end = row_cell[row + 1]
        for cell in range(row_cell[row + 1] - 1, row_cell[row] - 1, -1):
            if cell + 1 < row_cell[row + 1] and of[cell] != of[cell + 1]:
                end = cell + 1
            run_end[cell] = end


@njit(cache=True, nogil=True)
def connect(
    frame: Frame,
    layout: Layout,
    cores: CoreCells,
    width: Width,
    parent: IndexArray,
    run_end: IndexArray,
    rows: Range,
    others: Range,
    stage: int,
) -> None:
    """Unite the cells of a range of rows with those of later rows, or later in the same row, that are in `others`.

    parent: int32 or int64 (K,), the forest; only cells of the two ranges are touched, so that ranges may run in
    parallel. run_end: int32 or int64 (K,), for the last stage.
    """
    row_cell, column = cores.row_cell, cores.column
    size = frame.reach + 1
    table = np.empty(size * width.entries, parent.dtype)
    begin, end = np.empty(1, np.uintp), np.empty(1, np.uintp)
    filled = max(rows[0], others[0])
    for row in range(rows[0], rows[1]):
        stop = min(row + frame.reach + 1, others[1])
        filled = fill_tables(table, width, column, None, row_cell, size, filled, stop)
        if row_cell[row] == row_cell[row + 1]:
            continue
        for other in range(max(row, others[0]), stop):
            if row_cell[other] == row_cell[other + 1]:
                continue
            pair = pair_of_rows(frame, row, other)
            columns = pair.outer
            if stage == SURE:
                columns = pair.inner
            elif stage == ADJACENT:
                columns = min(columns, 1) if other - row <= 1 and pair.inner < 1 else -1
            if columns >= 0:
                zero = (other % size) * width.entries + width.margin
                begin[0] = end[0] = row_cell[other]
                _connect_rows(
                    frame, layout, cores, table, zero, begin, end, parent, run_end, row, other, pair, columns, stage
                )


@njit(cache=True, nogil=True)
def _connect_rows(
    frame: Frame,
    layout: Layout,
    cores: CoreCells,
    table: IndexArray,
    zero: int,
    begin: PositionArray,
    end: PositionArray,
    parent: IndexArray,
    run_end: IndexArray,
    row: int,
    other: int,
    pair: Pair,
    columns: int,
    stage: int,
) -> None:
    metric, x, y = frame.metric, layout.x, layout.y
    start, stop, column, row_cell = cores.start, cores.stop, cores.column, cores.row_cell
    row_end = np.uintp(row_cell[other + 1])
    for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
        first, last = window(table, zero, column, None, begin, end, 0, row_end, column[cell], columns)
        candidate, beyond = np.uintp(first), np.uintp(last)
        if row == other:
            candidate = cell + np.uintp(1)
        while candidate < beyond:
            united = parent[candidate] == parent[cell]
            if not united:
                a, b = find_root(parent, cell), find_root(parent, candidate)
                united = a == b
                if not united and (
                    stage == SURE
                    or _touch(metric, pair, x, y, start[cell], stop[cell], start[candidate], stop[candidate])
                ):
                    parent[max(a, b)] = min(a, b)
                    united = True
            candidate = np.uintp(run_end[candidate]) if united and stage == ALL else candidate + np.uintp(1)


@njit(cache=True, nogil=True, forceinline=True)
def _touch(
    metric: Metric, pair: Pair, x: FloatArray, y: FloatArray, first: Whole, last: Whole, begin: Whole, end: Whole
) -> bool:
    """Return whether one of the points first:last is within eps of one of begin:end."""
    crowded = np.int64(last - first) * np.int64(end - begin) > FEW_PAIRS
    tried = np.uintp(min(first + _TRIED, last) if crowded else last)
    for i in range(np.uintp(first), tried):
        if any_near(metric, pair.scale, pair.within, pair.beyond, x, y, x[i], y[i], begin, end):
            return True
    return bool(crowded and any_within(metric, pair, x, y, np.uintp(first), np.uintp(last), begin, end))
