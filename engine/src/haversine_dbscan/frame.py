"""The frame of a layout: how wide its cells are, and which cells are surely, possibly or not within eps of each other.

Points have coordinates (x, y) and are cut into rows by y and into columns by x. All columns are equally wide in x. In
the plane, x and y are in any unit. On the sphere, x is longitude and y latitude, in degrees: there the distance of a
pair is first bounded from both sides by a planar distance whose x is scaled by the cosines of the two rows, and the
haversine is taken only where the bounds disagree. So both metrics run through the same kernels, and both are exact.
"""

from __future__ import annotations

import math
import sys
from typing import Any, NamedTuple

import numpy as np

from haversine_dbscan.arrays import FloatArray, IntArray
from haversine_dbscan.compiling import inner
from haversine_dbscan.geodesy import degrees_of_distance
from haversine_dbscan.haversine import RADIANS, haversine_of_distance
from haversine_dbscan.resolution import COARSE

Whole = int | np.integer[Any]
"""A whole number in compiled code, of any width and sign."""

_SHRINK = 1.0 - 1e-4
"""Cells are this much smaller than they could be, so that rounding never puts points of one cell beyond eps."""
MARGIN = 1e-12
"""Relative; far more than the rounding of a squared distance, far less than anything that matters for speed."""
SPHERE_SCALE = 4.0 / RADIANS**2
"""Times a haversine: a squared distance on the sphere in squared degrees, as frames measure it."""
_SMALLEST_COSINE = 0.05
"""Of latitude: closer to the poles, columns of equal width in degrees make no sense."""
_LARGEST_RATIO = 4.0
"""Of the cosines of latitude of the points: beyond, cells of equal width in degrees are too unlike."""
_LARGEST_EPS_DEGREES = 45.0
_ROWS_AT_ONCE = 65_536
LARGEST_SINE = 0.8
"""Of half the largest difference of longitude of points within eps: beyond, the planar bounds say little."""


class Metric(NamedTuple):
    """How exact distances are taken. limit: the haversine of eps on the sphere, and its square in the plane."""

    spherical: bool
    limit: float


class Frame(NamedTuple):
    """The geometry of a layout.

    origin_x, origin_y: the lowest coordinates. width, height: of a cell. slack: how far rounding may move a point
    across the edge of its cell. squared: eps² in units of y².
    curvature: the least ratio of a squared distance on the sphere to the planar one. rows, columns: from the lowest
    point to the highest. reach: how many rows eps reaches up and down. smallest_cosine, largest_cosine: float64 (R,),
    of the latitudes of each row; ones in the plane.
    """

    origin_x: float
    origin_y: float
    width: float
    height: float
    slack: float
    squared: float
    curvature: float
    rows: int
    columns: int
    reach: int
    smallest_cosine: FloatArray
    largest_cosine: FloatArray
    metric: Metric


class Extent(NamedTuple):
    """The bounding box of the points."""

    low_x: float
    high_x: float
    low_y: float
    high_y: float


def extent_of(x: FloatArray, y: FloatArray) -> Extent:
    """Return the bounding box of at least one point."""
    return Extent(float(x.min()), float(x.max()), float(y.min()), float(y.max()))


class UnframedError(ValueError):
    """No frame of equal columns covers these points: they are all over the sphere, or too far apart for eps."""


def plane_frame(extent: Extent, eps: float, resolution: float) -> Frame:
    """Return the frame of points in the plane; cells are about eps / `resolution` high and wide.

    `resolution` is at least √2, so that the points of a cell are within eps of each other. The cosines are left empty,
    until the rows are known. Raises UnframedError where float64 cannot tell the cells apart.
    """
    return _frame(extent, eps, resolution, 1.0, 1.0, Metric(False, eps * eps))


def sphere_frame(extent: Extent, eps_metres: float, resolution: float) -> Frame:
    """Return the frame of points in degrees, x being the longitude, for eps in metres; see `plane_frame`.

    It also serves points within eps of those. Raises UnframedError where they come close to a pole, may have
    neighbours across the antimeridian, or span too many latitudes.
    """
    eps = degrees_of_distance(eps_metres)
    if eps > _LARGEST_EPS_DEGREES:
        raise UnframedError("eps reaches around the sphere")
    wider = extent._replace(low_y=extent.low_y - eps, high_y=extent.high_y + eps)
    smallest, largest = _cosines(wider)
    if smallest < _SMALLEST_COSINE or largest > _LARGEST_RATIO * smallest:
        raise UnframedError("the points span too many latitudes")
    if extent.high_x - extent.low_x + 2.0 * math.degrees(_widest_angle(eps_metres, smallest)) >= 360.0:
        raise UnframedError("eps reaches around the sphere")
    return _sphere_frame(extent, eps_metres, resolution, smallest, largest)


def zone_frame(extent: Extent, eps_metres: float, resolution: float) -> Frame:
    """Return the frame of points that are all of a zone and its halo, poles and antimeridian out of the way."""
    return _sphere_frame(extent, eps_metres, resolution, *_cosines(extent))


def _cosines(extent: Extent) -> tuple[float, float]:
    """Return the smallest and the largest cosine of latitude of points on the sphere; negative beyond the poles."""
    ends = math.cos(extent.low_y * RADIANS), math.cos(extent.high_y * RADIANS)
    return min(ends), 1.0 if extent.low_y <= 0.0 <= extent.high_y else max(ends)


