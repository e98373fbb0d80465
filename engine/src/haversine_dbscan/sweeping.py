"""Exact DBSCAN of few points: a sweep along rows lists the pairs within eps, and clusters are made from the list.

Few calls of compiled code do all, where cells take dozens; but every pair is listed, so crowded points are for cells.
"""

from __future__ import annotations

import math
import sys
from typing import NamedTuple

import numpy as np

from haversine_dbscan.arrays import BoolArray, FloatArray, IntArray, LabelArray
from haversine_dbscan.compiling import inlined, kernel
from haversine_dbscan.frame import LARGEST_SINE, MARGIN, SPHERE_SCALE
from haversine_dbscan.haversine import RADIANS, cosine_of_latitude, haversine, haversine_of_distance

MOST_SWEPT = 4096
"""Points; with more, cells are faster."""
_ROWS_PER_POINT = 16
_MOST_ROWS = _ROWS_PER_POINT * MOST_SWEPT
_REACH = 2
"""How many rows eps reaches up."""
_FARTHEST = math.radians(85.0)
"""From the equator: closer to the poles, differences of longitude say little."""
_ROUNDING = 8.0 * sys.float_info.epsilon


class Rows(NamedTuple):
    """Rows of points: `number` of them, `height` high, from `origin` on.

    across: the largest difference of x of points within eps. within, beyond: a squared distance up to `within` is
    within eps, one above `beyond` is not; between them, on the sphere, the haversine decides.
    """

    number: int
    origin: float
    height: float
    across: float
    within: float
    beyond: float


def sweep_sphere(
    latitude: FloatArray, longitude: FloatArray, eps_metres: float, min_samples: float
) -> tuple[LabelArray, BoolArray] | None:
    """Return labels and core flags as `haversine_dbscan.clustering`; None for points that are for other code.

    These are crowded or far apart, close to a pole or the antimeridian, or not degrees at all. latitude, longitude:
    shape (n,), n > 0.
    """
    limit = haversine_of_distance(eps_metres)
    return _sweep(longitude, latitude, SPHERE_SCALE * limit, limit, min_samples)


def sweep_plane(x: FloatArray, y: FloatArray, eps: float, min_samples: float) -> tuple[LabelArray, BoolArray] | None:
    """Return labels and core flags of points in the plane; see `sweep_sphere`."""
    return _sweep(x, y, eps * eps, _PLANE, min_samples)


_PLANE = -1.0
"""Instead of the haversine of eps."""


def _sweep(
    x: FloatArray, y: FloatArray, squared: float, limit: float, min_samples: float
) -> tuple[LabelArray, BoolArray] | None:
    """Return labels and core flags, or None. squared: eps² in units of y². limit: the haversine of eps, or `_PLANE`."""
    n = len(x)
    coordinates = np.array([x, y], dtype=np.float64)  # copies have one type in compiled code
    rows = rows_of(coordinates, squared, limit)
    if not 0 < rows.number <= _ROWS_PER_POINT * (n + 1):
        return None
    most_ahead = 5_000 + n + n // 2  # from there on, cells are faster (measured)
    labels, core = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.bool_)
    done = sweep(
        coordinates,
        coordinates[0].argsort(),
        rows,
        limit,
        most_ahead,
        float(min_samples),
        np.zeros(rows.number + _REACH + 2, dtype=np.int64),
        np.empty((3, n)),
        np.empty((3, n), dtype=np.int32),
        np.empty((5 * most_ahead, 2), dtype=np.int32),
        labels,
        core,
    )
    return (labels, core) if done else None


