"""How many points are within eps of each point, and from these counts the clusters of every min_samples of that eps.

A point is core where its count is at least min_samples: so one count serves them all. Points that are surely within eps
of a whole cell are counted as a difference of two positions; only the others are looked at, each of them once for each
place.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from haversine_dbscan.arrays import ONE, BoolArray, FloatArray, IntArray, LabelArray, Position
from haversine_dbscan.clustering import bounds_of, check_degrees, check_shapes, cluster_core_points, dbscan
from haversine_dbscan.compiling import kernel
from haversine_dbscan.frame import Frame, UnframedError, extent_of, sphere_frame, zone_frame
from haversine_dbscan.geodesy import SMALLEST_EPS_METRES
from haversine_dbscan.haversine import haversine_of_distance
from haversine_dbscan.inputs import as_floats, as_weights
from haversine_dbscan.layout import Layout, lay_out
from haversine_dbscan.pairwise import weigh_pairwise
from haversine_dbscan.resolution import COARSE, FINE, crowding
from haversine_dbscan.threads import Range, Run, even_ranges, workers, worthwhile_threads
from haversine_dbscan.window import Scratch, Width, fill_tables, make_scratch, rows_in_reach, table_width, window
from haversine_dbscan.within import count_within, weigh_within
from haversine_dbscan.zones import zones_of

_CROWDED = 16.0
"""Points that share the cell of a point, on average: with more, finer cells are worth their number."""
_POINTS_OF_FINE = 80.0
_FINEST = 16.0


def count_neighbours(
    latitude: ArrayLike,
    longitude: ArrayLike,
    eps_metres: float,
    weight: ArrayLike | None = None,
    threads: int | None = None,
) -> NDArray[Any]:
    """Return how many points are within eps of each point on the great circle, itself included.

    latitude, longitude: degrees, shape (n,), arrays, Series or lists. eps is inclusive. threads: how many to use; as
    many as the process has CPUs by default.

    Returns int64 (n,); with weights float64 (n,), the sum of the weights within eps. The core points of `dbscan` are
    those with at least `min_samples`. O(n + points in cells that eps cuts, of each place).

    Raises ValueError as `dbscan`.
    """
    return Neighbourhoods(latitude, longitude, eps_metres, weight, threads).counts


class _Laid(NamedTuple):
    """All points in one frame. counts: int64 or float64 (n,), sorted as the layout."""

    frame: Frame
    layout: Layout
    counts: NDArray[Any]


class Neighbourhoods:
    """The neighbourhoods of all points for one eps: their sizes, and the clusters of any min_samples.

    Takes the arguments of `count_neighbours`, and raises what it raises. Some 60 bytes a point are kept.

    Attributes
    ----------
    counts : int64 (n,), as `count_neighbours` returns them; float64 with weights.

    Examples
    --------
    >>> from haversine_dbscan import Neighbourhoods
    >>> near = Neighbourhoods([-33.45, -33.4501, -33.4501, -33.5], [-70.66, -70.66, -70.6601, -70.6], 50)
    >>> near.counts
    array([3, 3, 3, 1])
    >>> near.cluster(3)[0]
    array([ 0,  0,  0, -1], dtype=int32)
    """

    counts: NDArray[Any]

    def __init__(
        self,
        latitude: ArrayLike,
        longitude: ArrayLike,
        eps_metres: float,
        weight: ArrayLike | None = None,
        threads: int | None = None,
    ) -> None:
        if not eps_metres >= SMALLEST_EPS_METRES:
            raise ValueError(f"eps must be at least {SMALLEST_EPS_METRES} metres, got {eps_metres!r}")
        latitude, longitude = as_floats("latitude", latitude), as_floats("longitude", longitude)
        weight = None if weight is None else as_weights(weight)
        check_shapes(latitude, longitude, weight)
        self._given = latitude, longitude, float(eps_metres), weight
        self._threads = worthwhile_threads(threads, len(latitude))
        self._laid: _Laid | None = None
        with workers(self._threads) as run:
            extent = bounds_of(longitude, latitude, ("longitude", "latitude"), run, self._threads)
            check_degrees(extent)
            if len(latitude) == 0:
                self.counts = np.empty(0, dtype=np.int64 if weight is None else np.float64)
                return
            try:
                coarse = sphere_frame(extent, eps_metres, COARSE)
                resolution = _resolution(longitude, latitude, coarse)
                frame = sphere_frame(extent, eps_metres, resolution)
            except UnframedError:
                self.counts = _count_anywhere(latitude, longitude, eps_metres, weight, run, self._threads)
                return
            layout, frame = lay_out(longitude, latitude, frame, run, self._threads)
            counts = _count(frame, layout, weight, run, self._threads)
            self._laid = _Laid(frame, layout, counts)
            self.counts = _unsorted(layout, counts)

    def cluster(self, min_samples: float) -> tuple[LabelArray, BoolArray]:
        """Return what `dbscan` does with this min_samples: labels, int32 (n,), and which points are core, bool (n,).

        No neighbour is counted again, unless the points are all over the world, where it is `dbscan` that answers.
        """
        latitude, longitude, eps_metres, weight = self._given
        if self._laid is None:
            return dbscan(latitude, longitude, eps_metres, min_samples, weight, self._threads)
        frame, layout, counts = self._laid
        # Clustering moves the core points of each row to its front, and the counts stay as they are.
        layout = layout._replace(x=layout.x.copy(), y=layout.y.copy(), order=layout.order.copy())
        core: BoolArray = counts >= min_samples
        n_core = np.add.reduceat(core, layout.cell_start[:-1], dtype=layout.order.dtype)
        with workers(self._threads) as run:
            return cluster_core_points(frame, layout, core, n_core, run, self._threads)


def _resolution(x: FloatArray, y: FloatArray, coarse: Frame) -> float:
    """Return how many cells per eps suit the points: the edge of eps cuts the fewer points the finer they are."""
    crowded = crowding(x, y, coarse.width, coarse.height)
    if crowded <= _CROWDED:
        return COARSE
    return min(FINE * max(math.sqrt(crowded / _POINTS_OF_FINE), 1.0), _FINEST)


def _unsorted(layout: Layout, counts: NDArray[Any]) -> NDArray[Any]:
    """Return the counts in the original order of the points."""
    found = np.empty_like(counts)
    found[layout.order] = counts
    return found


def _count(frame: Frame, layout: Layout, weight: FloatArray | None, run: Run, threads: int) -> NDArray[Any]:
    """Return the counts of the points, or the sums of weights, sorted as the layout. weight: in the original order."""
    rows, width = layout.row_ranges(threads), table_width(frame, layout)
    if weight is None:
        counts = np.empty(len(layout.x), dtype=np.int64)
        run(
            lambda part: count_in_rows(
                frame, layout, width, part, counts, make_scratch(frame, width, layout.order.dtype)
            ),
            rows,
        )
        return counts
    sums, sorted_weight = np.empty(len(layout.x)), np.asarray(weight, dtype=np.float64)[layout.order]
    run(
        lambda part: weigh_in_rows(
            frame, layout, width, part, sorted_weight, sums, make_scratch(frame, width, layout.order.dtype)
        ),
        rows,
    )
    return sums


def _count_anywhere(
    latitude: FloatArray,
    longitude: FloatArray,
    eps_metres: float,
    weight: FloatArray | None,
    run: Run,
    threads: int,
) -> NDArray[Any]:
    """Return the counts of points that no single frame covers, in the original order: by zones, or pair by pair."""
    try:
        zones = zones_of(eps_metres)
    except UnframedError:
        return _count_pairs(latitude, longitude, eps_metres, weight, run, threads)
    counts = np.empty(len(latitude), dtype=np.int64 if weight is None else np.float64)
    for zone in zones:
        part = zone.part(latitude, longitude)
        if part.owned:
            extent = extent_of(part.x, part.y)
            resolution = _resolution(part.x, part.y, zone_frame(extent, eps_metres, COARSE))
            layout, frame = lay_out(part.x, part.y, zone_frame(extent, eps_metres, resolution), run, threads)
            of_part = None if weight is None else weight[part.member]
            found = _unsorted(layout, _count(frame, layout, of_part, run, threads))
            counts[part.member[: part.owned]] = found[: part.owned]
    return counts


def _count_pairs(
    latitude: FloatArray,
    longitude: FloatArray,
    eps_metres: float,
    weight: FloatArray | None,
    run: Run,
    threads: int,
) -> NDArray[Any]:
    latitude, longitude = np.array([latitude, longitude], dtype=np.float64)  # copies have one type in compiled code
    limit, totals = haversine_of_distance(eps_metres), np.empty(len(latitude))
    weights = np.ones(len(latitude)) if weight is None else np.array(weight, dtype=np.float64)
    run(
        lambda part: weigh_pairwise(latitude, longitude, weights, limit, totals, part),
        even_ranges(len(latitude), 8 * threads),
    )
    return totals.astype(np.int64) if weight is None else totals


@kernel
def count_in_rows(frame: Frame, layout: Layout, width: Width, rows: Range, counts: IntArray, scratch: Scratch) -> None:
    """Fill in how many points are within eps of each point of the rows, itself included; int64 (n,), as the layout.

    width: of the tables of columns. O(reach) per cell, and O(points of cells that eps cuts) per place.
    """
    x, y, start, column, row_cell = layout.x, layout.y, layout.cell_start, layout.cell_column, layout.row_cell
    size = 2 * frame.reach + 1
    table, outer, inner, reached, _ = scratch
    filled = rows[0] - frame.reach
    filled = filled if filled > 0 else 0
    for row in range(rows[0], rows[1]):
        filled = fill_tables(table, width, column, start, row_cell, size, filled, row + frame.reach + 1)
        if row_cell[row] == row_cell[row + 1]:
            continue
        in_reach = rows_in_reach(frame, row_cell, row, width, outer, inner, reached)
        for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
            here = column[cell]
            sure = 0
            for t in range(in_reach):
                first, last = window(table, column, start, outer[t], here)
                one = reached[t]
                one.first = one.sure_first = one.sure_last = first
                one.last = last
                if inner[t].columns >= 0:
                    first, last = window(table, column, start, inner[t], here)
                    one.sure_first = first
                    one.sure_last = last
                    sure += last - first
            centre: Position = np.uintp(start[cell])
            before = centre
            for i in range(centre, np.uintp(start[cell + ONE])):
                at_x, at_y = x[i], y[i]
                if i > centre and at_x == x[before] and at_y == y[before]:
                    counts[i] = counts[before]
                    continue
                before = i
                near = sure
                for t in range(in_reach):
                    other = reached[t]
                    begin, end = other.first, other.sure_first
                    for _ in range(2):
                        if end > begin:
                            near += count_within(
                                frame.metric.limit,
                                other.scale,
                                other.within,
                                other.beyond,
                                x,
                                y,
                                at_x,
                                at_y,
                                np.uintp(begin),
                                np.uintp(end),
                            )
                        begin, end = other.sure_last, other.last
                counts[i] = near


@kernel
def weigh_in_rows(
    frame: Frame,
    layout: Layout,
    width: Width,
    rows: Range,
    weight: FloatArray,
    sums: FloatArray,
    scratch: Scratch,
) -> None:
    """Fill in what the points within eps of each point of the rows weigh, itself included; float64 (n,), as the layout.

    weight: float64 (n,), sorted as the layout. O(points in all cells that eps reaches) per point.
    """
    x, y, start, column, row_cell = layout.x, layout.y, layout.cell_start, layout.cell_column, layout.row_cell
    size = 2 * frame.reach + 1
    table, outer, inner, reached, _ = scratch
    filled = rows[0] - frame.reach
    filled = filled if filled > 0 else 0
    for row in range(rows[0], rows[1]):
        filled = fill_tables(table, width, column, start, row_cell, size, filled, row + frame.reach + 1)
        if row_cell[row] == row_cell[row + 1]:
            continue
        in_reach = rows_in_reach(frame, row_cell, row, width, outer, inner, reached)
        for cell in range(np.uintp(row_cell[row]), np.uintp(row_cell[row + 1])):
            for t in range(in_reach):
                first, last = window(table, column, start, outer[t], column[cell])
                reached[t].first = first
                reached[t].last = last
            for i in range(np.uintp(start[cell]), np.uintp(start[cell + ONE])):
                total = 0.0
                for t in range(in_reach):
                    one = reached[t]
                    total += weigh_within(
                        frame.metric.limit,
                        one.scale,
                        one.within,
                        one.beyond,
                        x,
                        y,
                        weight,
                        i,
                        np.uintp(one.first),
                        np.uintp(one.last),
                    )
                sums[i] = total
