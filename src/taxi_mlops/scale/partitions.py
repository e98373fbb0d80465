"""The stages in memory: partitions of a Dask or Ray collection go to tiles, and labels come back, without files.

Each function is one task of a graph whose shape is known before a point is read: tiles, whose number depends on the
points, are clustered in `slots`, whose number is given. `count`, `merge` and `lay_out` make the plan, `scatter` and
`part_for` send the points of each partition to the slots, `cluster_slot` finds clusters, `share` and `join_slots`
number them, `label_slot` and `gather` return them to the partitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from haversine_dbscan.arrays import BoolArray, FloatArray, IntArray, LabelArray
from haversine_dbscan.geodesy import degrees_of_distance
from taxi_mlops.errors import DataError
from taxi_mlops.scale.chunks import MemoryChunk, keys_of
from taxi_mlops.scale.join import Joined, Seam, join
from taxi_mlops.scale.plan import SMALLEST_GAIN, Plan, finder_of, inner_boxes, make_plan, neighbours_of
from taxi_mlops.scale.scatter import Batch, PositionArray, Scatterer
from taxi_mlops.scale.sketch import Sketch, SketchCounter, level_for
from taxi_mlops.scale.tile import CodeArray, cluster_tile
from taxi_mlops.scale.tile_files import TileInput, read_tile, seam_of

_CELLS = 1 << 16
_SMALLEST_TILE = 50_000
_MAX_ROWS = 2**32
_MAX_PARTS = 1 << 16
_NOISE = np.int32(-1)


@dataclass(frozen=True, slots=True)
class Cutting:
    """How points are cut. smallest_tile: points for which a tile is worth a task. smallest_gain: see `make_plan`."""

    eps_metres: float
    min_samples: int
    slots: int
    threads: int = 1
    smallest_tile: int = _SMALLEST_TILE
    smallest_gain: float = SMALLEST_GAIN


def slots_for(partitions: int) -> int:
    """Return how many slots there are: as many as partitions, if the pairs of both are not too many tasks."""
    return max(min(partitions, _MAX_PARTS // max(partitions, 1)), 1)


class Coordinates(NamedTuple):
    """The n points of a partition: degrees, float64 (n,), and their rows, uint32 (n,). rows: of the partition."""

    latitude: FloatArray
    longitude: FloatArray
    position: PositionArray
    rows: int


def points_of(latitude: FloatArray, longitude: FloatArray) -> Coordinates:
    """Return those rows that have coordinates on the earth. latitude, longitude: float64 (rows,), NaN where missing."""
    if len(latitude) >= _MAX_ROWS:
        raise DataError(
            f"a partition has {len(latitude):,} rows; repartition the collection to less than {_MAX_ROWS:,}"
        )
    position = np.flatnonzero((np.abs(latitude) <= 90.0) & (np.abs(longitude) <= 180.0))
    return Coordinates(latitude[position], longitude[position], position.astype(np.uint32), len(latitude))


class Counted(NamedTuple):
    """What some partitions hold. rows: of each. extent: (4,), the box around their points; infinite without any."""

    rows: tuple[int, ...]
    points: int
    extent: FloatArray
    sketch: Sketch


def count(points: Coordinates, cutting: Cutting) -> Counted:
    """Count the points of a partition."""
    counter = SketchCounter(level_for(degrees_of_distance(cutting.eps_metres)), _CELLS)
    counter.add(points.latitude, points.longitude)
    extent = np.array(
        [
            points.latitude.min(initial=np.inf),
            points.longitude.min(initial=np.inf),
            points.latitude.max(initial=-np.inf),
            points.longitude.max(initial=-np.inf),
        ]
    )
    return Counted((points.rows,), len(points.position), extent, counter.finish())


def merge(counted: Sequence[Counted]) -> Counted:
    """Return what partitions that follow each other hold together."""
    counter = SketchCounter(max(one.sketch.level for one in counted), _CELLS)
    for one in counted:
        counter.merge(one.sketch)
    extents = np.array([one.extent for one in counted])
    return Counted(
        tuple(rows for one in counted for rows in one.rows),
        sum(one.points for one in counted),
        np.concatenate([extents[:, :2].min(axis=0), extents[:, 2:].max(axis=0)]),
        counter.finish(),
    )


@dataclass(frozen=True, eq=False)
class Layout:
    """The tiles, and where they are clustered. rows: of each partition. slot: int64 (t,), of each tile, increasing."""

    plan: Plan
    cutting: Cutting
    rows: tuple[int, ...]
    slot: IntArray

    @cached_property
    def boxes(self) -> FloatArray:
        return self.plan.boxes()

    @cached_property
    def near(self) -> BoolArray:
        """Bool (t, t): whether tile i looks at the points of tile j."""
        return neighbours_of(self.boxes, self.plan.eps_metres)

    def tiles(self, slot: int) -> range:
        begin, end = np.searchsorted(self.slot, (slot, slot + 1)).tolist()
        return range(begin, end)


def lay_out(counted: Counted, cutting: Cutting) -> Layout:
    """Cut the points into tiles, and give each slot about as many points; tiles that are near each other together."""
    size = max(counted.points // cutting.slots, cutting.smallest_tile)
    plan = make_plan(counted.sketch, counted.extent, cutting.eps_metres, size, cutting.smallest_gain)
    work = np.array([tile.points + tile.halo for tile in plan.tiles], dtype=np.float64)
    middle = np.cumsum(work) - work / 2.0
    slot = (middle * (cutting.slots / max(work.sum(), 1.0))).astype(np.int64)
    return Layout(plan, cutting, counted.rows, np.minimum(slot, cutting.slots - 1))


def scatter(points: Coordinates, layout: Layout) -> MemoryChunk:
    """Sort the points of a partition by tile."""
    scatterer = Scatterer(finder_of(layout.plan), inner_boxes(layout.plan))
    scatterer.add(Batch(points.latitude, points.longitude, points.position, np.empty(0)))
    return MemoryChunk.of(scatterer.finish())


def part_for(chunk: MemoryChunk, layout: Layout, slot: int) -> MemoryChunk:
    """Return the points that a slot needs: those of its tiles, and the outer ones of their neighbours."""
    tiles = layout.tiles(slot)
    around = np.logical_or.reduce(layout.near[tiles.start : tiles.stop], axis=0)
    around[tiles.start : tiles.stop] = False
    own = [key for tile in tiles for key in (2 * tile, 2 * tile + 1)]
    return chunk.part([*own, *(2 * np.flatnonzero(around) + 1).tolist()])


class _InMemory:
    """Parts of all partitions as `Chunks`."""

    def __init__(self, parts: Sequence[MemoryChunk]) -> None:
        self._parts = parts

    @contextmanager
    def open(self, number: int) -> Iterator[MemoryChunk]:
        yield self._parts[number]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What was found in a tile, for its own m points, in the order of partitions.

    codes: see `TileAnswer`. position: uint32 (m,), their rows in the partitions. ends: int64 (p,), where the points of
    each partition end. asked: int64, increasing: points about which the join asks.
    """

    codes: CodeArray
    position: PositionArray
    ends: IntArray
    seam: Seam
    asked: IntArray


