"""Which points are core: whole cells are decided by bounds before any of their points is looked at.

As points are sorted by row and column, how many of them the slices of a window hold is a difference of two positions:
those surely within eps of all points of a cell, and those possibly within eps of one. Only in cells where min_samples
lies between the two are points looked at, each by counting over the slices that are possible but not sure.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from taxi_mlops.engine.frame import FloatArray, Frame, Metric, Whole, count_within, weigh_within
from taxi_mlops.engine.layout import IndexArray, IntArray, Layout
from taxi_mlops.engine.threads import Range
from taxi_mlops.engine.window import (
    INNER,
    INNER_BEGIN,
    INNER_END,
    OUTER_BEGIN,
    OUTER_END,
    PositionArray,
    move_inner,
    move_outer,
    new_window,
    open_window,
)

BoolArray = NDArray[np.bool_]


@njit(cache=True, nogil=True)
def find_core_points(
    frame: Frame, layout: Layout, rows: Range, min_samples: int, core: BoolArray, n_core: IndexArray
) -> None:
    """Fill in how many points of each cell of the rows are core, and which ones, where points were looked at.

    core: bool (n,), sorted as the layout, False. n_core: int32 or int64 (C,). O(reach) per cell, and O(points within
    eps and a cell) for each point that is looked at.
    """
    x, y, start, column, row_cell = layout.x, layout.y, layout.cell_start, layout.cell_column, layout.row_cell
    metric = frame.metric
    slices, columns, scales = new_window(frame)
    for row in range(rows[0], rows[1]):
        if row_cell[row] == row_cell[row + 1]:
            continue
        reached = np.uintp(open_window(frame, row_cell, row, slices, columns, scales))
        for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
            begin, end = start[cell], start[cell + np.uintp(1)]
            sure: Whole = np.int64(end - begin)
            possible: Whole = min_samples
            if sure < min_samples:
                sure, possible = _bounds(start, column, slices, columns, reached, column[cell], min_samples)
            if sure >= min_samples:
                n_core[cell] = end - begin
            elif possible < min_samples:
                n_core[cell] = 0
            else:
                count = 0
                for i in range(np.uintp(begin), np.uintp(end)):
                    core[i] = _is_core(
                        metric, x, y, start, slices, columns, scales, reached, i, sure, possible, min_samples
                    )
                    count += core[i]
                n_core[cell] = count


@njit(cache=True, nogil=True, forceinline=True)
def _bounds(
    start: IndexArray,
    column: IntArray,
    slices: PositionArray,
    columns: IntArray,
    reached: Whole,
    here: int,
    min_samples: int,
) -> tuple[Whole, Whole]:
    """Move the window to a column; return how many points are surely and possibly within eps of all points there.

    Rows are left where they are once enough points are sure; they catch up later.
    """
    sure, possible = np.int64(0), np.int64(0)
    for t in range(reached):
        move_outer(column, slices, columns, t, here)
        possible += start[slices[t, OUTER_END]] - start[slices[t, OUTER_BEGIN]]
        if columns[t, INNER] >= 0:
            move_inner(column, slices, columns, t, here)
            sure += start[slices[t, INNER_END]] - start[slices[t, INNER_BEGIN]]
            if sure >= min_samples:
                break
    return sure, possible


@njit(cache=True, nogil=True, forceinline=True)
def _is_core(
    metric: Metric,
    x: FloatArray,
    y: FloatArray,
    start: IndexArray,
    slices: PositionArray,
    columns: IntArray,
    scales: FloatArray,
    reached: Whole,
    i: Whole,
    sure: Whole,
    possible: Whole,
    min_samples: int,
) -> bool:
    """Decide one point, from the bounds of its cell, by counting where they differ until they do no more."""
    at_x, at_y = x[i], y[i]
    for t in range(reached):
        begin, end = start[slices[t, OUTER_BEGIN]], start[slices[t, OUTER_END]]
        if columns[t, INNER] >= 0:
            middle = start[slices[t, INNER_BEGIN]]
            if middle > begin:
                near = count_within(metric, scales[t, 0], scales[t, 1], scales[t, 2], x, y, at_x, at_y, begin, middle)
                sure += near
                possible += near - (middle - begin)
            begin = start[slices[t, INNER_END]]
        if end > begin:
            near = count_within(metric, scales[t, 0], scales[t, 1], scales[t, 2], x, y, at_x, at_y, begin, end)
            sure += near
            possible += near - (end - begin)
        if sure >= min_samples or possible < min_samples:
            break
    return bool(sure >= min_samples)


@njit(cache=True, nogil=True)
def find_weighted_core_points(
    frame: Frame,
    layout: Layout,
    rows: Range,
    weight: FloatArray,
    min_samples: float,
    core: BoolArray,
    n_core: IndexArray,
) -> None:
    """Do the same where the weights within eps of a point must add up to `min_samples`.

    weight: float64 (n,), sorted as the layout, of either sign; so every neighbour is looked at. O(points within eps and
    a cell) per point.
    """
    x, y, start, column, row_cell = layout.x, layout.y, layout.cell_start, layout.cell_column, layout.row_cell
    slices, columns, scales = new_window(frame)
    for row in range(rows[0], rows[1]):
        if row_cell[row] == row_cell[row + 1]:
            continue
        reached = np.uintp(open_window(frame, row_cell, row, slices, columns, scales))
        for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
            for t in range(reached):
                move_outer(column, slices, columns, t, column[cell])
            count = 0
            for i in range(np.uintp(start[cell]), np.uintp(start[cell + np.uintp(1)])):
                total = 0.0
                for t in range(reached):
                    begin, end = start[slices[t, OUTER_BEGIN]], start[slices[t, OUTER_END]]
                    total += weigh_within(
                        frame.metric, scales[t, 0], scales[t, 1], scales[t, 2], x, y, weight, i, begin, end
                    )
                core[i] = total >= min_samples
                count += core[i]
            n_core[cell] = count


@njit(cache=True, nogil=True)
def move_core_points_first(layout: Layout, cells: Range, core: BoolArray, n_core: IndexArray) -> None:
    """Reorder the points of each cell in place: core points come first. `core` is no longer in order then."""
    x, y, order, start = layout.x, layout.y, layout.order, layout.cell_start
    for cell in range(np.uintp(cells[0]), np.uintp(cells[1])):
        begin, end = start[cell], start[cell + np.uintp(1)]
        if 0 < n_core[cell] < end - begin:
            to = np.uintp(begin)
            for i in range(np.uintp(begin), np.uintp(end)):
                if core[i]:
                    x[i], x[to] = x[to], x[i]
                    y[i], y[to] = y[to], y[i]
                    order[i], order[to] = order[to], order[i]
                    to += np.uintp(1)
