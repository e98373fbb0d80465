"""The core points apart: in front of the others of their row, and the cells that hold some in a list of their own.

So core points of cells side by side are one slice of memory, and what connects and labels them sees nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from haversine_dbscan.arrays import ONE, BoolArray, FloatArray, IndexArray, IntArray
from haversine_dbscan.compiling import kernel
from haversine_dbscan.layout import Layout, move_point
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

    def move(part: Range) -> None:
        others_x, others_y, others = layout.row_of_points(part)
        move_core_points_first(layout, part, core, n_core, row_cell[1:], others_x, others_y, others)

    run(move, rows)
    np.cumsum(row_cell, out=row_cell)
    start, stop, first, cell = np.empty((4, row_cell[-1]), dtype=layout.order.dtype)
    cells = CoreCells(np.empty(row_cell[-1], dtype=np.int64), row_cell, start, stop, first, cell)
    run(lambda part: list_core_cells(layout, part, n_core, cells), rows)
    return cells


@kernel
def move_core_points_first(
    layout: Layout,
    rows: Range,
    core: BoolArray,
    n_core: IndexArray,
    core_cells: IntArray,
    other_x: FloatArray,
    other_y: FloatArray,
    other_order: IndexArray,
) -> None:
    """Reorder the points of each row of a range, and fill in how many of its cells hold core points.

    other_x, other_y, other_order: room for a row.
    """
    x, y, order, start, row_cell = layout.x, layout.y, layout.order, layout.cell_start, layout.row_cell
    for row in range(rows[0], rows[1]):
        first_cell, last_cell = np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])
        begin, end = np.uintp(start[first_cell]), np.uintp(start[last_cell])
        with_core, total = 0, 0
        for cell in range(first_cell, last_cell):
            with_core += n_core[cell] > 0
            total += n_core[cell]
        core_cells[row] = with_core
        if total == 0 or total == np.int64(end - begin):
            continue
        i, to, others = begin, begin, np.uintp(0)
        for cell in range(first_cell, last_cell):
            last = np.uintp(start[cell + ONE])
            some, whole = n_core[cell] > 0, np.uintp(n_core[cell]) == last - i
            while i < last:
                if whole or (some and core[i]):
                    move_point(x, y, order, i, x, y, order, to)
                    to += ONE
                else:
                    move_point(x, y, order, i, other_x, other_y, other_order, others)
                    others += ONE
                i += ONE
        for k in range(others):
            move_point(other_x, other_y, other_order, k, x, y, order, to + k)


@kernel
def list_core_cells(layout: Layout, rows: Range, n_core: IndexArray, cells: CoreCells) -> None:
    """Fill in the cells with core points of a range of rows."""
    column, start, stop, first, number = cells.column, cells.start, cells.stop, cells.first, cells.cell
    order, cell_column, row_cell = layout.order, layout.cell_column, layout.row_cell
    for row in range(rows[0], rows[1]):
        k = np.uintp(cells.row_cell[row])
        i = np.uintp(layout.cell_start[row_cell[row]])
        for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
            if n_core[cell] > 0:
                column[k], number[k] = cell_column[cell], cell
                end, lowest = i + np.uintp(n_core[cell]), order[i]
                start[k], stop[k] = i, end
                while i < end:
                    lowest = order[i] if order[i] < lowest else lowest
                    i += ONE
                first[k] = lowest
                k += ONE
