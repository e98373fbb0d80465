"""The plan: the whole extent of the points cut into tiles, each of which fits into a worker's share of memory.

A tile owns the points of its box. To find the true core points within eps of its own, and their clusters, it sees all
points within 2 eps of its box: its halo. Boxes are halved where the histogram has half of their points, until a tile
with its halo is small enough, or would not become much smaller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numba import njit
from pydantic import BaseModel, ConfigDict, Field

from haversine_dbscan.arrays import BoolArray, FloatArray, IntArray
from haversine_dbscan.geodesy import degrees_of_distance
from taxi_mlops.scale.boxes import extended, overlapping
from taxi_mlops.scale.sketch import Sketch

BYTES_PER_POINT = 72
"""Of a worker, for each point of a tile and its halo: coordinates, what the engine takes, and what it answers."""
BYTES_OF_A_WORKER = 250_000_000
"""What the interpreter takes with its libraries."""
SMALLEST_GAIN = 0.9
"""A cut that leaves more than this of a tile's points to one of its parts is none."""
_ROUNDING_DEGREES = 1e-9

Degrees = Annotated[float, Field(ge=-180.0, le=180.0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cut(_Part):
    """Where a box is cut in two. below, above: the number of a further cut, or of a tile t as −1 − t."""

    axis: Literal["latitude", "longitude"]
    at: Degrees = Field(description="Degrees; points there belong to the part above.")
    below: int
    above: int


class PlannedTile(_Part):
    """A tile, with numbers of points as the histogram has them."""

    south: Degrees
    west: Degrees
    north: Degrees
    east: Degrees
    points: int = Field(ge=0, description="Points of the tile itself.")
    halo: int = Field(ge=0, description="Points of other tiles within 2 eps of it, or a few more.")

    @property
    def memory_bytes(self) -> int:
        """What a worker needs for it."""
        return BYTES_OF_A_WORKER + BYTES_PER_POINT * (self.points + self.halo)


class Plan(_Part):
    """All tiles, and the cuts that lead to them: the first cut is that of the whole extent."""

    schema_version: Literal[1] = 1
    eps_metres: float
    points: int = Field(ge=0, description="Points counted.")
    points_of_a_tile: int = Field(ge=1, description="Points that a tile and its halo may have.")
    cell_degrees: float = Field(gt=0, description="Side of the histogram's cells.")
    cuts: tuple[Cut, ...]
    tiles: tuple[PlannedTile, ...]

    @property
    def oversize(self) -> tuple[int, ...]:
        """The tiles that are larger than a worker's share, and cannot be cut any further."""
        return tuple(
            number for number, tile in enumerate(self.tiles) if tile.points + tile.halo > self.points_of_a_tile
        )

    @property
    def halo_share(self) -> float:
        """Points in halos over points."""
        return sum(tile.halo for tile in self.tiles) / max(self.points, 1)

    def boxes(self) -> FloatArray:
        """The boxes of the tiles, float64 (t, 4)."""
        return np.array([(tile.south, tile.west, tile.north, tile.east) for tile in self.tiles]).reshape(-1, 4)


def points_that_fit(memory_bytes: int) -> int:
    """Return how many points, halo included, a tile may have in so much memory of a worker."""
    return max((memory_bytes - BYTES_OF_A_WORKER) // BYTES_PER_POINT, 1)


@dataclass(slots=True, eq=False)
class _Node:
    """A box to cut: its cells, all cells near it, and where its number has to be entered."""

    box: FloatArray
    own: IntArray
    near: IntArray
    points: int
    total: int


class _Cells(NamedTuple):
    boxes: FloatArray
    points: IntArray
    reach: float

    def node(self, box: FloatArray, own: IntArray, candidates: IntArray) -> _Node:
        near = candidates[overlapping(self.boxes[candidates], extended(box[None], self.reach)[0])]
        return _Node(box, own, near, int(self.points[own].sum()), int(self.points[near].sum()))


def make_plan(
    sketch: Sketch, extent: FloatArray, eps_metres: float, points_of_a_tile: int, smallest_gain: float = SMALLEST_GAIN
) -> Plan:
    """Cut the extent of the points, (4,) as a box, into tiles of so many points, halo included, where that can be.

    An extent that is not finite is that of no points. O(m log t) for m cells and t tiles.
    """
    cells = _Cells(sketch.boxes(), sketch.count, 2.0 * degrees_of_distance(eps_metres))
    everything = np.arange(len(sketch.count))
    root = cells.node(extent if np.isfinite(extent).all() else np.zeros(4), everything, everything)
    cuts: list[dict[str, object]] = []
    tiles: list[PlannedTile] = []
    pending: list[tuple[_Node, int, str]] = [(root, -1, "")]
    while pending:
        node, parent, side = pending.pop()
        found = _cut(node, cells, smallest_gain) if node.total > points_of_a_tile else None
        number = len(cuts) if found else -1 - len(tiles)
        if parent >= 0:
            cuts[parent][side] = number
        if found is None:
            tiles.append(_tile(node))
            continue
        axis, at, below, above = found
        cuts.append({"axis": axis, "at": at})
        pending += [(above, number, "above"), (below, number, "below")]
    return Plan(
        eps_metres=eps_metres,
        points=root.points,
        points_of_a_tile=points_of_a_tile,
        cell_degrees=sketch.degrees,
        cuts=tuple(Cut.model_validate(cut) for cut in cuts),
        tiles=tuple(tiles),
    )


def _tile(node: _Node) -> PlannedTile:
    south, west, north, east = map(float, node.box)
    return PlannedTile(
        south=south, west=west, north=north, east=east, points=node.points, halo=max(node.total - node.points, 0)
    )


def _cut(
    node: _Node, cells: _Cells, smallest_gain: float
) -> tuple[Literal["latitude", "longitude"], float, _Node, _Node] | None:
    """Cut a box across its longer side, or else its shorter one; None if neither makes it much smaller."""
    boxes = cells.boxes[node.own]
    south, north = boxes[:, 0].min(), boxes[:, 2].max()
    shrink = np.cos(np.radians(np.clip((south + north) / 2.0, -90.0, 90.0)))
    height, width = north - south, (boxes[:, 3].max() - boxes[:, 1].min()) * shrink
    axes: tuple[Literal["latitude", "longitude"], ...] = ("latitude", "longitude")
    for axis in axes if height >= width else axes[::-1]:
        first = axes.index(axis)
        at = _middle(boxes[:, first], cells.points[node.own])
        if at is None or not node.box[first] < at <= node.box[first + 2]:
            continue
        below_box, above_box = node.box.copy(), node.box.copy()
        below_box[first + 2] = above_box[first] = at
        is_below = boxes[:, first] < at - _ROUNDING_DEGREES
        below = cells.node(below_box, node.own[is_below], node.near)
        above = cells.node(above_box, node.own[~is_below], node.near)
        if max(below.total, above.total) <= smallest_gain * node.total:
            return axis, float(at), below, above
    return None


def _middle(low: FloatArray, count: IntArray) -> float | None:
    """Return the edge of cells, by their lower sides, that parts the points most evenly; None in a single row."""
    edges, at = np.unique(low, return_inverse=True)
    if len(edges) == 1:
        return None
    before = np.cumsum(np.bincount(at, weights=count))[:-1]
    return float(edges[1 + np.argmin(np.abs(before - count.sum() / 2.0))])


class Finder(NamedTuple):
    """The cuts as arrays: from a node on to child or child + 1. Tiles are nodes that lead to themselves.

    depth: steps that surely lead to a tile. along: 1 where the longitude decides. tile: of a node, or −1.
    """

    depth: int
    along: IntArray
    at: FloatArray
    child: IntArray
    tile: IntArray


def finder_of(plan: Plan) -> Finder:
    """Return what finds the tile of a point."""
    along, at, child, tile = [0], [np.inf], [0], [-1]
    depth = 0
    pending = [(0 if plan.cuts else -1, 0, 0)]
    while pending:
        number, node, steps = pending.pop()
        if number < 0:
            tile[node] = -1 - number
            child[node] = node
            depth = max(depth, steps)
            continue
        cut, lower = plan.cuts[number], len(at)
        along[node], at[node], child[node] = int(cut.axis == "longitude"), cut.at, lower
        for values, value in ((along, 0), (at, np.inf), (child, 0), (tile, -1)):
            values += [value, value]
        pending += [(cut.below, lower, steps + 1), (cut.above, lower + 1, steps + 1)]
    return Finder(depth, np.array(along), np.array(at), np.array(child), np.array(tile))


@njit(cache=True, nogil=True, inline="always")
def tile_of(finder: Finder, latitude: float, longitude: float) -> int:
    """Return the tile that owns a point. No step is guessed: so the processor looks up several points at a time."""
    node = 0
    for _ in range(finder.depth):
        value = longitude if finder.along[node] else latitude
        node = finder.child[node] + (value >= finder.at[node])
    return int(finder.tile[node])


def neighbours_of(boxes: FloatArray, eps_metres: float) -> BoolArray:
    """Return bool (t, t): whether tile i must look at the points of tile j."""
    wider = extended(boxes, 2.0 * degrees_of_distance(eps_metres))
    near = np.array([overlapping(boxes, box) for box in wider]).reshape(len(boxes), len(boxes))
    np.fill_diagonal(near, False)
    return near


def inner_boxes(plan: Plan) -> FloatArray:
    """Return boxes, (t, 4), in which the points of each tile are in no other tile's halo; empty ones among them."""
    boxes, reach = plan.boxes(), 2.0 * degrees_of_distance(plan.eps_metres)
    wider = extended(boxes, reach)
    inner: FloatArray = boxes + np.array([reach, 0.0, -reach, 0.0])
    for tile, near in enumerate(neighbours_of(boxes, plan.eps_metres).T):
        across = (wider[near, 3] - boxes[near, 3]).max(initial=0.0)
        inner[tile] += np.array([0.0, across, 0.0, -across])
    return inner
