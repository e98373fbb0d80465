"""Cutting points into tiles with a halo of eps, each of about as much work, so that they can be clustered apart.

Zones are the largest tiles. A tile is halved at the median of its longer side until its points have few enough
neighbours, as the cells of a coarse layout let guess.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from haversine_dbscan.arrays import FloatArray, IntArray
from haversine_dbscan.frame import UnframedError, extent_of, zone_frame
from haversine_dbscan.geodesy import degrees_of_distance
from haversine_dbscan.layout import lay_out
from haversine_dbscan.resolution import COARSE
from haversine_dbscan.threads import workers
from haversine_dbscan.zones import Part, reach_of_longitude, zones_of


class Tile(NamedTuple):
    """Indices of points, int64: `owned` by this tile alone, and `halo`, all others within eps of one of them."""

    owned: IntArray
    halo: IntArray


def estimate_neighbours(latitude: NDArray[Any], longitude: NDArray[Any], eps_metres: float) -> FloatArray:
    """Guess how many of n points are within eps of each, itself included: float64 (n,), from those in its cell.

    latitude, longitude: float32 or float64 (n,), degrees. O(n).
    """
    neighbours = np.full(len(latitude), float(len(latitude)))
    try:
        zones = zones_of(eps_metres)
    except UnframedError:
        return neighbours
    for zone in zones:
        part = zone.part(latitude, longitude)
        if part.owned == 0:
            continue
        x, y = part.x[: part.owned], part.y[: part.owned]
        with workers(1) as run:
            layout, frame = lay_out(x, y, zone_frame(extent_of(x, y), eps_metres, COARSE), run, 1)
        cells_of_row = np.diff(layout.row_cell)
        areas = np.repeat(frame.width * frame.height * frame.largest_cosine, cells_of_row)
        counts = np.diff(layout.cell_start)
        guess = 1.0 + (counts - 1) * np.pi * frame.squared / areas
        neighbours[part.member[layout.order]] = np.repeat(guess, counts)
    return neighbours


def split(
    latitude: NDArray[Any], longitude: NDArray[Any], neighbours: FloatArray, eps_metres: float, budget: float
) -> list[Tile]:
    """Cut n points into tiles whose own points have at most `budget` neighbours together, where that can be.

    A tile of 2 eps or less is not halved, since its halo would not shrink with it. O(n log tiles) where halos are
    small.
    """
    try:
        zones = zones_of(eps_metres)
    except UnframedError:
        return [Tile(np.arange(len(latitude)), np.empty(0, dtype=np.int64))]
    parts = [part for zone in zones if (part := zone.part(latitude, longitude)).owned]
    return [tile for part in parts for tile in _split_part(part, neighbours, degrees_of_distance(eps_metres), budget)]


def _split_part(part: Part, neighbours: FloatArray, eps: float, budget: float) -> list[Tile]:
    """Cut the points of a zone; eps in degrees. Positions in the part are looked up as points at the end."""
    tiles = []
    pending = [(np.arange(part.owned), np.arange(part.owned, len(part.member)))]
    while pending:
        owned, halo = pending.pop()
        x, y = part.x[owned], part.y[owned]
        sides = np.ptp(x) * np.cos(np.radians(np.abs(y).min())), np.ptp(y)
        points = part.member[owned].astype(np.int64)
        if neighbours[points].sum() <= budget or max(sides) <= 2.0 * eps:
            # A point beside the antimeridian may be there twice.
            tiles.append(Tile(points, np.setdiff1d(part.member[halo], points).astype(np.int64)))
            continue
        half = len(owned) // 2
        order = np.argpartition(x if sides[0] >= sides[1] else y, half)
        lower, upper = owned[order[:half]], owned[order[half:]]
        pending.append((lower, _near(part, lower, np.concatenate((halo, upper)), eps)))
        pending.append((upper, _near(part, upper, np.concatenate((halo, lower)), eps)))
    return tiles


def _near(part: Part, owned: IntArray, candidates: IntArray, eps: float) -> IntArray:
    """Keep the candidates within eps of the box around the owned points, in each coordinate."""
    box = extent_of(part.x[owned], part.y[owned])
    reach = reach_of_longitude(eps, max(abs(box.low_y), abs(box.high_y)))
    x, y = part.x[candidates], part.y[candidates]
    near = (x >= box.low_x - reach) & (x <= box.high_x + reach) & (y >= box.low_y - eps) & (y <= box.high_y + eps)
    return candidates[near]
