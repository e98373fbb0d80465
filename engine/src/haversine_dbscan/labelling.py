"""Numbers for the clusters, and a cluster or noise for each point."""

from __future__ import annotations

import numpy as np
from numba import njit

from haversine_dbscan.arrays import BoolArray, IndexArray, IntArray, LabelArray
from haversine_dbscan.cores import CoreCells
from haversine_dbscan.frame import Frame, Whole
from haversine_dbscan.layout import Layout
from haversine_dbscan.threads import Range
from haversine_dbscan.window import PositionArray, Width, fill_tables, rows_in_reach, window
from haversine_dbscan.within import any_near

_NO_LABEL = np.int32(2**31 - 1)


def number_clusters(root: IndexArray, first: IndexArray) -> LabelArray:
    """Return int32 (K,): the cluster of each cell with core points, numbered by first core point.

    root: the cell that stands for the cluster of each. `first` is changed. O(K + c log c) for c clusters.
    """
    roots = np.empty_like(root)
    roots = roots[: lower_to_root(root, first, roots)]
    label = np.empty(len(root), dtype=np.int32)
    label[roots[np.argsort(first[roots])]] = np.arange(len(roots), dtype=np.int32)
    return label[root]


@njit(cache=True, nogil=True)
def lower_to_root(root: IndexArray, first: IndexArray, roots: IndexArray) -> int:
    """Lower the value of each root to the lowest of all that it stands for; list the roots, and return how many."""
    count = 0
    for cell in range(root.shape[0]):
        at = np.uintp(root[cell])
        first[at] = min(first[at], first[cell])
        roots[count] = cell
        count += at == np.uintp(cell)
    return count


@njit(cache=True, nogil=True)
def write_labels(
    frame: Frame,
    layout: Layout,
    cores: CoreCells,
    width: Width,
    n_core: IndexArray,
    label: LabelArray,
    run_end: IndexArray,
    rows: Range,
    code: LabelArray,
) -> None:
    """Write the label of each point of a range of rows to its original place, as 2 × label + (1 if it is core).

    A point that is not core gets the lowest label among the core points within eps, or −1. n_core: (C,). label: int32
    (K,), of the cells with core points; run_end: int32 or int64 (K,), up to where they have the same label. Labels of
    cells surely within eps are taken at their word, and slices whose label is no improvement are not looked at.
    """
    x, y, order, start, row_cell = layout.x, layout.y, layout.order, layout.cell_start, layout.row_cell
    core_start, core_stop, core_column, core_row = cores.start, cores.stop, cores.column, cores.row_cell
    size = 2 * frame.reach + 1
    row_begin, row_end = np.empty(size, np.uintp), np.empty(size, np.uintp)
    outer_begin, outer_end = np.empty(size, np.uintp), np.empty(size, np.uintp)
    inner_begin, inner_end = np.empty(size, np.uintp), np.empty(size, np.uintp)
    inner, outer, zero = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    scale, within, beyond = np.empty(size), np.empty(size), np.empty(size)
    table = np.empty(size * width.entries, core_start.dtype)
    most = size * (2 * width.margin + 1)
    line, slice_label = np.empty(most, np.uintp), np.empty(most, np.int32)
    slice_begin, slice_end = np.empty(most, np.uintp), np.empty(most, np.uintp)
    filled = max(rows[0] - frame.reach, 0)
    for row in range(rows[0], rows[1]):
        filled = fill_tables(table, width, core_column, None, core_row, size, filled, row + frame.reach + 1)
        i = np.uintp(start[row_cell[row]])
        for k in range(np.uintp(core_row[row]), np.uintp(core_row[row + 1])):
            own = np.int32(2 * label[k] + 1)
            while i < np.uintp(core_stop[k]):
                code[np.uintp(order[i])] = own
                i += np.uintp(1)
        if i == np.uintp(start[row_cell[row + 1]]):
            continue
        reached = np.uintp(
            rows_in_reach(frame, core_row, row, width, row_begin, row_end, zero, inner, outer, scale, within, beyond)
        )
        outer_begin[:], outer_end[:] = row_begin, row_begin
        inner_begin[:], inner_end[:] = row_begin, row_begin
        for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
            others = start[cell + np.uintp(1)] - start[cell] - n_core[cell]
            if others == 0:
                continue
            here = layout.cell_column[cell]
            sure, slices = _slices_in_reach(
                table,
                zero,
                core_column,
                core_start,
                core_stop,
                label,
                run_end,
                reached,
                here,
                row_end,
                outer_begin,
                outer_end,
                inner_begin,
                inner_end,
                inner,
                outer,
                slice_begin,
                slice_end,
                slice_label,
                line,
            )
            stop = i + np.uintp(others)
            while i < stop:
                best = sure
                for s in range(slices):
                    t = line[s]
                    if slice_label[s] < best and any_near(
                        frame.metric,
                        scale[t],
                        within[t],
                        beyond[t],
                        x,
                        y,
                        x[i],
                        y[i],
                        slice_begin[s],
                        slice_end[s],
                    ):
                        best = slice_label[s]
                code[np.uintp(order[i])] = 2 * best if best != _NO_LABEL else -2
                i += np.uintp(1)


@njit(cache=True, nogil=True, forceinline=True)
def _slices_in_reach(
    table: IndexArray,
    zero: IntArray,
    column: IntArray,
    start: IndexArray,
    stop: IndexArray,
    label: LabelArray,
    run_end: IndexArray,
    reached: Whole,
    here: Whole,
    row_end: PositionArray,
    outer_begin: PositionArray,
    outer_end: PositionArray,
    inner_begin: PositionArray,
    inner_end: PositionArray,
    inner: IntArray,
    outer: IntArray,
    slice_begin: PositionArray,
    slice_end: PositionArray,
    slice_label: LabelArray,
    line: PositionArray,
) -> tuple[np.int32, Whole]:
    """Return the lowest label surely within eps; list the slices of one label that may have a lower, and count them."""
    sure, slices = _NO_LABEL, np.uintp(0)
    for t in range(reached):
        first, last = window(table, zero[t], column, None, outer_begin, outer_end, t, row_end[t], here, outer[t])
        if first < last and inner[t] >= 0:
            k, end = window(table, zero[t], column, None, inner_begin, inner_end, t, row_end[t], here, inner[t])
            while k < end:
                sure = min(sure, label[k])
                k = np.int64(run_end[k])
        while first < last:
            end = min(np.int64(run_end[first]), last)
            if label[first] < sure:
                line[slices], slice_label[slices] = t, label[first]
                slice_begin[slices], slice_end[slices] = start[first], stop[end - 1]
                slices += np.uintp(1)
            first = end
    return sure, slices


@njit(cache=True, nogil=True)
def decode_labels(code: LabelArray, part: Range, core: BoolArray) -> None:
    """Turn codes into labels, in place, and fill in which points are core."""
    for i in range(part[0], part[1]):
        core[i] = code[i] & 1
        code[i] >>= 1
