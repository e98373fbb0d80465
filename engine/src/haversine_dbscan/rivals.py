"""Which clusters a border point could belong to besides its own: what joins the clusters of parts must know.

Where points are clustered in parts, the numbers of their clusters are known only once all parts are joined, and with
them which cluster is the first within eps of a border point.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from haversine_dbscan.arrays import FloatArray, IndexArray, IntArray, LabelArray
from haversine_dbscan.compiling import kernel
from haversine_dbscan.cores import CoreCells
from haversine_dbscan.frame import Frame, pair_of_rows
from haversine_dbscan.haversine import cosine_of_latitude, haversine
from haversine_dbscan.layout import Layout, column_of, first_at_least
from haversine_dbscan.steps import label_points
from haversine_dbscan.threads import Run
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

    Points are labelled once more with the labels reversed. Where the highest label within eps is the lowest too, there
    is no other; the few points that are left are looked at one by one.
    """
    highest = int(label.max(initial=0))
    if highest == 0:
        return no_rivals()
    reverse = np.empty_like(code)
    label_points(frame, layout, cores, n_core, (highest - label).astype(np.int32), run_end, reverse, run, threads)
    marked = np.zeros(len(code) // 8 + 1, dtype=np.uint8)
    several = mark_several(code, reverse, highest, marked)
    point, other = np.empty(_MOST * several, dtype=np.int64), np.empty(_MOST * several, dtype=np.int32)
    count = list_rivals(frame, layout, cores, label, code, marked, point, other) if several else 0
    return Rivals(point[:count].copy(), other[:count].copy())


@kernel
def mark_several(code: LabelArray, reverse: LabelArray, highest: int, marked: NDArray[np.uint8]) -> int:
    """Count the border points within eps of several clusters, and mark them in `marked`, uint8 (n // 8 + 1,): bits.

    Bits, since they are looked up in another order, and so few bytes stay in the processor's cache.
    """
    count = 0
    for i in range(code.shape[0]):
        border = code[i] >= 0 and code[i] & 1 == 0
        if border and (reverse[i] >> 1) != highest - (code[i] >> 1):
            marked[i >> 3] |= np.uint8(1 << (i & 7))
            count += 1
    return count


@kernel
def list_rivals(
    frame: Frame,
    layout: Layout,
    cores: CoreCells,
    label: LabelArray,
    code: LabelArray,
    marked: NDArray[np.uint8],
    point: IntArray,
    other: LabelArray,
) -> int:
    """List the labels within eps of the marked points, but for that of their code; return how many there are."""
    x, y, order, start, row_cell = layout.x, layout.y, layout.order, layout.cell_start, layout.row_cell
    column, core_row = cores.column, cores.row_cell
    rows = row_cell.shape[0] - 1
    total = 0
    for row in range(rows):
        low, high = row - frame.reach, row + frame.reach + 1
        low, high = low if low > 0 else 0, high if high < rows else rows
        for i in range(start[row_cell[row]], start[row_cell[row + 1]]):
            p = order[i]
            if marked[p >> 3] >> (p & 7) & 1 == 0:
                continue
            first, own, here = total, code[p] >> 1, column_of(frame, x[i])
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
