"""Questions about the neighbourhoods of a grid, answered exactly: one compiled loop over candidate slices each."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from taxi_mlops.engine.grid import Grid, cells_in_reach, first_row_in_reach, row_in_reach
from taxi_mlops.engine.haversine import haversine

BoolArray = NDArray[np.bool_]
LabelArray = NDArray[np.int32]


@njit(cache=True, nogil=True)
def core_points(grid: Grid, weight: NDArray[np.float64], min_samples: float) -> BoolArray:
    """Return bool (n,), in sorted order: whether the weights within eps of a point add up to `min_samples`.

    weight: float64 (n,), sorted as the grid; or empty, where each point counts once. O(n × candidates); without
    weights, each point stops as soon as it is known to be core.
    """
    n = grid.latitude.shape[0]
    core = np.zeros(n, dtype=np.bool_)
    for i in range(n):
        core[i] = _reaches(grid, weight, i, min_samples)
    return core


@njit(cache=True, nogil=True)
def _reaches(grid: Grid, weight: NDArray[np.float64], i: int, min_samples: float) -> bool:
    total = 0.0
    row = first_row_in_reach(grid, grid.latitude[i])
    while row_in_reach(grid, row, grid.latitude[i]):
        a, b, c, d = cells_in_reach(grid, row, grid.latitude[i], grid.longitude[i], grid.cosine[i])
        for begin, end in ((grid.cell_start[a], grid.cell_start[b]), (grid.cell_start[c], grid.cell_start[d])):
            for j in range(begin, end):
                if within(grid, i, j):
                    total += weight[j] if weight.shape[0] else 1.0
                    if weight.shape[0] == 0 and total >= min_samples:
                        return True
        row += 1
    return total >= min_samples


@njit(cache=True, nogil=True)
def within(grid: Grid, i: int, j: int) -> bool:
    """Return whether two sorted points are within eps of each other. The one place where that is decided."""
    between = haversine(
        grid.latitude[i], grid.longitude[i], grid.cosine[i], grid.latitude[j], grid.longitude[j], grid.cosine[j]
    )
    return between <= grid.limit


@njit(cache=True, nogil=True)
def has_neighbour_of_label(
    grid: Grid, labels: LabelArray, latitude: NDArray[np.float64], longitude: NDArray[np.float64], wanted: LabelArray
) -> BoolArray:
    """Return bool (m,): whether a point of the grid with the wanted label is within eps of each query point.

    labels: int32 (n,), sorted as the grid. latitude, longitude, wanted: the m query points. O(m × candidates).
    """
    found = np.zeros(latitude.shape[0], dtype=np.bool_)
    for q in range(latitude.shape[0]):
        cosine = math.cos(math.radians(latitude[q]))
        row = first_row_in_reach(grid, latitude[q])
        while not found[q] and row_in_reach(grid, row, latitude[q]):
            a, b, c, d = cells_in_reach(grid, row, latitude[q], longitude[q], cosine)
            for begin, end in ((grid.cell_start[a], grid.cell_start[b]), (grid.cell_start[c], grid.cell_start[d])):
                for j in range(begin, end):
                    if labels[j] == wanted[q]:
                        between = haversine(
                            latitude[q], longitude[q], cosine, grid.latitude[j], grid.longitude[j], grid.cosine[j]
                        )
                        if between <= grid.limit:
                            found[q] = True
                            break
                if found[q]:
                    break
            row += 1
    return found