@kernel
def rows_of(coordinates: FloatArray, squared: float, limit: float) -> Rows:
    """Return the rows of points (x, y), shape (2, n); none where the points are for other code."""
    low_x = high_x = coordinates[0, 0]
    low_y = high_y = coordinates[1, 0]
    nothing = 0.0
    for i in range(coordinates.shape[1]):
        x, y = coordinates[0, i], coordinates[1, i]
        low_x, high_x = x if x < low_x else low_x, x if x > high_x else high_x
        low_y, high_y = y if y < low_y else low_y, y if y > high_y else high_y
        nothing += 0.0 * x + 0.0 * y  # NaN of infinity, too
    eps = math.sqrt(squared)
    cosine, curvature, fits = 1.0, 1.0, True
    if limit != _PLANE:
        # Bounds of a planar distance as in `haversine_dbscan.frame`, at the latitudes of the points and eps around.
        south, north = (low_y - eps) * RADIANS, (high_y + eps) * RADIANS
        cosine = math.cos(south) if abs(south) > abs(north) else math.cos(north)
        if south < -_FARTHEST or north > _FARTHEST or math.sqrt(limit) >= LARGEST_SINE * cosine:
            fits, widest = False, 0.0
        else:
            widest = 2.0 * math.asin(math.sqrt(limit) / cosine) * (1.0 + 1e-9)
            fits = low_x >= -180.0 and high_x <= 180.0 and high_x - low_x + 2.0 * widest / RADIANS < 360.0
        curvature = 1.0 - widest * widest / 12.0
    beyond = squared / curvature
    span = high_x - low_x if high_x - low_x > high_y - low_y else high_y - low_y
    slack = _ROUNDING * span
    height = math.sqrt(beyond) / _REACH * (1.0 + 1e-9) + slack
    count = (high_y - low_y) / height + nothing
    if not (fits and squared > 0.0 and height < math.inf and count < _MOST_ROWS and slack < 1e-3 * height):
        return Rows(0, 0.0, 0.0, 0.0, 0.0, 0.0)
    across = math.sqrt(beyond) / cosine * (1.0 + 1e-9)
    if limit == _PLANE:
        return Rows(int(count) + 1, low_y, height, across, squared, squared)
    return Rows(int(count) + 1, low_y, height, across, squared * (1.0 - MARGIN), beyond * (1.0 + MARGIN))


@kernel
def sweep(
    coordinates: FloatArray,
    by_x: IntArray,
    rows: Rows,
    limit: float,
    most_ahead: int,
    min_samples: float,
    begin: IntArray,
    points: FloatArray,
    room: LabelArray,
    pairs: LabelArray,
    labels: LabelArray,
    core: BoolArray,
) -> bool:
    """Fill in labels and core flags, and return True; return False where the points are crowded.

    coordinates: x and y, (2, n). by_x: the points by increasing x. most_ahead: with more candidates in rows, points are
    crowded. begin: zeros, (rows + reach + 2,). points, room: (3, n). pairs: for those within eps.
    """
    _sort_by_row(coordinates, by_x, rows, limit, begin, points, room[0])
    if _ahead(points, begin, rows) > most_ahead:
        return False
    found = _find_pairs(rows, limit, begin, points, room[0], room[1], pairs)
    if found < 0:
        return False
    _cluster_pairs(pairs, found, min_samples, room[1], room[2], labels, core)
    return True


@inlined
def _sort_by_row(
    coordinates: FloatArray,
    by_x: IntArray,
    rows: Rows,
    limit: float,
    begin: IntArray,
    points: FloatArray,
    original: LabelArray,
) -> None:
    """Fill in x, y and the cosine of the latitude by row and x, where each row begins, and the points' own indices."""
    for i in range(by_x.shape[0]):
        begin[_row_of(coordinates[1, i], rows) + 2] += 1
    for row in range(2, begin.shape[0]):
        begin[row] += begin[row - 1]
    for i in by_x:
        x, y = coordinates[0, i], coordinates[1, i]
        row = _row_of(y, rows) + 1
        at = begin[row]
        begin[row] += 1
        original[at] = i
        points[0, at], points[1, at] = x, y
        points[2, at] = 1.0 if limit == _PLANE else cosine_of_latitude(y)


