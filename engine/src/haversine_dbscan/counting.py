"""Which points are core: whole cells are decided by bounds before any of their points is looked at.

As points are sorted by row and column, how many of them the slices of a window hold is a difference of two positions:
those surely within eps of all points of a cell, and those possibly within eps of one. Only in cells where min_samples
lies between the two are points looked at, each by counting over the slices that are possible but not sure.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from haversine_dbscan.arrays import BoolArray, FloatArray, IndexArray
from haversine_dbscan.crowded import (
    MOST_GATHERED,
    PADDING,
    Scale,
    SingleArray,
    enough_gathered,
    gather,
    single_scale,
)
from haversine_dbscan.frame import Frame, Metric, Whole
from haversine_dbscan.layout import Layout
from haversine_dbscan.threads import Range
from haversine_dbscan.window import Width, fill_tables, rows_in_reach, window
from haversine_dbscan.within import count_within, weigh_within

_CROWDED = 8
"""A cell of so many points is worth gathering its neighbours in single precision."""


@njit(cache=True, nogil=True)
def find_core_points(
    frame: Frame, layout: Layout, width: Width, rows: Range, min_samples: int, core: BoolArray, n_core: IndexArray
) -> None:
    """Fill in how many points of each cell of the rows are core, and which ones, where points were looked at.

    width: of the tables of columns. core: bool (n,), sorted as the layout, False. n_core: int32 or int64 (C,). O(reach)
    per cell, and O(points within eps and a cell) for each point that is looked at.
    """
    x, y, start, column, row_cell = layout.x, layout.y, layout.cell_start, layout.cell_column, layout.row_cell
    size = 2 * frame.reach + 1
    row_begin, row_end = np.empty(size, np.uintp), np.empty(size, np.uintp)
    outer_begin, outer_end = np.empty(size, np.uintp), np.empty(size, np.uintp)
    inner_begin, inner_end = np.empty(size, np.uintp), np.empty(size, np.uintp)
    inner, outer, zero = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    scale, within, beyond = np.empty(size), np.empty(size), np.empty(size)
    slice_begin, slice_end = np.empty((size, 2), start.dtype), np.empty((size, 2), start.dtype)
    table = np.empty(size * width.entries, start.dtype)
    near_x, near_y = np.empty(MOST_GATHERED + PADDING, np.float32), np.empty(MOST_GATHERED + PADDING, np.float32)
    filled = max(rows[0] - frame.reach, 0)
    for row in range(rows[0], rows[1]):
        filled = fill_tables(table, width, column, start, row_cell, size, filled, row + frame.reach + 1)
        if row_cell[row] == row_cell[row + 1]:
            continue
        reached = np.uintp(
            rows_in_reach(frame, row_cell, row, width, row_begin, row_end, zero, inner, outer, scale, within, beyond)
        )
        outer_begin[:], outer_end[:] = row_begin, row_begin
        inner_begin[:], inner_end[:] = row_begin, row_begin
        single = single_scale(frame, scale, beyond, reached)
        for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
            here, members = column[cell], np.int64(start[cell + np.uintp(1)] - start[cell])
            if members >= min_samples:
                n_core[cell] = members
                continue
            possible, sure = np.int64(0), np.int64(0)
            for t in range(reached):
                first, last = window(
                    table, zero[t], column, start, outer_begin, outer_end, t, row_end[t], here, outer[t]
                )
                slice_begin[t, 0], slice_end[t, 1] = first, last
                possible += last - first
            if possible < min_samples:
                n_core[cell] = 0
                continue
            for t in range(reached):
                slice_end[t, 0], slice_begin[t, 1] = slice_begin[t, 0], slice_begin[t, 0]
                if inner[t] >= 0:
                    first, last = window(
                        table, zero[t], column, start, inner_begin, inner_end, t, row_end[t], here, inner[t]
                    )
                    slice_end[t, 0], slice_begin[t, 1] = first, last
                    sure += last - first
            if sure >= min_samples:
                n_core[cell] = members
                continue
            gathered: Whole = np.int64(0)
            if members >= _CROWDED and possible - sure <= MOST_GATHERED:
                gathered = gather(x, y, single, start[cell], slice_begin, slice_end, reached, near_x, near_y)
            n_core[cell] = _look_at_points(
                frame.metric,
                x,
                y,
                start[cell],
                start[cell + np.uintp(1)],
                slice_begin,
                slice_end,
                scale,
                within,
                beyond,
                reached,
                sure,
                possible - sure,
                min_samples,
                near_x,
                near_y,
                gathered,
                single,
                core,
            )


@njit(cache=True, nogil=True, forceinline=True)
def _look_at_points(
    metric: Metric,
    x: FloatArray,
    y: FloatArray,
    first: Whole,
    last: Whole,
    slice_begin: IndexArray,
    slice_end: IndexArray,
    scale: FloatArray,
    within: FloatArray,
    beyond: FloatArray,
    reached: Whole,
    sure: Whole,
    undecided: Whole,
    min_samples: int,
    near_x: SingleArray,
    near_y: SingleArray,
    gathered: Whole,
    single: Scale,
    core: BoolArray,
) -> int:
    """Fill in which of the points first:last are core, and return how many.

    Each has `sure` points within eps, and those that are of the `undecided` ones of the two slices of each row.
    near_x, near_y: these once more in single precision, if they are gathered. What is true of a point is true of its
    duplicates: the last two places are remembered.
    """
    count = 0
    centre = np.uintp(first)
    one: Whole = centre
    other: Whole = centre
    for i in range(np.uintp(first), np.uintp(last)):
        if i > centre:
            if x[i] == x[one] and y[i] == y[one]:
                core[i] = core[one]
                count += core[one]
                continue
            if x[i] == x[other] and y[i] == y[other]:
                core[i] = core[other]
                count += core[other]
                continue
        one, other = i, one
        if gathered > 0:
            verdict = enough_gathered(
                near_x, near_y, gathered, single, x[i] - x[centre], y[i] - y[centre], min_samples - sure
            )
            if verdict >= 0:
                core[i] = verdict > 0
                count += verdict
                continue
        near, missing = sure, undecided
        for t in range(reached):
            for side in range(2):
                begin, end = slice_begin[t, side], slice_end[t, side]
                if end > begin:
                    near += count_within(metric, scale[t], within[t], beyond[t], x, y, x[i], y[i], begin, end)
                    missing -= end - begin
            if near >= min_samples or near + missing < min_samples:
                break
        if near >= min_samples:
            core[i] = True
            count += 1
    return count


@njit(cache=True, nogil=True)
def find_weighted_core_points(
    frame: Frame,
    layout: Layout,
    width: Width,
    rows: Range,
    weight: FloatArray,
    below: FloatArray,
    rounding: float,
    min_samples: float,
    core: BoolArray,
    n_core: IndexArray,
) -> None:
    """Do the same where the weights within eps of a point must add up to `min_samples`.

    weight: float64 (n,), sorted as the layout. below: float64 (n + 1,), the sums of the weights before each point; or
    empty where a weight is negative, and every neighbour is looked at then. rounding: by how much what a window of
    cells weighs may be wrong, as sums give it. O(points within eps and a cell) for each point that is looked at.
    """
    x, y, start, column, row_cell = layout.x, layout.y, layout.cell_start, layout.cell_column, layout.row_cell
    size = 2 * frame.reach + 1
    row_begin, row_end = np.empty(size, np.uintp), np.empty(size, np.uintp)
    outer_begin, outer_end = np.empty(size, np.uintp), np.empty(size, np.uintp)
    inner, outer, zero = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    scale, within, beyond = np.empty(size), np.empty(size), np.empty(size)
    slice_begin, slice_end = np.empty(size, start.dtype), np.empty(size, start.dtype)
    inner_begin, inner_end = np.empty(size, np.uintp), np.empty(size, np.uintp)
    bounded = below.shape[0] > 0
    table = np.empty(size * width.entries, start.dtype)
    filled = max(rows[0] - frame.reach, 0)
    for row in range(rows[0], rows[1]):
        filled = fill_tables(table, width, column, start, row_cell, size, filled, row + frame.reach + 1)
        if row_cell[row] == row_cell[row + 1]:
            continue
        reached = np.uintp(
            rows_in_reach(frame, row_cell, row, width, row_begin, row_end, zero, inner, outer, scale, within, beyond)
        )
        outer_begin[:], outer_end[:] = row_begin, row_begin
        inner_begin[:], inner_end[:] = row_begin, row_begin
        for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
            possible, sure = 0.0, 0.0
            for t in range(reached):
                slice_begin[t], slice_end[t] = window(
                    table, zero[t], column, start, outer_begin, outer_end, t, row_end[t], column[cell], outer[t]
                )
                if bounded:
                    possible += below[slice_end[t]] - below[slice_begin[t]]
            if bounded and possible + rounding < min_samples:
                n_core[cell] = 0
                continue
            for t in range(reached):
                if bounded and inner[t] >= 0:
                    first, last = window(
                        table, zero[t], column, start, inner_begin, inner_end, t, row_end[t], column[cell], inner[t]
                    )
                    sure += below[last] - below[first]
            if bounded and sure - rounding >= min_samples:
                n_core[cell] = start[cell + np.uintp(1)] - start[cell]
                continue
            count = 0
            for i in range(np.uintp(start[cell]), np.uintp(start[cell + np.uintp(1)])):
                total = 0.0
                for t in range(reached):
                    begin, end = slice_begin[t], slice_end[t]
                    total += weigh_within(frame.metric, scale[t], within[t], beyond[t], x, y, weight, i, begin, end)
                    if bounded and total >= min_samples:
                        break
                core[i] = total >= min_samples
                count += core[i]
            n_core[cell] = count
