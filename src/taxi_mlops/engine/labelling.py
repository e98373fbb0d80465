"""Numbers for the clusters, and a cluster or noise for each point."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from taxi_mlops.engine.frame import Frame, Whole, count_within
from taxi_mlops.engine.layout import IndexArray, IntArray, Layout
from taxi_mlops.engine.threads import Range
from taxi_mlops.engine.window import PositionArray, first_from, rows_in_reach

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
    x, y, start, order, row_cell = layout.x, layout.y, layout.cell_start, layout.order, layout.row_cell
    metric = frame.metric
    size = 2 * frame.reach + 1
    row_begin, row_end = np.empty(size, np.uintp), np.empty(size, np.uintp)
    inner, outer = np.empty(size, np.int64), np.empty(size, np.int64)
    scale, within, beyond = np.empty(size), np.empty(size), np.empty(size)
    candidates, line = np.empty(0, dtype=np.uintp), np.empty(0, dtype=np.uintp)
    for row in range(rows[0], rows[1]):
        if row_cell[row] == row_cell[row + 1]:
            continue
        reached = np.uintp(rows_in_reach(frame, row_cell, row, row_begin, row_end, inner, outer, scale, within, beyond))
        most = (2 * outer[:reached] + 1).sum()
        if most > candidates.shape[0]:
            candidates, line = np.empty(2 * most, dtype=np.uintp), np.empty(2 * most, dtype=np.uintp)
        for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
            begin, end = np.uintp(start[cell]), np.uintp(start[cell + np.uintp(1)])
            middle = begin + np.uintp(n_core[cell])
            own = np.int32(2 * label[cell] + 1)
            for i in range(begin, middle):
                code[np.uintp(order[i])] = own
            if middle < end:
                sure, found = _labels_in_reach(
                    layout.cell_column, label, row_begin, row_end, inner, outer, reached, cell, candidates, line
                )
                for i in range(middle, end):
                    best = sure
                    for k in range(found):
                        other, t = candidates[k], line[k]
                        if label[other] < best and (
                            count_within(
                                metric,
                                scale[t],
                                within[t],
                                beyond[t],
                                x,
                                y,
                                x[i],
                                y[i],
                                start[other],
                                start[other] + n_core[other],
                            )
                            > 0
                        ):
                            best = label[other]
                    code[np.uintp(order[i])] = 2 * best if best != _NO_LABEL else -2


@njit(cache=True, nogil=True, forceinline=True)
def _labels_in_reach(
    column: IntArray,
    label: LabelArray,
    row_begin: PositionArray,
    row_end: PositionArray,
    inner: IntArray,
    outer: IntArray,
    reached: Whole,
    cell: Whole,
    candidates: PositionArray,
    line: PositionArray,
) -> tuple[Whole, Whole]:
    """Return the lowest label surely within eps of a cell; list (cell, row) of those possibly lower, and count them."""
    here = column[cell]
    sure = label[cell] if label[cell] >= 0 else _NO_LABEL
    found = np.uintp(0)
    for t in range(reached):
        end, last = row_end[t], here + outer[t]
        other = first_from(column, row_begin[t], end, here - outer[t])
        row_begin[t] = other
        while other < end and column[other] <= last:
            if 0 <= label[other] < sure:
                if abs(column[other] - here) <= inner[t]:
                    sure = label[other]
                else:
                    candidates[found] = other
                    line[found] = t
                    found += np.uintp(1)
            other += np.uintp(1)
    return sure, found


@njit(cache=True, nogil=True)
def decode_labels(code: LabelArray, part: Range, core: BoolArray) -> None:
    """Turn codes into labels, in place, and fill in which points are core."""
    for i in range(part[0], part[1]):
        core[i] = code[i] & 1
        code[i] >>= 1