def cluster_slot(layout: Layout, slot: int, parts: Sequence[MemoryChunk]) -> list[Found]:
    """Cluster the tiles of a slot. parts: of all partitions. Time and memory as of `dbscan`, tile by tile."""
    total = np.sum([part.counts for part in parts], axis=0).reshape(-1, 2)
    rows = np.array(layout.rows, dtype=np.int64)
    first_row, chunks, found = np.cumsum(rows) - rows, _InMemory(parts), []
    for tile in layout.tiles(slot):
        near = layout.near[tile]
        task = TileInput(
            tile=tile,
            box=layout.boxes[tile],
            neighbours=tuple(np.flatnonzero(near).tolist()),
            owned=int(total[tile].sum()),
            outer=int(total[near, 1].sum()),
            first_row=first_row,
            eps_metres=layout.plan.eps_metres,
            sample_step=1,
        )
        answer = cluster_tile(
            read_tile(task, chunks), task.box, task.eps_metres, layout.cutting.min_samples, layout.cutting.threads
        )
        counts = np.array([part.counts[2 * tile : 2 * tile + 2] for part in parts])
        ends = np.cumsum(counts.sum(axis=1))
        is_outer = np.repeat(np.tile([False, True], len(parts)), counts.ravel())
        is_outer[answer.rival_point] = True
        position = np.concatenate([np.empty(0, np.uint32), *[part.positions(keys_of(tile)) for part in parts]])
        seam = seam_of(task, chunks, answer)
        found.append(Found(answer.codes, position, ends, seam, np.flatnonzero(is_outer)))
    return found


class Shared(NamedTuple):
    """What a tile says of its clusters to the join. asked, codes: of those of its points about which others ask."""

    seam: Seam
    asked: IntArray
    codes: CodeArray


def share(found: Sequence[Found]) -> list[Shared]:
    """Return what the tiles of a slot say of their clusters."""
    return [Shared(one.seam, one.asked, one.codes[one.asked]) for one in found]


def join_slots(shared: Sequence[Sequence[Shared]]) -> list[list[Joined]]:
    """Join the clusters of all tiles, and number them by their first points; return this slot by slot."""
    tiles = [one for slot in shared for one in slot]

    def codes(tile: int, points: IntArray) -> CodeArray:
        found: CodeArray = tiles[tile].codes[np.searchsorted(tiles[tile].asked, points)]
        return found

    joined, _ = join((one.seam for one in tiles), codes, by_point=True)
    rest = iter(joined)
    return [[next(rest) for _ in slot] for slot in shared]


class LabelPart(NamedTuple):
    """Labels of some points of a partition: their rows, uint32 (n,), int32 (n,), and whether they are core points."""

    position: PositionArray
    label: LabelArray
    core: BoolArray


def label_slot(found: Sequence[Found], joined: Sequence[Joined], partitions: int) -> list[LabelPart]:
    """Return the final labels of a slot's points, partition by partition."""
    parts = [_labelled(*pair) for pair in zip(found, joined, strict=True)]
    answers = []
    for number in range(partitions):
        pieces = [
            [values[one.ends[number - 1] if number else 0 : one.ends[number]] for values in part]
            for one, part in zip(found, parts, strict=True)
        ]
        nothing = [[np.empty(0, np.uint32), np.empty(0, np.int32), np.empty(0, np.bool_)]]
        answers.append(LabelPart(*map(np.concatenate, zip(*nothing, *pieces, strict=True))))
    return answers


def _labelled(found: Found, joined: Joined) -> LabelPart:
    label = np.concatenate([[_NOISE], joined.number])[found.codes >> 1]
    label[joined.moved_point] = joined.moved_label
    return LabelPart(found.position, label, (found.codes & 1).astype(np.bool_))


def gather(parts: Sequence[LabelPart], rows: int) -> tuple[LabelArray, BoolArray]:
    """Return label, int32 (rows,), and core, bool (rows,), of a partition; rows without a point are noise."""
    label, core = np.full(rows, _NOISE), np.zeros(rows, dtype=np.bool_)
    for part in parts:
        label[part.position], core[part.position] = part.label, part.core
    return label, core
