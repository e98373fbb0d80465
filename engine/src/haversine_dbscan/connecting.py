"""Which core points belong together: those of a cell do, and cells do where two of their core points are within eps.

A disjoint-set forest over the cells with core points (union by lowest index, path halving; Tarjan 1975). Cells surely
within eps are united without a look at their points; then neighbours, then all others are tested, and only where they
are not united already. Cells side by side that are, a run, are passed over at once.
"""

from __future__ import annotations

import numpy as np

from haversine_dbscan.arrays import ONE, FloatArray, IndexArray, IntArray, Position, Record
from haversine_dbscan.compiling import inlined, kernel, merged
from haversine_dbscan.cores import CoreCells
from haversine_dbscan.frame import Frame, Pair, pair_of_rows
from haversine_dbscan.layout import Layout
from haversine_dbscan.threads import Range
from haversine_dbscan.touching import FEW_PAIRS, any_within
from haversine_dbscan.window import Scratch, Width, begin_window, fill_tables, window
from haversine_dbscan.within import any_near

SURE, ADJACENT, ALL = 0, 1, 2
"""The stages of connecting."""
_TRIED, _FEW_PAIRS = np.uintp(16), np.uintp(FEW_PAIRS)
"""Of a crowded cell, so many points are tried one by one: most cells side by side touch at the first."""


@inlined
def find_root(parent: IndexArray, node: Position) -> Position:
    """Return the root of a node, and shorten the way to it."""
    here, up = node, np.uintp(parent[node])
    while up != here:
        parent[here] = parent[up]
        here = up
        up = np.uintp(parent[here])
    return here


@kernel
def find_roots(parent: IndexArray, cells: Range) -> None:
    """Make each cell of a range point at its root."""
    for cell in range(np.uintp(cells[0]), np.uintp(cells[1])):
        parent[cell] = find_root(parent, cell)


@kernel
def find_runs(row_cell: IntArray, of: IndexArray, rows: Range, run_end: IndexArray) -> None:
    """Fill in where the run of each cell ends: cells one after the other in a row with the same value in `of`."""
    for row in range(rows[0], rows[1]):
        end = row_cell[row + 1]
        for cell in range(row_cell[row + 1] - 1, row_cell[row] - 1, -1):
            if cell + 1 < row_cell[row + 1] and of[cell] != of[cell + 1]:
                end = cell + 1
            run_end[cell] = end


@kernel
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
    scratch: Scratch,
) -> None:
    """Unite the cells of a range of rows with those of later rows, or later in the same row, that are in `others`.

    parent: int32 or int64 (K,), the forest; only cells of the two ranges are touched, so that ranges may run in
    parallel. run_end: int32 or int64 (K,), for the last stage.
    """
    row_cell, column = cores.row_cell, cores.column
    size = frame.reach + 1
    table, one, cells = scratch.table, scratch.outer[0], scratch.cells
    filled = rows[0] if rows[0] > others[0] else others[0]
    for row in range(rows[0], rows[1]):
        stop = row + frame.reach + 1
        stop = stop if stop < others[1] else others[1]
        filled = fill_tables(table, width, column, cells, row_cell, size, filled, stop)
        if row_cell[row] == row_cell[row + 1]:
            continue
        for other in range(row if row > others[0] else others[0], stop):
            if row_cell[other] == row_cell[other + 1]:
                continue
            pair = pair_of_rows(frame, row, other)
            columns = pair.inner
            if stage != SURE:
                columns = pair.outer
                if stage == ADJACENT:
                    columns = 1 if columns > 1 else columns
                    columns = columns if other - row <= 1 and pair.inner < 1 else -1
            if columns >= 0:
                zero = (other % size) * width.entries + width.margin
                begin_window(one, row_cell[other], row_cell[other + 1], zero, columns)
                _connect_rows(frame, layout, cores, table, one, parent, run_end, row, other, pair, stage, cells)


@merged
def _connect_rows(
    frame: Frame,
    layout: Layout,
    cores: CoreCells,
    table: IndexArray,
    one: Record,
    parent: IndexArray,
    run_end: IndexArray,
    row: int,
    other: int,
    pair: Pair,
    stage: int,
    cells: IndexArray,
) -> None:
    limit, x, y = frame.metric.limit, layout.x, layout.y
    start, stop, column, row_cell = cores.start, cores.stop, cores.column, cores.row_cell
    for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
        first, last = window(table, column, cells, one, column[cell])
        candidate, beyond = np.uintp(first), np.uintp(last)
        if row == other:
            candidate = cell + ONE
        while candidate < beyond:
            united = parent[candidate] == parent[cell]
            if not united:
                a, b = find_root(parent, cell), find_root(parent, candidate)
                united = a == b
                if not united and (
                    stage == SURE
                    or _touch(
                        limit,
                        pair,
                        x,
                        y,
                        np.uintp(start[cell]),
                        np.uintp(stop[cell]),
                        np.uintp(start[candidate]),
                        np.uintp(stop[candidate]),
                    )
                ):
                    parent[a if a > b else b] = a if a < b else b
                    united = True
            candidate = np.uintp(run_end[candidate]) if united and stage == ALL else candidate + ONE


@merged
def _touch(
    limit: float,
    pair: Pair,
    x: FloatArray,
    y: FloatArray,
    first: Position,
    last: Position,
    begin: Position,
    end: Position,
) -> bool:
    """Return whether one of the points first:last is within eps of one of begin:end."""
    crowded = (last - first) * (end - begin) > _FEW_PAIRS
    tried = last
    if crowded and first + _TRIED < last:
        tried = first + _TRIED
    for i in range(first, tried):
        if any_near(limit, pair.scale, pair.within, pair.beyond, x, y, x[i], y[i], begin, end):
            return True
    return bool(crowded) and any_within(limit, pair, x, y, first, last, begin, end)
