"""The cluster of the nearest core point within eps: what a fitted clustering says about other points.

The cell of the query is searched first; its nearest point then rules out most other cells unseen. Where no frame covers
the core points, each zone of the sphere has its own, and answers for the queries that it owns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from haversine_dbscan.arrays import FloatArray, IntArray, LabelArray
from haversine_dbscan.compiling import inner, kernel
from haversine_dbscan.frame import (
    SPHERE_SCALE,
    Extent,
    Frame,
    UnframedError,
    Whole,
    extent_of,
    plane_frame,
    sphere_frame,
    zone_frame,
)
from haversine_dbscan.haversine import RADIANS, cosine_of_latitude, haversine, haversine_of_distance
from haversine_dbscan.layout import Layout, first_at_least, lay_out
from haversine_dbscan.pairwise import find_nearest_pairwise
from haversine_dbscan.resolution import COARSE, crowding
from haversine_dbscan.threads import Range, Run, even_ranges, workers
from haversine_dbscan.zones import Zone, zones_of

_POINTS_PER_CELL = 8.0
_FINEST = 8.0
"""Cells per eps: finer ones would cost queries that are far from all core points."""


class _Cells(NamedTuple):
    """Core points in a frame; zone: whose coordinates are taken, or None for those of the points as they are.

    rows: int64 (R,), the numbers of its occupied rows; row_cell: int64 (R + 1,), their cells. label: int32 (C,), of
    each cell. centre: the middle of the core points' x.
    """

    frame: Frame
    layout: Layout
    rows: IntArray
    row_cell: IntArray
    label: LabelArray
    centre: float
    zone: Zone | None


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
        with workers(threads) as run:
            if self._index is None:
                members = np.array(self.y, dtype=np.float64), np.array(self.x, dtype=np.float64)
                asked = np.array(y, dtype=np.float64), np.array(x, dtype=np.float64)
                limit = haversine_of_distance(self.eps)
                search = partial(find_nearest_pairwise, *members, self.labels, limit, *asked, found)
                run(search, even_ranges(len(x), 8 * threads))
                return found
            for cells in self._index:
                _search(cells, x, y, found, run, threads)
        return found

    @cached_property
    def _index(self) -> list[_Cells] | None:
        """The core points in one frame, or in those of the zones; None where eps is too large for either."""
        try:
            frame_of = sphere_frame if self.spherical else plane_frame
            return [self._cells(frame_of, self.x, self.y, self.labels, None)]
        except UnframedError:
            if not self.spherical:
                raise
        try:
            parts = [(zone, zone.part(self.y, self.x)) for zone in zones_of(self.eps)]
        except UnframedError:
            return None
        return [
            self._cells(zone_frame, part.x, part.y, self.labels[part.member], zone)
            for zone, part in parts
            if len(part.member)
        ]

    def _cells(
        self,
        frame_of: Callable[[Extent, float, float], Frame],
        x: FloatArray,
        y: FloatArray,
        labels: LabelArray,
        zone: Zone | None,
    ) -> _Cells:
        extent = extent_of(x, y)
        coarse = frame_of(extent, self.eps, COARSE)
        crowded = crowding(x, y, coarse.width, coarse.height)
        resolution = float(np.clip(COARSE * np.sqrt(crowded / _POINTS_PER_CELL), COARSE, _FINEST))
        with workers(1) as run:
            layout, frame = lay_out(x, y, frame_of(extent, self.eps, resolution), run, 1)
        rows, row_cell = layout.occupied_rows()
        return _Cells(
            frame=frame,
            layout=layout,
            rows=rows,
            row_cell=row_cell,
            label=labels[layout.order[layout.cell_start[:-1]]],
            centre=(extent.low_x + extent.high_x) / 2.0 if zone is None else 0.0,
            zone=zone,
        )

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_index"}


def _search(cells: _Cells, x: FloatArray, y: FloatArray, found: LabelArray, run: Run, threads: int) -> None:
    """Fill in the labels of all points that the zone of the cells owns; of all, where it has none."""
    asked: slice | IntArray = slice(None)
    if cells.zone is not None:
        asked = np.flatnonzero(cells.zone.owns(y))
        x, y = cells.zone.place(y[asked], x[asked])
    # In the order of the cells, queries find what they look at in the processor's cache.
    order = np.argsort(np.floor(y / cells.frame.height) * 2.0**30 + np.floor(x / cells.frame.width))
    labels = np.full(len(x), -1, dtype=np.int32)
    in_x, in_y = x[order].astype(np.float64, copy=False), y[order].astype(np.float64, copy=False)
    run(partial(find_nearest, *cells[:-1], in_x, in_y, labels), even_ranges(len(x), 8 * threads))
    in_order = np.empty_like(labels)
    in_order[order] = labels
    found[asked] = in_order


@kernel
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
    n_rows, limit, spherical = rows.shape[0], frame.metric.limit, frame.metric.spherical
    for i in range(part[0], part[1]):
        at_x, at_y = x[i], y[i]
        cosine = 1.0
        if spherical:
            at_x -= 360.0 * round((at_x - centre) / 360.0)
            cosine = cosine_of_latitude(at_y)
        here = math.floor((at_x - frame.origin_x) / frame.width)
        at_row = math.floor((at_y - frame.origin_y) / frame.height)
        best, best_label = limit, np.int32(-1)
        above = first_at_least(rows, 0, n_rows, at_row)
        below = above - 1
        if above < n_rows and rows[above] == at_row:
            cell = first_at_least(column, row_cell[above], row_cell[above + 1], here)
            if cell < row_cell[above + 1] and column[cell] == here:
                distance = _nearest(frame, core_x, core_y, at_x, at_y, cosine, start[cell], start[cell + 1], best)
                if distance <= best:
                    best, best_label = distance, label[cell]
        while True:
            upwards = above < n_rows and (below < 0 or rows[above] - at_row <= at_row - rows[below])
            row = above if upwards else below
            if row < 0 or abs(rows[row] - at_row) > frame.reach:
                break
            above, below = (above + 1, below) if upwards else (above, below - 1)
            columns = columns_within(frame, rows[row], at_y, cosine, best)
            if columns < 0.0:
                continue
            first = math.floor((at_x - columns - frame.slack - frame.origin_x) / frame.width)
            last = math.floor((at_x + columns + frame.slack - frame.origin_x) / frame.width)
            cell = first_at_least(column, row_cell[row], row_cell[row + 1], first)
            while cell < row_cell[row + 1] and column[cell] <= last:
                if column[cell] != here or rows[row] != at_row:
                    distance = _nearest(frame, core_x, core_y, at_x, at_y, cosine, start[cell], start[cell + 1], best)
                    if distance < best or (distance == best and (best_label < 0 or label[cell] < best_label)):
                        best, best_label = distance, label[cell]
                cell += 1
        labels[i] = best_label


@inner
def columns_within(frame: Frame, row: int, at_y: float, cosine: float, distance: float) -> float:
    """Return the largest difference of x at which a row holds points within a distance; −1 where it does not."""
    low = frame.origin_y + row * frame.height - frame.slack
    high = low + frame.height + 2.0 * frame.slack
    squared = SPHERE_SCALE * distance if frame.metric.spherical else distance
    rest = squared * (1.0 + 1e-9) / frame.curvature
    if low > at_y:
        rest -= (low - at_y) * (low - at_y)
    elif at_y > high:
        rest -= (at_y - high) * (at_y - high)
    if rest < 0.0:
        return -1.0
    if not frame.metric.spherical:
        return math.sqrt(rest)
    farthest = -low if -low > high else high
    scale = cosine * math.cos(farthest * RADIANS) if farthest < 90.0 else 0.0
    return math.sqrt(rest / (scale if scale > 1e-6 else 1e-6))


@inner
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
    nearest = np.inf
    spherical, widened = frame.metric.spherical, SPHERE_SCALE / frame.curvature * (1.0 + 1e-9)
    bound = widened * best
    for j in range(np.uintp(begin), np.uintp(end)):
        dx, dy = x[j] - at_x, y[j] - at_y
        if not spherical:
            planar = dy * dy + dx * dx
            if planar <= best:
                best = nearest = planar
        else:
            planar = dy * dy + cosine * (cosine - abs(dy) * RADIANS) * (dx * dx)
            if planar <= bound:
                distance = haversine(at_y, at_x, cosine, y[j], x[j], cosine_of_latitude(y[j]))
                if distance <= best:
                    best = nearest = distance
                    bound = widened * best
    return nearest
