"""Numbers for the clusters, and a cluster or noise for each point."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from taxi_mlops.engine.counting import PositionArray, Window, first_from, new_pairs, new_window, open_window
from taxi_mlops.engine.frame import Frame, Pair, Whole, count_within
from taxi_mlops.engine.layout import IndexArray, Layout
from taxi_mlops.engine.threads import Range

BoolArray = NDArray[np.bool_]
LabelArray = NDArray[np.int32]

_NO_LABEL = np.int32(2**31 - 1)


@njit(cache=True, nogil=True)
def first_core_points(layout: Layout, n_core: IndexArray, cells: Range, first: IndexArray) -> None:
    """Fill in, for each cell of a range, which of its core points was the first before sorting."""
    for cell in range(np.uintp(cells[0]), np.uintp(cells[1])):
        begin = np.uintp(layout.cell_start[cell])
        if n_core[cell] > 0:
            lowest = layout.order[begin]
            for i in range(begin, begin + np.uintp(n_core[cell])):
                lowest = min(lowest, layout.order[i])
            first[cell] = lowest


def number_clusters(n_core: IndexArray, root: IndexArray, first: IndexArray) -> LabelArray:
    """Return int32 (C,): the cluster of each cell, numbered by first core point, and −1 for cells without core points.

    root: the cell that stands for the cluster of each. O(C log C).
    """
    label = np.full(len(root), -1, dtype=np.int32)
    occupied = np.flatnonzero(n_core > 0)
    lowest = np.full(len(root), np.iinfo(first.dtype).max, dtype=first.dtype)
    np.minimum.at(lowest, root[occupied], first[occupied])
    roots = np.flatnonzero(lowest < np.iinfo(first.dtype).max)
    label[roots[np.argsort(lowest[roots])]] = np.arange(len(roots), dtype=np.int32)
    label[occupied] = label[root[occupied]]
    return label


@njit(cache=True, nogil=True)
def write_labels(
    frame: Frame, layout: Layout, n_core: IndexArray, label: LabelArray, rows: Range, code: LabelArray
) -> None:
    """Write the label of each point of a range of rows to its original place, as 2 × label + (1 if it is core).

    A point that is not core gets the lowest label among the core points within eps, or −1. label: int32 (C,), of the
    core points of each cell. Cells whose label is no improvement are not looked at, and cells surely within eps are
    taken at their word.
    """
    window = new_window(frame)
    pairs = new_pairs(frame)
    candidates = np.empty((16, 2), dtype=np.uintp)
    for row in range(rows[0], rows[1]):
        if layout.row_cell[row] == layout.row_cell[row + 1]:
            continue
        reached = np.uintp(open_window(frame, layout, row, window, pairs))
        for cell in range(np.uintp(layout.row_cell[row]), np.uintp(layout.row_cell[row + 1])):
            begin, end = np.uintp(layout.cell_start[cell]), np.uintp(layout.cell_start[cell + np.uintp(1)])
            middle = begin + np.uintp(n_core[cell])
            for i in range(begin, middle):
                code[layout.order[i]] = 2 * label[cell] + 1
            if middle < end:
                sure = label[cell] if label[cell] >= 0 else _NO_LABEL
                sure, candidates, found = _labels_in_reach(
                    layout, label, window, pairs, reached, cell, sure, candidates
                )
                for i in range(middle, end):
                    best = sure
                    for k in range(found):
                        other, t = candidates[k, 0], candidates[k, 1]
                        if label[other] < best and _near(frame, layout, n_core, pairs[t], i, other):
                            best = label[other]
                    code[layout.order[i]] = 2 * best if best != _NO_LABEL else -2


@njit(cache=True, nogil=True)
def _labels_in_reach(
    layout: Layout,
    label: LabelArray,
    window: Window,
    pairs: list[Pair],
    reached: Whole,
    cell: Whole,
    sure: Whole,
    candidates: PositionArray,
) -> tuple[Whole, PositionArray, Whole]:
    """Return the lowest label surely within eps of a cell, and (cell, row) of those that may have lower ones."""
    column = layout.cell_column
    here = column[cell]
    found = np.uintp(0)
    for t in range(reached):
        end, inner, outer = window.end[t], pairs[t].inner, pairs[t].outer
        other = first_from(column, window.outer_begin[t], end, here - outer)
        window.outer_begin[t] = other
        while other < end and column[other] <= here + outer:
            if 0 <= label[other] < sure:
                if abs(column[other] - here) <= inner:
                    sure = label[other]
                else:
                    if found == candidates.shape[0]:
                        candidates = np.concatenate((candidates, np.empty_like(candidates)))
                    candidates[found, 0] = other
                    candidates[found, 1] = t
                    found += np.uintp(1)
            other += np.uintp(1)
    return sure, candidates, found


@njit(cache=True, nogil=True)
def _near(frame: Frame, layout: Layout, n_core: IndexArray, pair: Pair, i: Whole, cell: Whole) -> bool:
    """Return whether a core point of a cell is within eps of a point."""
    begin = layout.cell_start[cell]
    return count_within(frame, pair, layout.x, layout.y, layout.x[i], layout.y[i], begin, begin + n_core[cell]) > 0


@njit(cache=True, nogil=True)
def decode_labels(code: LabelArray, part: Range, core: BoolArray) -> None:
    """Turn codes into labels, in place, and fill in which points are core."""
    for i in range(part[0], part[1]):
        core[i] = code[i] & 1
        code[i] >>= 1