@inlined
def _find_pairs(
    rows: Rows,
    limit: float,
    begin: IntArray,
    points: FloatArray,
    original: LabelArray,
    first: LabelArray,
    pairs: LabelArray,
) -> int:
    """List the pairs of points within eps of each other, and return how many; −1 where there is no room for them.

    first: of each row above, filled in with the first point that is not too far to the left.
    """
    found = 0
    for i in range(original.shape[0]):
        row = _row_of(points[1, i], rows)
        for other in range(row, row + _REACH + 1):
            if other == row:
                j = i + 1
            else:
                if i == begin[row]:
                    first[other - row] = begin[other]
                while (
                    first[other - row] < begin[other + 1] and points[0, i] - points[0, first[other - row]] > rows.across
                ):
                    first[other - row] += 1
                j = first[other - row]
            while j < begin[other + 1] and points[0, j] - points[0, i] <= rows.across:
                if _near(points, i, j, rows, limit):
                    pairs[found, 0], pairs[found, 1] = original[i], original[j]
                    found += 1
                    if found == pairs.shape[0]:
                        return -1
                j += 1
    return found


@inlined
def _ahead(points: FloatArray, begin: IntArray, rows: Rows) -> int:
    """Count the pairs in a row that may be within eps, by x alone: in proportion to all pairs, and counted in O(n)."""
    count = 0
    for row in range(begin.shape[0] - 1):
        end = begin[row]
        for i in range(begin[row], begin[row + 1]):
            while end < begin[row + 1] and points[0, end] - points[0, i] <= rows.across:
                end += 1
            count += end - i - 1
    return count


@inlined
def _row_of(y: float, rows: Rows) -> int:
    return int((y - rows.origin) / rows.height)


@inlined
def _near(points: FloatArray, i: int, j: int, rows: Rows, limit: float) -> bool:
    """Return whether two points are within eps of each other."""
    dx, dy = points[0, j] - points[0, i], points[1, j] - points[1, i]
    squared = dy * dy + points[2, i] * points[2, j] * (dx * dx)
    if squared > rows.beyond:
        return False
    if squared <= rows.within:
        return True
    x, y, cosine = points[0, i], points[1, i], points[2, i]
    return haversine(y, x, cosine, points[1, j], points[0, j], points[2, j]) <= limit


@inlined
def _cluster_pairs(
    pairs: LabelArray,
    found: int,
    min_samples: float,
    neighbours: LabelArray,
    parent: LabelArray,
    labels: LabelArray,
    core: BoolArray,
) -> None:
    """Fill in the labels and the core flags, (n,), from the first `found` pairs of points within eps.

    The parent of a point is one of a lower index in its cluster, so that the first core point stands for all.
    """
    for i in range(labels.shape[0]):
        neighbours[i], parent[i] = 1, i
    for k in range(found):
        neighbours[pairs[k, 0]] += 1
        neighbours[pairs[k, 1]] += 1
    for k in range(found):
        i, j = pairs[k, 0], pairs[k, 1]
        if neighbours[i] >= min_samples and neighbours[j] >= min_samples:
            i, j = _root(parent, i), _root(parent, j)
            if i < j:
                parent[j] = i
            else:
                parent[i] = j
    clusters = np.int32(0)
    for i in range(labels.shape[0]):
        core[i], labels[i] = neighbours[i] >= min_samples, -1
        if core[i]:
            if parent[i] == i:
                labels[i] = clusters
                clusters += np.int32(1)
            else:
                labels[i] = labels[_root(parent, i)]
    for k in range(found):
        i, j = pairs[k, 0], pairs[k, 1]
        if core[i] != core[j]:
            border, label = (j, labels[i]) if core[i] else (i, labels[j])
            if labels[border] < 0 or label < labels[border]:
                labels[border] = label


@inlined
def _root(parent: LabelArray, i: int) -> int:
    """Return the lowest point of the cluster of point i, and halve the way to it."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i
