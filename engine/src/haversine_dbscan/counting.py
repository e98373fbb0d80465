"""Which points are core: whole cells are decided by bounds before any of their points is looked at.

As points are sorted by row and column, how many of them the slices of a window hold is a difference of two positions:
those surely within eps of all points of a cell, and those possibly within eps of one. Only in cells where min_samples
lies between the two are points looked at, each by counting over the slices that are possible but not sure.
"""

from __future__ import annotations

import numpy as np

from haversine_dbscan.arrays import ONE, BoolArray, FloatArray, IndexArray, Position, Records
from haversine_dbscan.compiling import kernel, merged
from haversine_dbscan.crowded import (
    MOST_GATHERED,
    Scale,
    SingleArray,
    enough_gathered,
    gather,
    single_scale,
)
from haversine_dbscan.frame import Frame, Whole
from haversine_dbscan.layout import Layout
from haversine_dbscan.threads import Range
from haversine_dbscan.window import Scratch, Width, fill_tables, rows_in_reach, window
from haversine_dbscan.within import count_within, weigh_within

_CROWDED = 8
"""A cell of so many points is worth gathering its neighbours in single precision."""
_NONE = np.uintp(0)


@kernel
def find_core_points(
    frame: Frame,
    layout: Layout,
    width: Width,
    rows: Range,
    min_samples: int,
    core: BoolArray,
    n_core: IndexArray,
    scratch: Scratch,
    near_x: SingleArray,
    near_y: SingleArray,
) -> None:
    """Fill in how many points of each cell of the rows are core, and which ones, where points were looked at.

    width: of the tables of columns. core: bool (n,), sorted as the layout, False. n_core: int32 or int64 (C,). near_x,
    near_y: float32 (MOST_GATHERED + PADDING,). O(reach) per cell, and O(points within eps and a cell) for each point
    that is looked at.
    """
    x, y, start, column, row_cell = layout.x, layout.y, layout.cell_start, layout.cell_column, layout.row_cell
    size = 2 * frame.reach + 1
    table, outer, inner, reached, _ = scratch
    filled = rows[0] - frame.reach
    filled = filled if filled > 0 else 0
    for row in range(rows[0], rows[1]):
        filled = fill_tables(table, width, column, start, row_cell, size, filled, row + frame.reach + 1)
        if row_cell[row] == row_cell[row + 1]:
            continue
        in_reach = rows_in_reach(frame, row_cell, row, width, outer, inner, reached)
        single = single_scale(frame, reached, in_reach)
        for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
            here, members = column[cell], np.int64(start[cell + ONE] - start[cell])
            if members >= min_samples:
                n_core[cell] = members
                continue
            possible, sure = 0, 0
            for t in range(in_reach):
                first, last = window(table, column, start, outer[t], here)
                one = reached[t]
                one.first = one.sure_first = one.sure_last = first
                one.last = last
                possible += last - first
            if possible < min_samples:
                n_core[cell] = 0
                continue
            for t in range(in_reach):
                if inner[t].columns >= 0:
                    first, last = window(table, column, start, inner[t], here)
                    one = reached[t]
                    one.sure_first = first
                    one.sure_last = last
                    sure += last - first
            if sure >= min_samples:
                n_core[cell] = members
                continue
            undecided: Whole = possible - sure
            gathered: Position = _NONE
            if members >= _CROWDED and undecided <= MOST_GATHERED:
                gathered = gather(x, y, single, start[cell], reached, in_reach, near_x, near_y)
            n_core[cell] = _look_at_points(
                frame.metric.limit,
                x,
                y,
                np.uintp(start[cell]),
                np.uintp(start[cell + ONE]),
                reached,
                in_reach,
                min_samples - sure,
                undecided,
                near_x,
                near_y,
                gathered,
                single,
                core,
            )


