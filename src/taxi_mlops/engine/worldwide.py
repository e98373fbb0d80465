"""Exact DBSCAN all over the sphere, poles and antimeridian included, point by point on the cells of a grid.

It is for what no frame of equal columns covers; the faster way is in `layout`, `counting`, `connecting`, `labelling`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from taxi_mlops.engine.grid import Grid, build_grid, cells_in_reach, first_row_in_reach, row_in_reach
from taxi_mlops.engine.neighbours import core_points, within

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
LabelArray = NDArray[np.int32]
IndexArray = NDArray[np.int64]


def cluster_worldwide(
    latitude: FloatArray, longitude: FloatArray, eps_metres: float, min_samples: float, weight: FloatArray | None
) -> tuple[LabelArray, BoolArray]:
    """Cluster points in degrees, wherever they are. Arguments, result and errors as of `taxi_mlops.engine.dbscan`."""
    grid = build_grid(latitude, longitude, eps_metres)
    core = core_points(grid, _sorted_weight(grid, weight), float(min_samples))
    sorted_labels = number_clusters(grid.order, core, connect_core_points(grid, core))
    assign_border_points(grid, core, sorted_labels)
    labels, core_mask = np.empty(len(core), dtype=np.int32), np.empty(len(core), dtype=np.bool_)
    labels[grid.order], core_mask[grid.order] = sorted_labels, core
    return labels, core_mask


def _sorted_weight(grid: Grid, weight: FloatArray | None) -> FloatArray:
    """Return the weights in the order of the grid; empty, where there are none."""
    return np.empty(0) if weight is None else np.asarray(weight, dtype=np.float64)[grid.order]


@njit(cache=True, nogil=True)
def _find(parent: IndexArray, node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@njit(cache=True, nogil=True)
def connect_core_points(grid: Grid, core: BoolArray) -> IndexArray:
    """Return int64 (n,): a sorted core point that stands for the cluster of each sorted core point.

    The core points of a cell are connected; two cells are, where one pair of their core points is within eps. Cells
    that are connected already are not looked at again.
    """
    parent = np.arange(core.shape[0])
    cells = grid.cell_start.shape[0] - 1
    head = np.full(cells, -1, dtype=np.int64)
    for cell in range(cells):
        for i in range(grid.cell_start[cell], grid.cell_start[cell + 1]):
            if core[i]:
                if head[cell] < 0:
                    head[cell] = i
                parent[i] = head[cell]
    for i in range(core.shape[0]):
        if core[i]:
            _connect_backwards(grid, core, head, parent, i)
    for i in range(core.shape[0]):
        parent[i] = _find(parent, i)
    return parent


@njit(cache=True, nogil=True)
def _connect_backwards(grid: Grid, core: BoolArray, head: IndexArray, parent: IndexArray, i: int) -> None:
    row = first_row_in_reach(grid, grid.latitude[i])
    while row_in_reach(grid, row, grid.latitude[i]):
        a, b, c, d = cells_in_reach(grid, row, grid.latitude[i], grid.longitude[i], grid.cosine[i])
        for begin, end in ((a, b), (c, d)):
            for cell in range(begin, min(end, grid.cell_of[i])):
                if head[cell] < 0 or _find(parent, head[cell]) == _find(parent, i):
                    continue
                for j in range(grid.cell_start[cell], grid.cell_start[cell + 1]):
                    if core[j] and within(grid, i, j):
                        parent[_find(parent, i)] = _find(parent, j)
                        break
        row += 1


@njit(cache=True, nogil=True)
def number_clusters(order: IndexArray, core: BoolArray, root: IndexArray) -> LabelArray:
    """Return int32 (n,), sorted as the grid: clusters numbered in the order of their first core point, −1 elsewhere."""
    n = order.shape[0]
    position = np.empty(n, dtype=np.int64)
    for i in range(n):
        position[order[i]] = i
    labels = np.full(n, -1, dtype=np.int32)
    number = np.full(n, -1, dtype=np.int32)
    clusters = 0
    for original in range(n):
        i = position[original]
        if core[i]:
            if number[root[i]] < 0:
                number[root[i]] = clusters
                clusters += 1
            labels[i] = number[root[i]]
    return labels


@njit(cache=True, nogil=True)
def assign_border_points(grid: Grid, core: BoolArray, labels: LabelArray) -> None:
    """Give each point that is not core the lowest label of the core points within eps, in place."""
    for i in range(core.shape[0]):
        if core[i]:
            continue
        row = first_row_in_reach(grid, grid.latitude[i])
        while row_in_reach(grid, row, grid.latitude[i]):
            a, b, c, d = cells_in_reach(grid, row, grid.latitude[i], grid.longitude[i], grid.cosine[i])
            for begin, end in ((grid.cell_start[a], grid.cell_start[b]), (grid.cell_start[c], grid.cell_start[d])):
                for j in range(begin, end):
                    if core[j] and (labels[i] < 0 or labels[j] < labels[i]) and within(grid, i, j):
                        labels[i] = labels[j]
            row += 1
