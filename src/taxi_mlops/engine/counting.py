"""Which points are core: whole cells are decided by bounds before any of their points is looked at.

For the cells of a row, the columns surely and possibly within eps in each neighbouring row move along as the cell does;
as points are sorted by row and column, how many points they hold is a difference of two positions. Only in cells where
min_samples lies between the two sums are points looked at: each by counting over those slices that are not sure.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from taxi_mlops.engine.frame import Frame, Pair, Whole, count_within, pair_of_rows, weigh_within
from taxi_mlops.engine.layout import IndexArray, IntArray, Layout
from taxi_mlops.engine.threads import Range

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
PositionArray = NDArray[np.uintp]


class Window(NamedTuple):
    """The rows that eps reaches from one row, nearest first, and slices of their cells that move along with a cell.

    end: the cells of each row end there. outer_begin:outer_end are the cells possibly within eps of the present cell,
    inner_begin:inner_end those surely. All uintp (2 reach + 1,).
    """

    end: PositionArray
    outer_begin: PositionArray
    outer_end: PositionArray
    inner_begin: PositionArray
    inner_end: PositionArray


@njit(cache=True, nogil=True)
def new_window(frame: Frame) -> Window:
    """Return an unset window."""
    size = 2 * frame.reach + 1
    return Window(
        np.empty(size, np.uintp),
        np.empty(size, np.uintp),
        np.empty(size, np.uintp),
        np.empty(size, np.uintp),
        np.empty(size, np.uintp),
    )


@njit(cache=True, nogil=True)
def new_pairs(frame: Frame) -> list[Pair]:
    """Return unset pairs, one for each row of a window.

    Not a comprehension: in a function that has one, numba (0.68) drops assignments to items of arrays in named tuples.
    """
    pairs = []
    for _ in range(2 * frame.reach + 1):
        pairs.append(Pair(-1, -1, 1.0, 0.0, 0.0))  # noqa: PERF401
    return pairs


@njit(cache=True, nogil=True)
def open_window(frame: Frame, layout: Layout, row: int, window: Window, pairs: list[Pair]) -> int:
    """Set the window to the beginning of a row, fill in what is known of the pairs of rows, and return their number."""
    rows = 0
    for step in range(2 * frame.reach + 1):
        other = row + ((step + 1) // 2 if step % 2 else -(step // 2))
        if other < 0 or other + 1 >= layout.row_cell.shape[0]:
            continue
        begin, end = layout.row_cell[other], layout.row_cell[other + 1]
        if begin == end:
            continue
        pair = pair_of_rows(frame, row, other)
        if pair.outer < 0:
            continue
        pairs[rows] = pair
        window.end[rows] = end
        window.outer_begin[rows] = window.outer_end[rows] = begin
        window.inner_begin[rows] = window.inner_end[rows] = begin
        rows += 1
    return rows


@njit(cache=True, nogil=True)
def first_from(column: IntArray, position: Whole, end: Whole, wanted: Whole) -> Whole:
    """Return the first position from `position` to `end` whose column is at least `wanted`."""
    while position < end and column[position] < wanted:
        position += np.uintp(1)
    return position


@njit(cache=True, nogil=True)
def find_core_points(
    frame: Frame, layout: Layout, rows: Range, min_samples: int, core: BoolArray, n_core: IndexArray
) -> None:
    """Fill in how many points of each cell of the rows are core, and which ones, where it is some of them.

    core: bool (n,), sorted as the layout, False; set for the core points of cells that have others too. n_core: int32
    or int64 (C,). Per cell O(reach) in all, and where points are looked at O(points within eps and a cell) each.
    """
    start, column = layout.cell_start, layout.cell_column
    window = new_window(frame)
    pairs = new_pairs(frame)
    for row in range(rows[0], rows[1]):
        if layout.row_cell[row] == layout.row_cell[row + 1]:
            continue
        reached = np.uintp(open_window(frame, layout, row, window, pairs))
        for cell in range(np.uintp(layout.row_cell[row]), np.uintp(layout.row_cell[row + 1])):
            begin, end = start[cell], start[cell + np.uintp(1)]
            sure: Whole = np.int64(end - begin)
            possible: Whole = min_samples
            if sure < min_samples:
                sure, possible = _bounds(layout, window, pairs, reached, column[cell], min_samples)
            if sure >= min_samples:
                n_core[cell] = end - begin
            elif possible < min_samples:
                n_core[cell] = 0
            else:
                count = 0
                for i in range(np.uintp(begin), np.uintp(end)):
                    core[i] = _is_core(frame, layout, window, pairs, reached, i, sure, possible, min_samples)
                    count += core[i]
                n_core[cell] = count


@njit(cache=True, nogil=True)
def _bounds(
    layout: Layout, window: Window, pairs: list[Pair], reached: Whole, here: int, min_samples: int
) -> tuple[Whole, Whole]:
    """Move the window to a column; return how many points are surely and possibly within eps of all points there.

    Rows are left where they are once enough points are sure; they catch up later.
    """
    start, column = layout.cell_start, layout.cell_column
    sure, possible = np.int64(0), np.int64(0)
    for t in range(reached):
        end, inner, outer = window.end[t], pairs[t].inner, pairs[t].outer
        first = first_from(column, window.outer_begin[t], end, here - outer)
        last = first_from(column, max(window.outer_end[t], first), end, here + outer + 1)
        window.outer_begin[t], window.outer_end[t] = first, last
        possible += start[last] - start[first]
        if inner >= 0:
            first = first_from(column, max(window.inner_begin[t], first), end, here - inner)
            last = first_from(column, max(window.inner_end[t], first), end, here + inner + 1)
            window.inner_begin[t], window.inner_end[t] = first, last
            sure += start[last] - start[first]
            if sure >= min_samples:
                break
    return sure, possible


@njit(cache=True, nogil=True)
def _is_core(
    frame: Frame,
    layout: Layout,
    window: Window,
    pairs: list[Pair],
    reached: Whole,
    i: Whole,
    sure: Whole,
    possible: Whole,
    min_samples: int,
) -> bool:
    """Decide one point, from the bounds of its cell, by counting where they differ until they do no more."""
    start, x, y = layout.cell_start, layout.x, layout.y
    for t in range(reached):
        begin, end = start[window.outer_begin[t]], start[window.outer_end[t]]
        if pairs[t].inner >= 0:
            middle = start[window.inner_begin[t]]
            if middle > begin:
                near = count_within(frame, pairs[t], x, y, x[i], y[i], begin, middle)
                sure += near
                possible += near - (middle - begin)
            begin = start[window.inner_end[t]]
        if end > begin:
            near = count_within(frame, pairs[t], x, y, x[i], y[i], begin, end)
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
    start = layout.cell_start
    window = new_window(frame)
    pairs = new_pairs(frame)
    for row in range(rows[0], rows[1]):
        if layout.row_cell[row] == layout.row_cell[row + 1]:
            continue
        reached = np.uintp(open_window(frame, layout, row, window, pairs))
        for cell in range(np.uintp(layout.row_cell[row]), np.uintp(layout.row_cell[row + 1])):
            n_core[cell] = 0
            for t in range(reached):
                here, outer = layout.cell_column[cell], pairs[t].outer
                first = first_from(layout.cell_column, window.outer_begin[t], window.end[t], here - outer)
                last = first_from(layout.cell_column, max(window.outer_end[t], first), window.end[t], here + outer + 1)
                window.outer_begin[t], window.outer_end[t] = first, last
            for i in range(np.uintp(start[cell]), np.uintp(start[cell + np.uintp(1)])):
                total = 0.0
                for t in range(reached):
                    begin, end = start[window.outer_begin[t]], start[window.outer_end[t]]
                    total += weigh_within(frame, pairs[t], layout.x, layout.y, weight, i, begin, end)
                core[i] = total >= min_samples
                n_core[cell] += core[i]


@njit(cache=True, nogil=True)
def move_core_points_first(layout: Layout, cells: Range, core: BoolArray, n_core: IndexArray) -> None:
    """Reorder the points of each cell in place: core points come first. `core` is used up: it is no longer in order."""
    x, y, order = layout.x, layout.y, layout.order
    for cell in range(np.uintp(cells[0]), np.uintp(cells[1])):
        begin, end = layout.cell_start[cell], layout.cell_start[cell + np.uintp(1)]
        if 0 < n_core[cell] < end - begin:
            to = np.uintp(begin)
            for i in range(np.uintp(begin), np.uintp(end)):
                if core[i]:
                    x[i], x[to] = x[to], x[i]
                    y[i], y[to] = y[to], y[i]
                    order[i], order[to] = order[to], order[i]
                    to += np.uintp(1)
