"""The cluster of the nearest core point within eps: what a fitted clustering says about other points.

In a frame, the cell of the query is searched first; its nearest point then rules out most other cells unseen. Where no
frame covers the core points, those of the worldwide grid are searched.
"""

from __future__ import annotations

import math
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from taxi_mlops.engine.frame import (
    SPHERE_SCALE,
    Extent,
    FloatArray,
    Frame,
    UnframedError,
    Whole,
    plane_frame,
    sphere_frame,
)
from taxi_mlops.engine.grid import Grid, build_grid, cells_in_reach, first_row_in_reach, row_in_reach
from taxi_mlops.engine.haversine import RADIANS, haversine
from taxi_mlops.engine.layout import IntArray, Layout, lay_out
from taxi_mlops.engine.resolution import COARSE, crowding
from taxi_mlops.engine.threads import Range, even_ranges, workers

LabelArray = NDArray[np.int32]

_POINTS_PER_CELL = 8.0
_FINEST = 8.0
"""Cells per eps: finer ones would cost queries that are far from all core points."""


class _Cells(NamedTuple):
    """Core points in a frame.

    rows: int64 (R,), the numbers of its occupied rows; row_cell: int64 (R + 1,), their cells. label: int32 (C,), of
    each cell. centre: the middle of the core points' x.
    """

    frame: Frame
    layout: Layout
    rows: IntArray
    row_cell: IntArray
    label: LabelArray
    centre: float


class NearestCore:
    """Finds the nearest of n core points; on the sphere, x is the longitude and y the latitude.

    The index is built when it is first used: O(n), and 24 bytes a point. It is not pickled.
    """

    def __init__(self, x: FloatArray, y: FloatArray, labels: LabelArray, eps: float, *, spherical: bool) -> None:
        """Take core points: x, y float32 or float64 (n,), labels int32 (n,)."""
        self.x, self.y, self.labels, self.eps, self.spherical = x, y, labels, eps, spherical

    def predict(self, x: FloatArray, y: FloatArray, threads: int) -> LabelArray:
        """Return int32 (m,): the label of the nearest core point within eps of each point, or −1.

        Of several at the same distance, the lowest label. x, y: float32 or float64 (m,), finite.
        """
        found = np.full(len(x), -1, dtype=np.int32)
        if len(self.x) == 0:
            return found
        index = self._index
        # In the order of the cells, queries find what they look at in the processor's cache.
        height, width = (0.01, 0.01) if isinstance(index, Grid) else (index.frame.height, index.frame.width)
        order = np.argsort(np.floor(y / height) * 2.0**30 + np.floor(x / width))
        x, y = x[order], y[order]
        with workers(threads) as run:
            if isinstance(index, Grid):
                search = partial(find_nearest_in_grid, index, self.labels[index.order], x, y, found)
            else:
                search = partial(find_nearest, *index, x, y, found)
            run(search, even_ranges(len(x), 8 * threads))
        labels = np.empty_like(found)
        labels[order] = found
        return labels

    @cached_property
    def _index(self) -> _Cells | Grid:
        extent = Extent(float(self.x.min()), float(self.x.max()), float(self.y.min()), float(self.y.max()))
        try:
            frame_of = sphere_frame if self.spherical else plane_frame
            coarse = frame_of(extent, self.eps, COARSE)
            crowded = crowding(self.x, self.y, coarse.width, coarse.height)
            resolution = float(np.clip(COARSE * np.sqrt(crowded / _POINTS_PER_CELL), COARSE, _FINEST))
            frame = frame_of(extent, self.eps, resolution)
        except UnframedError:
            return build_grid(self.y, self.x, self.eps)
        with workers(1) as run:
            layout, frame = lay_out(self.x, self.y, frame, run, 1)
        occupied = np.flatnonzero(np.diff(layout.row_cell))
        return _Cells(
            frame=frame,
            layout=layout,
            rows=layout.row_number[occupied],
            row_cell=np.append(layout.row_cell[occupied], layout.row_cell[-1]),
            label=self.labels[layout.order[layout.cell_start[:-1]]],
            centre=(extent.low_x + extent.high_x) / 2.0,
        )

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_index"}