@merged
def _look_at_points(
    limit: float,
    x: FloatArray,
    y: FloatArray,
    centre: Position,
    stop: Position,
    reached: Records,
    in_reach: Position,
    wanted: Whole,
    undecided: Whole,
    near_x: SingleArray,
    near_y: SingleArray,
    gathered: Position,
    single: Scale,
    core: BoolArray,
) -> int:
    """Fill in which of the points centre:stop are core, and return how many.

    Those are with `wanted` points or more within eps, of the `undecided` ones of the two slices of each row in reach.
    near_x, near_y: these once more in single precision, if they are gathered. What is true of a point is true of its
    duplicates: the last two places are remembered.
    """
    count = 0
    one = other = centre
    for i in range(centre, stop):
        at_x, at_y = x[i], y[i]
        if i > centre:
            same = one
            if at_x != x[one] or at_y != y[one]:
                same = other
            if at_x == x[same] and at_y == y[same]:
                core[i] = core[same]
                count += core[same]
                continue
        one, other = i, one
        if gathered > _NONE:
            verdict = enough_gathered(near_x, near_y, gathered, single, at_x - x[centre], at_y - y[centre], wanted)
            if verdict >= 0:
                core[i] = verdict > 0
                count += verdict
                continue
        near, missing = 0, undecided
        for t in range(in_reach):
            row = reached[t]
            begin, end = row.first, row.sure_first
            for _ in range(2):
                if end > begin:
                    near += count_within(
                        limit,
                        row.scale,
                        row.within,
                        row.beyond,
                        x,
                        y,
                        at_x,
                        at_y,
                        np.uintp(begin),
                        np.uintp(end),
                    )
                    missing -= end - begin
                begin, end = row.sure_last, row.last
            if near >= wanted or near + missing < wanted:
                break
        if near >= wanted:
            core[i] = True
            count += 1
    return count


@kernel
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
    scratch: Scratch,
) -> None:
    """Do the same where the weights within eps of a point must add up to `min_samples`.

    weight: float64 (n,), sorted as the layout. below: float64 (n + 1,), the sums of the weights before each point; or
    empty where a weight is negative, and every neighbour is looked at then. rounding: by how much what a window of
    cells weighs may be wrong, as sums give it. O(points within eps and a cell) for each point that is looked at.
    """
    x, y, start, column, row_cell = layout.x, layout.y, layout.cell_start, layout.cell_column, layout.row_cell
    size = 2 * frame.reach + 1
    table, outer, inner, reached, _ = scratch
    bounded = below.shape[0] > 0
    filled = rows[0] - frame.reach
    filled = filled if filled > 0 else 0
    for row in range(rows[0], rows[1]):
        filled = fill_tables(table, width, column, start, row_cell, size, filled, row + frame.reach + 1)
        if row_cell[row] == row_cell[row + 1]:
            continue
        in_reach = rows_in_reach(frame, row_cell, row, width, outer, inner, reached)
        for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
            possible, sure = 0.0, 0.0
            for t in range(in_reach):
                first, last = window(table, column, start, outer[t], column[cell])
                reached[t].first = first
                reached[t].last = last
                if bounded:
                    possible += below[last] - below[first]
            if bounded and possible + rounding < min_samples:
                n_core[cell] = 0
                continue
            for t in range(in_reach):
                if bounded and inner[t].columns >= 0:
                    first, last = window(table, column, start, inner[t], column[cell])
                    sure += below[last] - below[first]
            if bounded and sure - rounding >= min_samples:
                n_core[cell] = start[cell + ONE] - start[cell]
                continue
            count = 0
            for i in range(np.uintp(start[cell]), np.uintp(start[cell + ONE])):
                total = 0.0
                for t in range(in_reach):
                    one = reached[t]
                    begin, end = np.uintp(one.first), np.uintp(one.last)
                    total += weigh_within(
                        frame.metric.limit, one.scale, one.within, one.beyond, x, y, weight, i, begin, end
                    )
                    if bounded and total >= min_samples:
                        break
                core[i] = total >= min_samples
                count += core[i]
            n_core[cell] = count
