"""Which points of a slice are within eps of a point: by planar bounds, and where these do not decide, the haversine."""

from __future__ import annotations

import numpy as np
from numba import njit

from haversine_dbscan.arrays import FloatArray
from haversine_dbscan.frame import Metric, Whole
from haversine_dbscan.haversine import cosine_of_latitude, haversine
from haversine_dbscan.lanes import LANES, count_block


@njit(cache=True, nogil=True, forceinline=True)
def count_within(
    metric: Metric,
    scale: float,
    within: float,
    beyond: float,
    x: FloatArray,
    y: FloatArray,
    at_x: float,
    at_y: float,
    begin: Whole,
    end: Whole,
) -> int:
    """Count the points of x[begin:end], y[begin:end] within eps of (at_x, at_y).

    scale, within, beyond: of the pair of rows. Indices are unsigned, as numba tests signed ones for being negative.
    """
    near, maybe = 0, 0
    position, stop = np.uintp(begin), np.uintp(end)
    if metric.spherical is None:
        while position < stop:
            near += count_block(x, y, position, stop - position, at_x, at_y, 1.0, within)
            position += np.uintp(LANES)
        return near
    while position < stop:
        near += count_block(x, y, position, stop - position, at_x, at_y, scale, within)
        maybe += count_block(x, y, position, stop - position, at_x, at_y, scale, beyond)
        position += np.uintp(LANES)
    if near == maybe:
        return near
    return _count_undecided(metric, scale, within, beyond, x, y, at_x, at_y, begin, end, near)


@njit(cache=True, nogil=True, forceinline=True)
def any_near(
    metric: Metric,
    scale: float,
    within: float,
    beyond: float,
    x: FloatArray,
    y: FloatArray,
    at_x: float,
    at_y: float,
    begin: Whole,
    end: Whole,
) -> bool:
    """Return whether one of the points begin:end is within eps of (at_x, at_y); see `count_within`."""
    maybe = 0
    position, stop = np.uintp(begin), np.uintp(end)
    while position < stop:
        if metric.spherical is None:
            if count_block(x, y, position, stop - position, at_x, at_y, 1.0, within) > 0:
                return True
        else:
            if count_block(x, y, position, stop - position, at_x, at_y, scale, within) > 0:
                return True
            maybe += count_block(x, y, position, stop - position, at_x, at_y, scale, beyond)
        position += np.uintp(LANES)
    return maybe > 0 and _count_undecided(metric, scale, within, beyond, x, y, at_x, at_y, begin, end, 0) > 0


@njit(cache=True, nogil=True)
def _count_undecided(
    metric: Metric,
    scale: float,
    within: float,
    beyond: float,
    x: FloatArray,
    y: FloatArray,
    at_x: float,
    at_y: float,
    begin: Whole,
    end: Whole,
    near: int,
) -> int:
    """Add to `near` those points that the planar bounds leave undecided and the haversine finds within eps."""
    for j in range(np.uintp(begin), np.uintp(end)):
        squared = (y[j] - at_y) ** 2 + scale * (x[j] - at_x) ** 2
        if within < squared <= beyond:
            near += _within_haversine(metric, at_x, at_y, x[j], y[j])
    return near


@njit(cache=True, nogil=True)
def _within_haversine(metric: Metric, x: float, y: float, other_x: float, other_y: float) -> bool:
    cosine, other_cosine = cosine_of_latitude(y), cosine_of_latitude(other_y)
    return haversine(y, x, cosine, other_y, other_x, other_cosine) <= metric.limit


@njit(cache=True, nogil=True, forceinline=True)
def weigh_within(
    metric: Metric,
    scale: float,
    within: float,
    beyond: float,
    x: FloatArray,
    y: FloatArray,
    weight: FloatArray,
    i: Whole,
    begin: Whole,
    end: Whole,
) -> float:
    """Add up the weights of the points begin:end within eps of point i."""
    total = 0.0
    for j in range(np.uintp(begin), np.uintp(end)):
        squared = (y[j] - y[i]) ** 2 + scale * (x[j] - x[i]) ** 2
        if squared <= within or (squared <= beyond and _within_haversine(metric, x[i], y[i], x[j], y[j])):
            total += weight[j]
    return total