def _widest_angle(eps_metres: float, smallest_cosine: float) -> float:
    """Return, in radians, the largest difference of longitude of points within eps, at latitudes of such cosines."""
    sine = math.sqrt(min(haversine_of_distance(eps_metres), 1.0)) / smallest_cosine
    if sine >= LARGEST_SINE:
        raise UnframedError("eps reaches around the sphere")
    return 2.0 * math.asin(sine) * (1.0 + 1e-9)


def _sphere_frame(extent: Extent, eps_metres: float, resolution: float, smallest: float, largest: float) -> Frame:
    limit = haversine_of_distance(eps_metres)
    eps = math.sqrt(SPHERE_SCALE * min(limit, 1.0))
    curvature = 1.0 - _widest_angle(eps_metres, smallest) ** 2 / 12.0
    return _frame(extent, eps, resolution, largest, curvature, Metric(True, limit))


_NO_ROWS = (np.empty(0), np.empty(0))


def _frame(extent: Extent, eps: float, resolution: float, largest: float, curvature: float, metric: Metric) -> Frame:
    """Return a frame for eps in units of y. Cells are as much smaller as rounding may move points over their edges.

    They are coarser than asked for where rounding would fill half of them.
    """
    span = max(extent.high_x - extent.low_x, extent.high_y - extent.low_y)
    slack = 8.0 * sys.float_info.epsilon * span
    if slack > 0.0:
        resolution = min(resolution, eps / (4.1 * slack))
    height = eps / resolution * _SHRINK - 2.0 * slack
    if not (eps * eps > 0.0 and np.isfinite(eps * eps) and resolution >= COARSE):
        raise UnframedError(f"eps = {eps:g} is too small for coordinates {span:g} apart")
    return Frame(
        origin_x=extent.low_x,
        origin_y=extent.low_y,
        width=height / largest,
        height=height,
        slack=slack,
        squared=eps * eps,
        curvature=curvature,
        rows=int((extent.high_y - extent.low_y) / height) + 1,
        columns=int((extent.high_x - extent.low_x) / (height / largest)) + 1,
        reach=int((eps / math.sqrt(curvature) * (1.0 + 1e-9) + slack) / height + 1.0),
        smallest_cosine=_NO_ROWS[0],
        largest_cosine=_NO_ROWS[1],
        metric=metric,
    )


def with_rows(frame: Frame, row_number: IntArray) -> Frame:
    """Return the frame with the cosines of its rows; `row_number` counts rows from the origin, int64 (R,)."""
    if not frame.metric.spherical:
        return frame._replace(smallest_cosine=np.ones(len(row_number)), largest_cosine=np.ones(len(row_number)))
    smallest, largest = np.empty(len(row_number)), np.empty(len(row_number))
    for begin in range(0, len(row_number), _ROWS_AT_ONCE):  # points all over the world have more rows than memory likes
        block = slice(begin, begin + _ROWS_AT_ONCE)
        south = np.maximum(frame.origin_y + row_number[block] * frame.height - frame.slack, -90.0)
        north = np.minimum(south + frame.height + 2.0 * frame.slack, 90.0)
        low, high = np.cos(south * RADIANS), np.cos(north * RADIANS)
        smallest[block] = np.minimum(low, high) * (1.0 - MARGIN)
        largest[block] = np.where((south <= 0.0) & (north >= 0.0), 1.0, np.maximum(low, high)) * (1.0 + MARGIN)
    return frame._replace(smallest_cosine=smallest, largest_cosine=largest)


class Pair(NamedTuple):
    """What is known of the cells of two rows, and of the points in them.

    inner: cells at most so many columns apart are wholly within eps; −1 where none are. outer: cells more columns apart
    are beyond eps; −1 where all are. scale: of the squared difference of x. within, beyond: a planar squared distance
    up to `within` is within eps, one above `beyond` is not, and between them the haversine decides (never in the
    plane).
    """

    inner: int
    outer: int
    scale: float
    within: float
    beyond: float


@inner
def pair_of_rows(frame: Frame, row: int, other: int) -> Pair:
    """Return what is known of two rows. O(1)."""
    rows = abs(other - row)
    largest = frame.largest_cosine[row] * frame.largest_cosine[other]
    smallest = frame.smallest_cosine[row] * frame.smallest_cosine[other]
    inner, outer = -1, -1
    most, least = (rows + 1) * frame.height + frame.slack, (rows - 1) * frame.height - frame.slack
    rest = frame.squared * (1.0 - MARGIN) - most * most
    if rest >= 0.0:
        inner = int((math.sqrt(rest / largest) - frame.slack) / frame.width) - 1
    rest = frame.squared * (1.0 + MARGIN) / frame.curvature
    if least > 0.0:
        rest -= least * least
    if rest >= 0.0:
        outer = int((math.sqrt(rest / smallest) + frame.slack) / frame.width) + 1
    if not frame.metric.spherical:
        return Pair(inner, outer, 1.0, frame.squared, frame.squared)
    beyond = frame.squared * (largest / smallest) / frame.curvature * (1.0 + MARGIN)
    return Pair(inner, outer, largest, frame.squared * (1.0 - MARGIN), beyond)
