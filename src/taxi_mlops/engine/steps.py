"""The two steps of clustering that work on one layout: which points are core, and which cells belong together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.engine.connecting import ADJACENT, ALL, SURE, connect, find_roots
from taxi_mlops.engine.counting import find_core_points, find_weighted_core_points, move_core_points_first
from taxi_mlops.engine.frame import FloatArray, Frame
from taxi_mlops.engine.layout import IndexArray, Layout
from taxi_mlops.engine.threads import Range, Run, even_ranges

BoolArray = NDArray[np.bool_]


def find_core(
    frame: Frame,
    layout: Layout,
    weight: FloatArray | None,
    min_samples: float,
    core: BoolArray,
    run: Run,
    threads: int,
) -> IndexArray:
    """Return how many points of each cell are core, (C,), and move these to the front of their cell.

    weight: of the points in their original order, (n,); or None, where each counts once. core: bool (n,), False; what
    is in it afterwards has no meaning.
    """
    rows = layout.row_ranges(8 * threads)
    n_core = np.empty(len(layout.cell_column), dtype=layout.order.dtype)
    if weight is None:
        enough = int(min(max(np.ceil(min_samples), 0), len(layout.order) + 1))
        run(lambda part: find_core_points(frame, layout, part, enough, core, n_core), rows)
    else:
        sorted_weight = np.asarray(weight, dtype=np.float64)[layout.order]
        run(
            lambda part: find_weighted_core_points(
                frame, layout, part, sorted_weight, float(min_samples), core, n_core
            ),
            rows,
        )
    run(lambda part: move_core_points_first(layout, part, core, n_core), even_ranges(len(n_core), threads))
    return n_core


def connect_cells(frame: Frame, layout: Layout, n_core: IndexArray, run: Run, threads: int) -> IndexArray:
    """Return, for each cell, the one that stands for its cluster: within ranges of rows, then across their seams."""
    parent = np.arange(len(n_core), dtype=n_core.dtype)
    ranges = layout.row_ranges(threads)

    def within(part: Range) -> None:
        for stage in (SURE, ADJACENT, ALL):
            connect(frame, layout, n_core, parent, part, part, stage)
            find_roots(parent, (int(layout.row_cell[part[0]]), int(layout.row_cell[part[1]])))

    run(within, ranges)
    for begin, end in ranges[:-1]:
        seam, beyond = (max(begin, end - frame.reach), end), (end, len(layout.row_cell) - 1)
        for stage in (SURE, ADJACENT, ALL):
            connect(frame, layout, n_core, parent, seam, beyond, stage)
    find_roots(parent, (0, len(parent)))
    return parent
