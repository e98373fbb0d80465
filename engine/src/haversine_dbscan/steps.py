"""The steps of clustering that work on one layout: which points are core, which belong together, and their labels."""

from __future__ import annotations

import numpy as np

from haversine_dbscan.arrays import BoolArray, FloatArray, IndexArray, LabelArray
from haversine_dbscan.connecting import ADJACENT, ALL, SURE, connect, find_roots, find_runs
from haversine_dbscan.cores import CoreCells
from haversine_dbscan.counting import find_core_points, find_weighted_core_points
from haversine_dbscan.crowded import MOST_GATHERED, PADDING
from haversine_dbscan.frame import Frame
from haversine_dbscan.labelling import SLICE, write_labels
from haversine_dbscan.layout import Layout
from haversine_dbscan.threads import Range, Run, balanced_ranges
from haversine_dbscan.window import make_scratch, table_width


def find_core(
    frame: Frame,
    layout: Layout,
    weight: FloatArray | None,
    min_samples: float,
    core: BoolArray,
    run: Run,
    threads: int,
) -> IndexArray:
    """Return how many points of each cell are core, (C,), and fill in which, where not all or none of a cell are.

    weight: of the points in their original order, (n,); or None, where each counts once. core: bool (n,), of the sorted
    points, False.
    """
    rows, width = layout.row_ranges(threads), table_width(frame, layout)
    n_core = np.empty(len(layout.cell_column), dtype=layout.order.dtype)
    if weight is None:
        enough = int(min(max(np.ceil(min_samples), 0), len(layout.order) + 1))

        def count(part: Range) -> None:
            near_x, near_y = np.empty((2, MOST_GATHERED + PADDING), dtype=np.float32)
            scratch = make_scratch(frame, width, layout.order.dtype)
            find_core_points(frame, layout, width, part, enough, core, n_core, scratch, near_x, near_y)

        run(count, rows)
    else:
        sorted_weight = np.asarray(weight, dtype=np.float64)[layout.order]
        below, rounding = _sums_before(sorted_weight, 2 * frame.reach + 1)
        least = float(min_samples)

        def weigh(part: Range) -> None:
            scratch = make_scratch(frame, width, layout.order.dtype)
            find_weighted_core_points(
                frame, layout, width, part, sorted_weight, below, rounding, least, core, n_core, scratch
            )

        run(weigh, rows)
    return n_core


def _sums_before(weight: FloatArray, slices: int) -> tuple[FloatArray, float]:
    """Return the sums of the weights before each point, and how wrong so many differences of them may be together.

    The sums are empty where a weight is negative: then sums bound nothing.
    """
    if weight.min() < 0.0:
        return np.empty(0), 0.0
    below = np.concatenate([np.zeros(1), np.cumsum(weight)])
    return below, float(slices * len(weight) * np.finfo(np.float64).eps * below[-1])


def connect_cells(
    frame: Frame, layout: Layout, cores: CoreCells, run: Run, threads: int
) -> tuple[IndexArray, IndexArray]:
    """Return, for each cell with core points, (K,), the one that stands for its cluster, and where a run of cells ends.

    They are connected within ranges of rows, then across the seams of these. Cells up to the end of a run lie side by
    side, and in one cluster.
    """
    parent = np.arange(len(cores.cell), dtype=cores.cell.dtype)
    run_end = np.empty_like(parent)
    ranges, width = balanced_ranges(cores.row_cell, threads), table_width(frame, layout)

    def within(part: Range) -> None:
        scratch = make_scratch(frame, width, parent.dtype)
        for stage in (SURE, ADJACENT, ALL):
            connect(frame, layout, cores, width, parent, run_end, part, part, stage, scratch)
            find_roots(parent, (int(cores.row_cell[part[0]]), int(cores.row_cell[part[1]])))
            find_runs(cores.row_cell, parent, part, run_end)

    run(within, ranges)
    scratch = make_scratch(frame, width, parent.dtype)
    for begin, end in ranges[:-1]:
        seam, beyond = (max(begin, end - frame.reach), end), (end, len(layout.row_cell) - 1)
        for stage in (SURE, ADJACENT, ALL):
            connect(frame, layout, cores, width, parent, run_end, seam, beyond, stage, scratch)
    find_roots(parent, (0, len(parent)))
    return parent, run_end


def label_points(
    frame: Frame,
    layout: Layout,
    cores: CoreCells,
    n_core: IndexArray,
    label: LabelArray,
    run_end: IndexArray,
    code: LabelArray,
    run: Run,
    threads: int,
) -> None:
    """Fill in the code of each point in its original place, int32 (n,), as `write_labels` does.

    label, run_end: (K,), of the cells with core points.
    """
    rows, width = layout.row_ranges(threads), table_width(frame, layout)
    columns = (2 * frame.reach + 1) * (2 * width.margin + 1)

    def write(part: Range) -> None:
        scratch, slices = make_scratch(frame, width, run_end.dtype), np.empty(columns, SLICE)
        write_labels(frame, layout, cores, width, n_core, label, run_end, part, code, scratch, slices)

    run(write, rows)
