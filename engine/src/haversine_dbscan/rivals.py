"""Which clusters a border point could belong to besides its own: what joins the clusters of parts must know.

Where points are clustered in parts, the numbers of their clusters are known only once all parts are joined, and with
them which cluster is the first within eps of a border point.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from haversine_dbscan.arrays import ONE, BoolArray, FloatArray, IndexArray, IntArray, LabelArray
from haversine_dbscan.compiling import inlined, kernel
from haversine_dbscan.cores import CoreCells
from haversine_dbscan.frame import Frame, pair_of_rows
from haversine_dbscan.haversine import cosine_of_latitude, haversine
from haversine_dbscan.layout import Layout, first_at_least
from haversine_dbscan.threads import Range, Run
from haversine_dbscan.window import Scratch, Width, fill_tables, make_scratch, rows_in_reach, table_width, window
from haversine_dbscan.within import any_near

_MOST = 16
"""Clusters within eps of a point. In the plane and on the sphere there are at most five, but for rounding."""


class Rivals(NamedTuple):
    """Pairs of a border point, int64 (k,), and the label, int32 (k,), of a cluster within eps that is not its own."""

    point: IntArray
    label: LabelArray


def no_rivals() -> Rivals:
    """Return an empty list of pairs."""
    return Rivals(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32))


def joined(parts: list[Rivals]) -> Rivals:
    """Return all pairs of several lists."""
    if not parts:
        return no_rivals()
    return Rivals(np.concatenate([part.point for part in parts]), np.concatenate([part.label for part in parts]))


def find_rivals(
    frame: Frame,
    layout: Layout,
    cores: CoreCells,
    n_core: IndexArray,
    label: LabelArray,
    run_end: IndexArray,
    code: LabelArray,
    run: Run,
    threads: int,
) -> Rivals:
    """List the rivals after `label_points`, whose arguments these are.

    Where all core points in reach of a cell have one label, its border points have no rivals; that is found cell by
    cell. The border points of the other cells are looked at one by one.
    """
    if not label.any():
        return no_rivals()
    rows, width = layout.row_ranges(threads), table_width(frame, layout)
    contested = np.zeros(len(layout.cell_column), dtype=np.bool_)
    border = np.zeros(len(rows), dtype=np.int64)

    def mark(part: Range) -> None:
        scratch = make_scratch(frame, width, run_end.dtype)
        border[rows.index(part)] = mark_contested(
            frame, layout, cores, width, n_core, label, run_end, part, code, scratch, contested
        )

    run(mark, rows)
    most = _MOST * int(border.sum())
    point, other = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int32)
    count = list_rivals(frame, layout, cores, n_core, label, code, contested, point, other) if most else 0
    return Rivals(point[:count].copy(), other[:count].copy())


@kernel
def mark_contested(
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
    contested: BoolArray,
) -> int:
    """Mark the cells, in a range of rows, in whose reach core points have several labels; count their border points.

    n_core, label, run_end, code, scratch: see `write_labels`. contested: bool (C,), False.
    """
    order, start, row_cell = layout.order, layout.cell_start, layout.row_cell
    cell_column, core_row, core_column = layout.cell_column, cores.row_cell, cores.column
    table, outer, inner, reached, cells = scratch
    size = 2 * frame.reach + 1
    filled = rows[0] - frame.reach
    filled = filled if filled > 0 else 0
    total = 0
    for row in range(rows[0], rows[1]):
        filled = fill_tables(table, width, core_column, cells, core_row, size, filled, row + frame.reach + 1)
        i = np.uintp(first_of_no_core(layout, cores, row))
        if i == np.uintp(start[row_cell[row + 1]]):
            continue
        in_reach = rows_in_reach(frame, core_row, row, width, outer, inner, reached)
        for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
            stop = i + np.uintp(start[cell + ONE] - start[cell] - n_core[cell])
            if i == stop:
                continue
            here = cell_column[cell]
            known, several = np.int64(-1), False
            for t in range(in_reach):
                first, last = window(table, core_column, cells, outer[t], here)
                while first < last and not several:
                    several = bool(known >= 0 and known != label[first])
                    known = np.int64(label[first])
                    first = np.int64(run_end[first])
            if several:
                contested[cell] = True
                while i < stop:
                    total += code[np.uintp(order[i])] >= 0
                    i += ONE
            i = stop
    return total


@inlined
def first_of_no_core(layout: Layout, cores: CoreCells, row: int) -> int:
    """Return where the points of a row begin that are not core: they are after those that are."""
    if cores.row_cell[row] < cores.row_cell[row + 1]:
        return int(cores.stop[cores.row_cell[row + 1] - 1])
    return int(layout.cell_start[layout.row_cell[row]])


@kernel
def list_rivals(
    frame: Frame,
    layout: Layout,
    cores: CoreCells,
    n_core: IndexArray,
    label: LabelArray,
    code: LabelArray,
    contested: BoolArray,
    point: IntArray,
    other: LabelArray,
) -> int:
    """List the labels within eps of the border points of contested cells, but for their own; return how many."""
    x, y, order, start, row_cell = layout.x, layout.y, layout.order, layout.cell_start, layout.row_cell
    column, core_row = cores.column, cores.row_cell
    rows = row_cell.shape[0] - 1
    total = 0
    for row in range(rows):
        low, high = row - frame.reach, row + frame.reach + 1
        low, high = low if low > 0 else 0, high if high < rows else rows
        stop = first_of_no_core(layout, cores, row)
        for cell in range(row_cell[row], row_cell[row + 1]):
            begin_of_cell = stop
            stop = begin_of_cell + int(start[cell + 1] - start[cell] - n_core[cell])
            if not contested[cell]:
                continue
            here = layout.cell_column[cell]
            for i in range(begin_of_cell, stop):
                p = order[i]
                if code[p] < 0:
                    continue
                first, own = total, code[p] >> 1
                for near in range(low, high):
                    begin, end = core_row[near], core_row[near + 1]
                    if begin == end:
                        continue
                    pair = pair_of_rows(frame, row, near)
                    if pair.outer < 0:
                        continue
                    k = first_at_least(column, begin, end, here - pair.outer)
                    while k < end and column[k] <= here + pair.outer:
                        known = label[k] == own
                        for t in range(first, total):
                            known = known or other[t] == label[k]
                        if (
                            not known
                            and total < first + _MOST
                            and any_near(
                                frame.metric.limit,
                                pair.scale,
                                pair.within,
                                pair.beyond,
                                x,
                                y,
                                x[i],
                                y[i],
                                np.uintp(cores.start[k]),
                                np.uintp(cores.stop[k]),
                            )
                        ):
                            point[total], other[total] = p, label[k]
                            total += 1
                        k += 1
    return total


def find_rivals_pairwise(
    latitude: FloatArray, longitude: FloatArray, limit: float, members: IntArray, border: IntArray, labels: LabelArray
) -> Rivals:
    """Do the same by comparing pairs, after `reach_pairwise`, whose arguments these are."""
    point, other = np.empty(_MOST * len(border), dtype=np.int64), np.empty(_MOST * len(border), dtype=np.int32)
    count = list_rivals_pairwise(latitude, longitude, limit, members, border, labels, point, other)
    return Rivals(point[:count].copy(), other[:count].copy())


@kernel
def list_rivals_pairwise(
    latitude: FloatArray,
    longitude: FloatArray,
    limit: float,
    members: IntArray,
    border: IntArray,
    labels: LabelArray,
    point: IntArray,
    other: LabelArray,
) -> int:
    """List the labels of members within eps of border points, but for their own; return how many there are."""
    total = 0
    for i in border:
        first, cosine = total, cosine_of_latitude(latitude[i])
        last = labels[i]
        for j in members:
            # Members are sorted by label, so that a label that was found is the last one.
            if labels[j] == last or labels[j] == labels[i] or total == first + _MOST:
                continue
            between = haversine(
                latitude[i], longitude[i], cosine, latitude[j], longitude[j], cosine_of_latitude(latitude[j])
            )
            if between <= limit:
                last = labels[j]
                point[total], other[total] = i, last
                total += 1
    return total
