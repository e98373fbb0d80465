"""Numbers for the clusters, and a cluster or noise for each point."""

from __future__ import annotations

import numpy as np

from haversine_dbscan.arrays import ONE, BoolArray, IndexArray, LabelArray, Records, record
from haversine_dbscan.compiling import kernel
from haversine_dbscan.cores import CoreCells
from haversine_dbscan.frame import Frame, Whole
from haversine_dbscan.layout import Layout
from haversine_dbscan.threads import Range
from haversine_dbscan.window import Scratch, Width, fill_tables, rows_in_reach, window
from haversine_dbscan.within import any_near

_NO_LABEL = 2**31 - 1
SLICE = record(row=np.int64, label=np.int64, begin=np.uintp, end=np.uintp)
"""Core points with the same label, in a row in reach, that may be within eps."""
_BLOCK = 65_536


def number_clusters(root: IndexArray, first: IndexArray) -> LabelArray:
    """Return int32 (K,): the cluster of each cell with core points, numbered by first core point.

    root: the cell that stands for the cluster of each. `first` is changed. O(K + c log c) for c clusters.
    """
    roots = np.empty_like(root)
    roots = roots[: lower_to_root(root, first, roots)]
    label = np.empty(len(root), dtype=np.int32)
    label[roots[np.argsort(first[roots])]] = np.arange(len(roots), dtype=np.int32)
    return label[root]


@kernel
def lower_to_root(root: IndexArray, first: IndexArray, roots: IndexArray) -> int:
    """Lower the value of each root to the lowest of all that it stands for; list the roots, and return how many."""
    count = 0
    for cell in range(root.shape[0]):
        at = root[cell]
        first[at] = first[cell] if first[cell] < first[at] else first[at]
        if at == cell:
            roots[count] = cell
            count += 1
    return count


@kernel
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
    scratch: Scratch,
    slices: Records,
) -> None:
    """Write the label of each point of a range of rows to its original place, as 2 × label + (1 if it is core).

    A point that is not core gets the lowest label among the core points within eps, or −1. n_core: (C,). label: int32
    (K,), of the cells with core points; run_end: int32 or int64 (K,), up to where they have the same label. Labels of
    cells surely within eps are taken at their word, and slices whose label is no improvement are not looked at. slices:
    `SLICE`, as many as columns in all rows in reach.
    """
    x, y, order, start, row_cell = layout.x, layout.y, layout.order, layout.cell_start, layout.row_cell
    cell_column, core_row, core_column = layout.cell_column, cores.row_cell, cores.column
    core_start, core_stop = cores.start, cores.stop
    table, outer, inner, reached, cells = scratch
    size = 2 * frame.reach + 1
    filled = rows[0] - frame.reach
    filled = filled if filled > 0 else 0
    for row in range(rows[0], rows[1]):
        filled = fill_tables(table, width, core_column, cells, core_row, size, filled, row + frame.reach + 1)
        i = np.uintp(start[row_cell[row]])
        for k in range(np.uintp(core_row[row]), np.uintp(core_row[row + 1])):
            own, stop = np.int32(2 * label[k] + 1), np.uintp(core_stop[k])
            while i < stop:
                code[np.uintp(order[i])] = own
                i += ONE
        if i == np.uintp(start[row_cell[row + 1]]):
            continue
        in_reach = rows_in_reach(frame, core_row, row, width, outer, inner, reached)
        for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
            stop = i + np.uintp(start[cell + ONE] - start[cell] - n_core[cell])
            if i == stop:
                continue
            here = cell_column[cell]
            sure, count = np.int64(_NO_LABEL), 0
            for t in range(in_reach):
                first, last = window(table, core_column, cells, outer[t], here)
                if first < last and inner[t].columns >= 0:
                    near, beyond = window(table, core_column, cells, inner[t], here)
                    while near < beyond:
                        sure = label[near] if label[near] < sure else sure
                        near = np.int64(run_end[near])
                while first < last:
                    end: Whole = np.int64(run_end[first])
                    end = end if end < last else last
                    if label[first] < sure:
                        one = slices[count]
                        one.row = t
                        one.label = label[first]
                        one.begin = core_start[first]
                        one.end = core_stop[end - 1]
                        count += 1
                    first = end
            while i < stop:
                best = sure
                for s in range(count):
                    one = slices[s]
                    if one.label < best:
                        pair = reached[one.row]
                        if any_near(
                            frame.metric.limit,
                            pair.scale,
                            pair.within,
                            pair.beyond,
                            x,
                            y,
                            x[i],
                            y[i],
                            one.begin,
                            one.end,
                        ):
                            best = one.label
                code[np.uintp(order[i])] = 2 * best if best != _NO_LABEL else -2
                i += ONE


def decode_labels(code: LabelArray, part: Range, core: BoolArray) -> None:
    """Turn codes into labels, in place, and fill in which points are core."""
    for begin in range(part[0], part[1], _BLOCK):
        block = slice(begin, min(begin + _BLOCK, part[1]))
        np.bitwise_and(code[block], 1, out=core[block], casting="unsafe")
        np.right_shift(code[block], 1, out=code[block])
