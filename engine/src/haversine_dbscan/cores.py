"""The core points apart: in front of the others of their row, and the cells that hold some in a list of their own.

So core points of cells side by side are one slice of memory, and what connects and labels them sees nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from haversine_dbscan.arrays import BoolArray, IndexArray, IntArray
from haversine_dbscan.layout import Layout
from haversine_dbscan.threads import Range, Run


class CoreCells(NamedTuple):
    """The K cells with core points of a layout of R rows.

    column: int64 (K,), increasing in a row. row_cell: int64 (R + 1,), those of row r are row_cell[r]:row_cell[r + 1].
    start, stop: int32 or int64 (K,), the core points of cell k are start[k]:stop[k] of the layout. first, cell: int32
    or int64 (K,), the lowest that `order` has for these points, and which of the layout's cells it is.
    """

    column: IntArray
    row_cell: IntArray
    start: IndexArray
    stop: IndexArray
    first: IndexArray
    cell: IndexArray


def gather_core_points(layout: Layout, core: BoolArray, n_core: IndexArray, run: Run, threads: int) -> CoreCells:
    """Move the core points of each row before its others, in place, both still sorted by column; return their cells.

    core: bool (n,), of the sorted points, looked at only in cells where some points are core and some are not; it is
    no longer in order then. n_core: (C,), how many points of each cell are core. O(n).
    """
    rows = layout.row_ranges(threads)
    row_cell = np.zeros(len(layout.row_cell), dtype=np.int64)
    run(lambda part: move_core_points_first(layout, part, core, n_core, row_cell[1:]), rows)
    np.cumsum(row_cell, out=row_cell)
    start, stop, first, cell = np.empty((4, row_cell[-1]), dtype=layout.order.dtype)
    cells = CoreCells(np.empty(row_cell[-1], dtype=np.int64), row_cell, start, stop, first, cell)
    run(lambda part: list_core_cells(layout, part, n_core, cells), rows)
    return cells


@njit(cache=True, nogil=True)
def move_core_points_first(
    layout: Layout, rows: Range, core: BoolArray, n_core: IndexArray, core_cells: IntArray
) -> None:
    """Reorder the points of each row of a range, and fill in how many of its cells hold core points."""
    x, y, order, start, row_cell = layout.x, layout.y, layout.order, layout.cell_start, layout.row_cell
    longest = 0
    for row in range(rows[0], rows[1]):
        longest = max(longest, start[row_cell[row + 1]] - start[row_cell[row]])
    other_x, other_y, other_order = np.empty(longest), np.empty(longest), np.empty(longest, order.dtype)
    for row in range(rows[0], rows[1]):
        with_core, total = 0, 0
        for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
            with_core += n_core[cell] > 0
            total += n_core[cell]
        core_cells[row] = with_core
        begin, end = np.uintp(start[row_cell[row]]), np.uintp(start[row_cell[row + 1]])
        if total == 0 or total == end - begin:
            continue
        to, others = begin, np.uintp(0)
        for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
            first, last = np.uintp(start[cell]), np.uintp(start[cell + np.uintp(1)])
            whole = n_core[cell] == last - first
            for i in range(first, last):
                if whole or (n_core[cell] > 0 and core[i]):
                    x[to], y[to], order[to] = x[i], y[i], order[i]
                    to += np.uintp(1)
                else:
                    other_x[others], other_y[others], other_order[others] = x[i], y[i], order[i]
                    others += np.uintp(1)
        for i in range(others):
            x[to + i], y[to + i], order[to + i] = other_x[i], other_y[i], other_order[i]


@njit(cache=True, nogil=True)
def list_core_cells(layout: Layout, rows: Range, n_core: IndexArray, cells: CoreCells) -> None:
    """Fill in the cells with core points of a range of rows."""
    column, start, stop, first, number = cells.column, cells.start, cells.stop, cells.first, cells.cell
    order = layout.order
    for row in range(rows[0], rows[1]):
        k = np.uintp(cells.row_cell[row])
        position = layout.cell_start[layout.row_cell[row]]
        for cell in range(np.uintp(layout.row_cell[row]), np.uintp(layout.row_cell[row + 1])):
            if n_core[cell] > 0:
                column[k], number[k] = layout.cell_column[cell], cell
                start[k], stop[k] = position, position + n_core[cell]
                lowest = order[np.uintp(position)]
                for i in range(np.uintp(position), np.uintp(stop[k])):
                    lowest = min(lowest, order[i])
                first[k], position = lowest, stop[k]
                k += np.uintp(1)
