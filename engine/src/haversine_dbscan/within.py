"""Which points of a slice are within eps of a point: by planar bounds, and where these do not decide, the haversine.

In the plane both bounds are the same, and decide all.
"""

from __future__ import annotations

import numpy as np

from haversine_dbscan.arrays import FloatArray, Position
from haversine_dbscan.compiling import inlined, inner, never_inlined
from haversine_dbscan.haversine import cosine_of_latitude, haversine
from haversine_dbscan.lanes import LANES, count_block

_STEP = np.uintp(LANES)


@inlined
def count_within(
    limit: float,
    scale: float,
    within: float,
    beyond: float,
    x: FloatArray,
    y: FloatArray,
    at_x: float,
    at_y: float,
    begin: Position,
    end: Position,
) -> int:
    """Count the points of x[begin:end], y[begin:end] within eps of (at_x, at_y).

    limit: the haversine of eps. scale, within, beyond: of the pair of rows. Indices are unsigned, as numba tests signed
    ones for being negative.
    """
    near, maybe = 0, 0
    position = begin
    if within == beyond:
        while position < end:
            near += count_block(x, y, position, end - position, at_x, at_y, scale, within)
            position += _STEP
        return near
    while position < end:
        near += count_block(x, y, position, end - position, at_x, at_y, scale, within)
        maybe += count_block(x, y, position, end - position, at_x, at_y, scale, beyond)
        position += _STEP
    if near == maybe:
        return near
    return near + _count_undecided(limit, scale, within, beyond, x, y, at_x, at_y, begin, end)


@inlined
def any_near(
    limit: float,
    scale: float,
    within: float,
    beyond: float,
    x: FloatArray,
    y: FloatArray,
    at_x: float,
    at_y: float,
    begin: Position,
    end: Position,
) -> bool:
    """Return whether one of the points begin:end is within eps of (at_x, at_y); see `count_within`."""
    undecided = False
    position = begin
    while position < end:
        if count_block(x, y, position, end - position, at_x, at_y, scale, beyond) > 0:
            if count_block(x, y, position, end - position, at_x, at_y, scale, within) > 0:
                return True
            undecided = True
        position += _STEP
    return undecided and _count_undecided(limit, scale, within, beyond, x, y, at_x, at_y, begin, end) > 0


@inner
def _count_undecided(
    limit: float,
    scale: float,
    within: float,
    beyond: float,
    x: FloatArray,
    y: FloatArray,
    at_x: float,
    at_y: float,
    begin: Position,
    end: Position,
) -> int:
    """Count those points that the planar bounds leave undecided and the haversine finds within eps."""
    never_inlined()
    near = 0
    for j in range(begin, end):
        dx, dy = x[j] - at_x, y[j] - at_y
        squared = dy * dy + scale * (dx * dx)
        if within < squared <= beyond:
            near += _within_haversine(limit, at_x, at_y, x[j], y[j])
    return near


@inner
def _within_haversine(limit: float, x: float, y: float, other_x: float, other_y: float) -> bool:
    cosine, other_cosine = cosine_of_latitude(y), cosine_of_latitude(other_y)
    return haversine(y, x, cosine, other_y, other_x, other_cosine) <= limit


@inlined
def weigh_within(
    limit: float,
    scale: float,
    within: float,
    beyond: float,
    x: FloatArray,
    y: FloatArray,
    weight: FloatArray,
    i: Position,
    begin: Position,
    end: Position,
) -> float:
    """Add up the weights of the points begin:end within eps of point i."""
    total = 0.0
    for j in range(begin, end):
        dx, dy = x[j] - x[i], y[j] - y[i]
        squared = dy * dy + scale * (dx * dx)
        if squared <= within or (squared <= beyond and _within_haversine(limit, x[i], y[i], x[j], y[j])):
            total += weight[j]
    return total