@njit(cache=True, nogil=True)
def find_nearest(
    frame: Frame,
    layout: Layout,
    rows: IntArray,
    row_cell: IntArray,
    label: LabelArray,
    centre: float,
    x: FloatArray,
    y: FloatArray,
    labels: LabelArray,
    part: Range,
) -> None:
    """Fill in the labels of a range of points. Longitudes are taken within 180 degrees of the centre."""
    core_x, core_y, start, column = layout.x, layout.y, layout.cell_start, layout.cell_column
    for i in range(part[0], part[1]):
        at_x, at_y = np.float64(x[i]), np.float64(y[i])
        cosine = 1.0
        if frame.metric.spherical is not None:
            at_x -= 360.0 * round((at_x - centre) / 360.0)
            cosine = math.cos(at_y * RADIANS)
        here = math.floor((at_x - frame.origin_x) / frame.width)
        at_row = math.floor((at_y - frame.origin_y) / frame.height)
        best, best_label = frame.metric.limit, np.int32(-1)
        above = np.searchsorted(rows, at_row)
        below = above - 1
        if above < rows.shape[0] and rows[above] == at_row:
            cell = row_cell[above] + np.searchsorted(column[row_cell[above] : row_cell[above + 1]], here)
            if cell < row_cell[above + 1] and column[cell] == here:
                distance = _nearest(frame, core_x, core_y, at_x, at_y, cosine, start[cell], start[cell + 1], best)
                if distance <= best:
                    best, best_label = distance, label[cell]
        while True:
            upwards = above < rows.shape[0] and (below < 0 or rows[above] - at_row <= at_row - rows[below])
            row = above if upwards else below
            if row < 0 or abs(rows[row] - at_row) > frame.reach:
                break
            above, below = (above + 1, below) if upwards else (above, below - 1)
            columns = _columns_within(frame, rows[row], at_y, cosine, best)
            if columns < 0.0:
                continue
            first = math.floor((at_x - columns - frame.slack - frame.origin_x) / frame.width)
            last = math.floor((at_x + columns + frame.slack - frame.origin_x) / frame.width)
            cell = row_cell[row] + np.searchsorted(column[row_cell[row] : row_cell[row + 1]], first)
            while cell < row_cell[row + 1] and column[cell] <= last:
                if column[cell] != here or rows[row] != at_row:
                    distance = _nearest(frame, core_x, core_y, at_x, at_y, cosine, start[cell], start[cell + 1], best)
                    if distance < best or (distance == best and (best_label < 0 or label[cell] < best_label)):
                        best, best_label = distance, label[cell]
                cell += 1
        labels[i] = best_label


@njit(cache=True, nogil=True)
def _columns_within(frame: Frame, row: int, at_y: float, cosine: float, distance: float) -> float:
    """Return the largest difference of x at which a row holds points within a distance; −1 where it does not."""
    low = frame.origin_y + row * frame.height - frame.slack
    high = low + frame.height + 2.0 * frame.slack
    gap = max(low - at_y, at_y - high, 0.0)
    squared = distance if frame.metric.spherical is None else SPHERE_SCALE * distance
    rest = squared * (1.0 + 1e-9) / frame.curvature - gap * gap
    if rest < 0.0:
        return -1.0
    if frame.metric.spherical is None:
        return math.sqrt(rest)
    farthest = min(max(abs(low), abs(high)), 90.0)
    return math.sqrt(rest / max(cosine * math.cos(farthest * RADIANS), 1e-6))


@njit(cache=True, nogil=True)
def _nearest(
    frame: Frame,
    x: FloatArray,
    y: FloatArray,
    at_x: float,
    at_y: float,
    cosine: float,
    begin: Whole,
    end: Whole,
    best: float,
) -> float:
    """Return the smallest distance to the points begin:end, or infinity where none is within `best`.

    Squared in the plane, a haversine on the sphere; that is taken only where a planar bound does not rule it out.
    """
    nearest, bound = np.inf, np.inf
    if frame.metric.spherical is not None:
        bound = SPHERE_SCALE * best / frame.curvature * (1.0 + 1e-9)
    for j in range(np.uintp(begin), np.uintp(end)):
        planar = (y[j] - at_y) ** 2
        if frame.metric.spherical is None:
            planar += (x[j] - at_x) ** 2
            if planar <= best:
                best = nearest = planar
        else:
            planar += cosine * (cosine - abs(y[j] - at_y) * RADIANS) * (x[j] - at_x) ** 2
            if planar <= bound:
                distance = haversine(at_y, at_x, cosine, y[j], x[j], math.cos(y[j] * RADIANS))
                if distance <= best:
                    best = nearest = distance
                    bound = SPHERE_SCALE * best / frame.curvature * (1.0 + 1e-9)
    return nearest


@njit(cache=True, nogil=True)
def find_nearest_in_grid(
    grid: Grid, label: LabelArray, x: FloatArray, y: FloatArray, labels: LabelArray, part: Range
) -> None:
    """Fill in the labels of a range of points, anywhere on the sphere. label: int32 (n,), sorted as the grid."""
    for i in range(part[0], part[1]):
        latitude, longitude = np.float64(y[i]), np.float64(x[i])
        cosine = math.cos(latitude * RADIANS)
        best = grid.limit
        row = first_row_in_reach(grid, latitude)
        while row_in_reach(grid, row, latitude):
            a, b, c, d = cells_in_reach(grid, row, latitude, longitude, cosine)
            for begin, end in ((grid.cell_start[a], grid.cell_start[b]), (grid.cell_start[c], grid.cell_start[d])):
                for j in range(begin, end):
                    between = haversine(
                        latitude, longitude, cosine, grid.latitude[j], grid.longitude[j], grid.cosine[j]
                    )
                    if between < best or (between == best and (labels[i] < 0 or label[j] < labels[i])):
                        best, labels[i] = between, label[j]
            row += 1
