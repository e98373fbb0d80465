"""Whether points have a point of a given label within eps: what border points of a clustering are asked."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from taxi_mlops.engine.frame import FloatArray, Frame, UnframedError, zone_frame
from taxi_mlops.engine.haversine import cosine_of_latitude, haversine, haversine_of_distance
from taxi_mlops.engine.layout import IntArray, Layout, lay_out
from taxi_mlops.engine.nearest import columns_within
from taxi_mlops.engine.pairwise import find_label_pairwise
from taxi_mlops.engine.resolution import COARSE
from taxi_mlops.engine.threads import workers
from taxi_mlops.engine.zones import zones_of

BoolArray = NDArray[np.bool_]
LabelArray = NDArray[np.int32]


def has_neighbour_of_label(
    latitude: FloatArray,
    longitude: FloatArray,
    labels: LabelArray,
    eps_metres: float,
    at_latitude: FloatArray,
    at_longitude: FloatArray,
    wanted: LabelArray,
) -> BoolArray:
    """Return bool (m,): whether one of n points with the wanted label is within eps of each of m points.

    latitude, longitude, at_latitude, at_longitude: float64 (n,) and (m,), degrees. labels, wanted: int32 (n,) and (m,).
    O(n) to lay out, and O(points within eps and a cell) for each of the m.
    """
    found = np.zeros(len(at_latitude), dtype=np.bool_)
    try:
        zones = zones_of(eps_metres)
    except UnframedError:
        limit = haversine_of_distance(eps_metres)
        find_label_pairwise(latitude, longitude, labels, limit, at_latitude, at_longitude, wanted, found)
        return found
    for zone in zones:
        asked = np.flatnonzero(zone.owns(at_latitude))
        part = zone.part(latitude, longitude)
        if len(asked) == 0 or len(part.member) == 0:
            continue
        with workers(1) as run:
            layout, frame = lay_out(part.x, part.y, zone_frame(part.extent, eps_metres, COARSE), run, 1)
        x, y = zone.place(at_latitude[asked], at_longitude[asked])
        here = np.zeros(len(asked), dtype=np.bool_)
        label = labels[part.member[layout.order]]
        find_label(frame, layout, *layout.occupied_rows(), label, x, y, wanted[asked], here)
        found[asked] = here
    return found


@njit(cache=True, nogil=True)
def find_label(
    frame: Frame,
    layout: Layout,
    rows: IntArray,
    row_cell: IntArray,
    label: LabelArray,
    x: FloatArray,
    y: FloatArray,
    wanted: LabelArray,
    found: BoolArray,
) -> None:
    """Fill in whether a point with the wanted label is within eps of each point. label: int32 (n,), as the layout."""
    column, start = layout.cell_column, layout.cell_start
    for i in range(x.shape[0]):
        cosine = cosine_of_latitude(y[i])
        at_row = math.floor((y[i] - frame.origin_y) / frame.height)
        row = np.searchsorted(rows, at_row - frame.reach)
        while not found[i] and row < rows.shape[0] and rows[row] <= at_row + frame.reach:
            columns = columns_within(frame, rows[row], y[i], cosine, frame.metric.limit)
            if columns >= 0.0:
                first = math.floor((x[i] - columns - frame.slack - frame.origin_x) / frame.width)
                last = math.floor((x[i] + columns + frame.slack - frame.origin_x) / frame.width)
                cells = column[row_cell[row] : row_cell[row + 1]]
                begin = row_cell[row] + np.searchsorted(cells, first)
                end = row_cell[row] + np.searchsorted(cells, last + 1)
                for j in range(start[begin], start[end]):
                    if label[j] == wanted[i]:
                        other = cosine_of_latitude(layout.y[j])
                        if haversine(y[i], x[i], cosine, layout.y[j], layout.x[j], other) <= frame.metric.limit:
                            found[i] = True
                            break
            row += 1
