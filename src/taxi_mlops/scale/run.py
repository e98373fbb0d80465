"""Clustering tile by tile: the stages in their order, on any executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from haversine_dbscan.arrays import FloatArray, IntArray
from haversine_dbscan.geodesy import degrees_of_distance
from taxi_mlops.scale.executors import Executor
from taxi_mlops.scale.join import Joined, join
from taxi_mlops.scale.pieces import Piece
from taxi_mlops.scale.plan import Plan, finder_of, inner_boxes, make_plan, neighbours_of
from taxi_mlops.scale.sketch import CELLS, SketchCounter, level_for
from taxi_mlops.scale.spill import Spill, counts_of_chunks
from taxi_mlops.scale.stages import (
    LabelTask,
    ScatterTask,
    Surveyed,
    SurveyTask,
    TileTask,
    cluster,
    label,
    scatter,
    survey,
)
from taxi_mlops.scale.tile_files import TileCounts, TileInput, load_codes, load_seam

Task = TypeVar("Task")
Answer = TypeVar("Answer")
Progress = Callable[[str, int, int], None]
"""Called with a stage, how much of it is done, and the total: rows, tiles or chunks."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is done at a time.

    points_of_a_tile: with its halo. chunk_rows: rows that a worker sorts at a time, below 2³². threads: of the engine
    in each worker. step: every so many points are counted for the plan. cells: of the histogram.
    smallest_gain: see `make_plan`.
    """

    points_of_a_tile: int
    chunk_rows: int = 1 << 22
    threads: int = 1
    step: int = 1
    cells: int = CELLS
    smallest_gain: float = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Extent:
    """What the survey found. rows: int64 (p,), of each piece. box: (4,)."""

    rows: IntArray
    points: int
    box: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Tiled:
    """What was found, but for the labels. sizes: int64 (k,), points of each cluster."""

    plan: Plan
    rows: int
    points: int
    n_clusters: int
    n_noise: int
    n_core: int
    sizes: IntArray
    parts: tuple[Path, ...] = field(default=())


def survey_pieces(
    pieces: Sequence[Piece], eps_metres: float, limits: Limits, executor: Executor, progress: Progress
) -> tuple[Extent, SketchCounter, list[Surveyed]]:
    """Count the points of all pieces."""
    level = level_for(degrees_of_distance(eps_metres))
    tasks = [SurveyTask(piece, level, limits.step) for piece in pieces]
    counter, found = SketchCounter(level, limits.cells), {}
    for number, one in executor.run(survey, tasks):
        counter.merge(one.sketch)
        found[number] = one
        progress("survey", len(found), len(tasks))
    surveyed = [found[number] for number in range(len(tasks))]
    extents = np.array([one.extent for one in surveyed]).reshape(-1, 4)
    box = np.concatenate([extents[:, :2].min(axis=0, initial=np.inf), extents[:, 2:].max(axis=0, initial=-np.inf)])
    rows = np.array([one.rows for one in surveyed], dtype=np.int64)
    return Extent(rows, sum(one.points for one in surveyed), box), counter, surveyed


@dataclass(frozen=True, slots=True, eq=False)
class Tiling:
    """All that the stages after the survey share."""

    plan: Plan
    pieces: Sequence[Piece]
    rows: IntArray
    min_samples: float
    limits: Limits
    spill: Spill
    executor: Executor
    progress: Progress

    @property
    def chunk_rows(self) -> IntArray:
        """Rows of each chunk, int64 (c,): pieces are cut into chunks, none of which holds rows of two."""
        parts = [
            np.minimum(rows - np.arange(0, rows, self.limits.chunk_rows), self.limits.chunk_rows)
            for rows in self.rows.tolist()
        ]
        return np.concatenate([np.empty(0, dtype=np.int64), *parts])

    def scatter(self) -> None:
        """Write the points of each tile to the spill folder."""
        self.spill.make()
        finder, inner = finder_of(self.plan), inner_boxes(self.plan)
        chunks = -(-self.rows // self.limits.chunk_rows)
        first = np.cumsum(chunks) - chunks
        tasks = [
            ScatterTask(piece, rows, chunk, self.limits.chunk_rows, finder, inner, self.spill)
            for piece, rows, chunk in zip(self.pieces, self.rows.tolist(), first.tolist(), strict=True)
        ]
        self._run("scatter", scatter, tasks)

    def cluster(self, counts: IntArray) -> list[TileCounts]:
        """Cluster each tile. counts: int64 (c, 2 t), of the chunks; see `counts_of_chunks`."""
        boxes, first_row = self.plan.boxes(), np.cumsum(self.chunk_rows) - self.chunk_rows
        total = counts.sum(axis=0).reshape(-1, 2)
        tasks = []
        for tile, near in enumerate(neighbours_of(boxes, self.plan.eps_metres)):
            where = TileInput(
                spill=self.spill,
                tile=tile,
                box=boxes[tile],
                neighbours=tuple(np.flatnonzero(near).tolist()),
                owned=int(total[tile].sum()),
                outer=int(total[near, 1].sum()),
                first_row=first_row,
                eps_metres=self.plan.eps_metres,
            )
            tasks.append(TileTask(where, self.min_samples, self.limits.threads))
        return self._run("cluster", cluster, tasks)

    def join(self) -> tuple[list[Joined], int]:
        """Join the clusters of all tiles, and number them."""
        seams = (load_seam(self.spill, tile) for tile in range(len(self.plan.tiles)))
        return join(seams, lambda tile: load_codes(self.spill, tile))

    def label(self, counts: IntArray, joined: Sequence[Joined], folder: Path) -> list[Path]:
        """Write the labels in the order of rows, a Parquet file a chunk; return the files."""
        rows = self.chunk_rows
        first_row, before = np.cumsum(rows) - rows, np.cumsum(counts, axis=0) - counts
        tasks = [
            LabelTask(
                chunk=chunk,
                first_row=int(first_row[chunk]),
                rows=int(rows[chunk]),
                before=before[chunk].reshape(-1, 2).sum(axis=1),
                joined=tuple(joined),
                spill=self.spill,
                path=folder / f"part-{chunk:05}.parquet",
            )
            for chunk in range(len(rows))
        ]
        self._run("label", label, tasks)
        return [task.path for task in tasks]

    def _run(self, stage: str, function: Callable[[Task], Answer], tasks: Sequence[Task]) -> list[Answer]:
        answers = {}
        for number, answer in self.executor.run(function, tasks):
            answers[number] = answer
            self.progress(stage, len(answers), len(tasks))
        return [answers[number] for number in range(len(tasks))]


def cluster_pieces(
    pieces: Sequence[Piece],
    eps_metres: float,
    min_samples: float,
    limits: Limits,
    spill: Spill,
    folder: Path,
    executor: Executor,
    progress: Progress,
) -> Tiled:
    """Cluster points from pieces, and write their labels into a folder. What is in the spill folder is not redone."""
    extent, counter, _ = survey_pieces(pieces, eps_metres, limits, executor, progress)
    plan = make_plan(counter.finish(), extent.box, eps_metres, limits.points_of_a_tile, limits.smallest_gain)
    tiling = Tiling(plan, pieces, extent.rows, min_samples, limits, spill, executor, progress)
    tiling.scatter()
    counts = counts_of_chunks([spill.chunk(number) for number in range(len(tiling.chunk_rows))], len(plan.tiles))
    tiles = tiling.cluster(counts)
    joined, n_clusters = tiling.join()
    parts = tiling.label(counts, joined, folder)
    return Tiled(
        plan=plan,
        rows=int(extent.rows.sum()),
        points=extent.points,
        n_clusters=n_clusters,
        n_noise=sum(tile.noise for tile in tiles),
        n_core=sum(tile.core for tile in tiles),
        sizes=_sizes(tiles, joined, n_clusters),
        parts=tuple(parts),
    )


def _sizes(tiles: Sequence[TileCounts], joined: Sequence[Joined], n_clusters: int) -> IntArray:
    """Return int64 (k,): the points of each cluster."""
    sizes = np.zeros(n_clusters, dtype=np.int64)
    for tile, one in zip(tiles, joined, strict=True):
        np.add.at(sizes, one.number, tile.size)
        np.add.at(sizes, one.moved_label, 1)
        np.subtract.at(sizes, one.moved_from, 1)
    return sizes
