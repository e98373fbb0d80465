"""Which core points belong together: those of a cell do, and cells do where two of their core points are within eps.

A disjoint-set forest over cells (union by lowest index, path halving; Tarjan 1975). Cells surely within eps are united
without a look at their points; then neighbours, then all others are tested, and only where they are not united already.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from taxi_mlops.engine.frame import FloatArray, Frame, Metric, Pair, Whole, count_within, pair_of_rows
from taxi_mlops.engine.layout import IndexArray, Layout
from taxi_mlops.engine.threads import Range
from taxi_mlops.engine.touching import FEW_PAIRS, any_within
from taxi_mlops.engine.window import first_from

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
def connect(
    frame: Frame, layout: Layout, n_core: IndexArray, parent: IndexArray, rows: Range, others: Range, stage: int
) -> None:
    """Unite the cells of a range of rows with those of later rows, or later in the same row, that are in `others`.

    parent: int32 or int64 (C,), the forest; only cells of the two ranges are touched, so that ranges may run in
    parallel.
    """
    for row in range(rows[0], rows[1]):
        for other in range(max(row, others[0]), min(row + frame.reach + 1, others[1])):
            if layout.row_cell[row] < layout.row_cell[row + 1] and layout.row_cell[other] < layout.row_cell[other + 1]:
                pair = pair_of_rows(frame, row, other)
                columns = pair.outer
                if stage == SURE:
                    columns = pair.inner
                elif stage == ADJACENT:
                    columns = min(columns, 1) if other - row <= 1 else -1
                if columns >= 0:
                    _connect_rows(frame, layout, n_core, parent, row, other, pair, columns, stage)


@njit(cache=True, nogil=True)
def _connect_rows(
    frame: Frame,
    layout: Layout,
    n_core: IndexArray,
    parent: IndexArray,
    row: int,
    other: int,
    pair: Pair,
    columns: int,
    stage: int,
) -> None:
    metric, x, y, start, column = frame.metric, layout.x, layout.y, layout.cell_start, layout.cell_column
    first: Whole = np.uintp(layout.row_cell[other])
    end = np.uintp(layout.row_cell[other + 1])
    for cell in range(np.uintp(layout.row_cell[row]), np.uintp(layout.row_cell[row + 1])):
        if n_core[cell] == 0:
            continue
        first = first_from(column, first, end, column[cell] - columns)
        candidate = max(first, cell + np.uintp(1))
        while candidate < end and column[candidate] <= column[cell] + columns:
            if n_core[candidate] > 0 and parent[candidate] != parent[cell]:
                a, b = find_root(parent, cell), find_root(parent, candidate)
                if a != b and (stage == SURE or _touch(metric, pair, x, y, start, n_core, cell, candidate)):
                    parent[max(a, b)] = min(a, b)
            candidate += np.uintp(1)


@njit(cache=True, nogil=True, forceinline=True)
def _touch(
    metric: Metric,
    pair: Pair,
    x: FloatArray,
    y: FloatArray,
    start: IndexArray,
    n_core: IndexArray,
    cell: Whole,
    other: Whole,
) -> bool:
    """Return whether a core point of one cell is within eps of one of the other."""
    first, last = np.uintp(start[cell]), np.uintp(start[cell] + n_core[cell])
    begin, end = start[other], start[other] + n_core[other]
    crowded = np.int64(n_core[cell]) * np.int64(n_core[other]) > FEW_PAIRS
    tried = first + np.uintp(min(n_core[cell], _TRIED)) if crowded else last
    for i in range(first, tried):
        if count_within(metric, pair.scale, pair.within, pair.beyond, x, y, x[i], y[i], begin, end) > 0:
            return True
    return bool(crowded and any_within(metric, pair, x, y, first, last, begin, end))
