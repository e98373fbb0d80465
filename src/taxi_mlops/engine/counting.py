"""Which points are core: whole cells are decided by bounds before any of their points is looked at.

As points are sorted by row and column, how many of them the slices of a window hold is a difference of two positions:
those surely within eps of all points of a cell, and those possibly within eps of one. Only in cells where min_samples
lies between the two are points looked at, each by counting over the slices that are possible but not sure.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from taxi_mlops.engine.frame import FloatArray, Frame, Whole, count_within, weigh_within
from taxi_mlops.engine.layout import IndexArray, Layout
from taxi_mlops.engine.threads import Range
from taxi_mlops.engine.window import first_from, rows_in_reach

BoolArray = NDArray[np.bool_]


@njit(cache=True, nogil=True)
def find_core_points(
    frame: Frame, layout: Layout, rows: Range, min_samples: int, core: BoolArray, n_core: IndexArray
) -> None:
    """Fill in how many points of each cell of the rows are core, and which ones, where points were looked at.

    core: bool (n,), sorted as the layout, False. n_core: int32 or int64 (C,). O(reach) per cell, and O(points within
    eps and a cell) for each point that is looked at.

    Slices are left where they are once enough points are sure; they catch up later. The innermost loops stand here, as
    a call would hand over dozens of words for each point.
    """
    x, y, start, column, row_cell = layout.x, layout.y, layout.cell_start, layout.cell_column, layout.row_cell
    size = 2 * frame.reach + 1
    row_begin, row_end = np.empty(size, np.uintp), np.empty(size, np.uintp)
    outer_begin, outer_end = np.empty(size, np.uintp), np.empty(size, np.uintp)
    inner_begin, inner_end = np.empty(size, np.uintp), np.empty(size, np.uintp)
    inner, outer = np.empty(size, np.int64), np.empty(size, np.int64)
    scale, within, beyond = np.empty(size), np.empty(size), np.empty(size)
    for row in range(rows[0], rows[1]):
        if row_cell[row] == row_cell[row + 1]:
            continue
        reached = np.uintp(rows_in_reach(frame, row_cell, row, row_begin, row_end, inner, outer, scale, within, beyond))
        outer_begin[:], outer_end[:] = row_begin, row_begin
        inner_begin[:], inner_end[:] = row_begin, row_begin
        for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
            here, members = column[cell], start[cell + np.uintp(1)] - start[cell]
            sure: Whole = np.int64(0)
            possible: Whole = np.int64(0)
            if members >= min_samples:
                sure = np.int64(members)
            else:
                for t in range(reached):
                    end = row_end[t]
                    first = first_from(column, outer_begin[t], end, here - outer[t])
                    last = first_from(column, max(outer_end[t], first), end, here + outer[t] + 1)
                    outer_begin[t], outer_end[t] = first, last
                    possible += start[last] - start[first]
                    if inner[t] >= 0:
                        first = first_from(column, max(inner_begin[t], first), end, here - inner[t])
                        last = first_from(column, max(inner_end[t], first), end, here + inner[t] + 1)
                        inner_begin[t], inner_end[t] = first, last
                        sure += start[last] - start[first]
                        if sure >= min_samples:
                            break
            if sure >= min_samples:
                n_core[cell] = members
            elif possible < min_samples:
                n_core[cell] = 0
            else:
                count = 0
                for i in range(np.uintp(start[cell]), np.uintp(start[cell + np.uintp(1)])):
                    at_x, at_y = x[i], y[i]
                    near, missing = sure, possible - sure
                    for t in range(reached):
                        begin, end = start[outer_begin[t]], start[outer_end[t]]
                        if inner[t] >= 0:
                            middle = start[inner_begin[t]]
                            if middle > begin:
                                near += count_within(
                                    frame.metric, scale[t], within[t], beyond[t], x, y, at_x, at_y, begin, middle
                                )
                                missing -= middle - begin
                            begin = start[inner_end[t]]
                        if end > begin:
                            near += count_within(
                                frame.metric, scale[t], within[t], beyond[t], x, y, at_x, at_y, begin, end
                            )
                            missing -= end - begin
                        if near >= min_samples or near + missing < min_samples:
                            break
                    if near >= min_samples:
                        core[i] = True
                        count += 1
                n_core[cell] = count


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
    size = 2 * frame.reach + 1
    row_begin, row_end = np.empty(size, np.uintp), np.empty(size, np.uintp)
    outer_begin, outer_end = np.empty(size, np.uintp), np.empty(size, np.uintp)
    inner, outer = np.empty(size, np.int64), np.empty(size, np.int64)
    scale, within, beyond = np.empty(size), np.empty(size), np.empty(size)
    for row in range(rows[0], rows[1]):
        if row_cell[row] == row_cell[row + 1]:
            continue
        reached = np.uintp(rows_in_reach(frame, row_cell, row, row_begin, row_end, inner, outer, scale, within, beyond))
        outer_begin[:], outer_end[:] = row_begin, row_begin
        for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
            here = column[cell]
            for t in range(reached):
                first = first_from(column, outer_begin[t], row_end[t], here - outer[t])
                outer_begin[t] = first
                outer_end[t] = first_from(column, max(outer_end[t], first), row_end[t], here + outer[t] + 1)
            count = 0
            for i in range(np.uintp(start[cell]), np.uintp(start[cell + np.uintp(1)])):
                total = 0.0
                for t in range(reached):
                    begin, end = start[outer_begin[t]], start[outer_end[t]]
                    total += weigh_within(frame.metric, scale[t], within[t], beyond[t], x, y, weight, i, begin, end)
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
