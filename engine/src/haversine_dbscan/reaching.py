"""Whether points have a point of a given label within eps: what border points of a clustering are asked."""

from __future__ import annotations

import math

import numpy as np

from haversine_dbscan.arrays import BoolArray, FloatArray, IntArray, LabelArray
from haversine_dbscan.compiling import kernel
from haversine_dbscan.frame import Frame, UnframedError, extent_of, sphere_frame, zone_frame
from haversine_dbscan.haversine import cosine_of_latitude, haversine, haversine_of_distance
from haversine_dbscan.layout import Layout, first_at_least, lay_out
from haversine_dbscan.nearest import columns_within
from haversine_dbscan.pairwise import find_label_pairwise
from haversine_dbscan.resolution import COARSE
from haversine_dbscan.threads import workers
from haversine_dbscan.zones import zones_of


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
    if len(latitude) == 0:
        return found
    extent = extent_of(longitude, latitude)
    try:
        frame = sphere_frame(extent, eps_metres, COARSE)
    except UnframedError:
        pass
    else:
        turns = np.round((at_longitude - (extent.low_x + extent.high_x) / 2.0) / 360.0)
        _find(frame, longitude, latitude, labels, at_longitude - 360.0 * turns, at_latitude, wanted, found)
        return found
    try:
        zones = zones_of(eps_metres)
    except UnframedError:
        limit = haversine_of_distance(eps_metres)
        find_label_pairwise(latitude, longitude, labels, limit, at_latitude, at_longitude, wanted, found)
        return found
    for zone in zones:
        asked = np.flatnonzero(zone.owns(at_latitude))
        part = zone.part(latitude, longitude)
        if len(asked) and len(part.member):
            frame = zone_frame(extent_of(part.x, part.y), eps_metres, COARSE)
            x, y = zone.place(at_latitude[asked], at_longitude[asked])
            here = np.zeros(len(asked), dtype=np.bool_)
            _find(frame, part.x, part.y, labels[part.member], x, y, wanted[asked], here)
            found[asked] = here
    return found


def _find(
    frame: Frame,
    x: FloatArray,
    y: FloatArray,
    labels: LabelArray,
    at_x: FloatArray,
    at_y: FloatArray,
    wanted: LabelArray,
    found: BoolArray,
) -> None:
    """Lay out the points in a frame, and fill in what is found."""
    with workers(1) as run:
        layout, frame = lay_out(x, y, frame, run, 1)
    find_label(frame, layout, *layout.occupied_rows(), labels[layout.order], at_x, at_y, wanted, found)


@kernel
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
        row = first_at_least(rows, 0, rows.shape[0], at_row - frame.reach)
        while not found[i] and row < rows.shape[0] and rows[row] <= at_row + frame.reach:
            columns = columns_within(frame, rows[row], y[i], cosine, frame.metric.limit)
            if columns >= 0.0:
                first = math.floor((x[i] - columns - frame.slack - frame.origin_x) / frame.width)
                last = math.floor((x[i] + columns + frame.slack - frame.origin_x) / frame.width)
                begin = first_at_least(column, row_cell[row], row_cell[row + 1], first)
                end = first_at_least(column, begin, row_cell[row + 1], last + 1)
                for j in range(start[begin], start[end]):
                    if label[j] == wanted[i]:
                        other = cosine_of_latitude(layout.y[j])
                        if haversine(y[i], x[i], cosine, layout.y[j], layout.x[j], other) <= frame.metric.limit:
                            found[i] = True
                            break
            row += 1
