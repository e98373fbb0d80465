"""Clustering tile by tile: the stages in their order, on any executor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from haversine_dbscan.arrays import FloatArray, IntArray, LabelArray
from haversine_dbscan.clustering import dbscan_with_rivals
from haversine_dbscan.geodesy import degrees_of_distance
from taxi_mlops.scale.executors import Executor
from taxi_mlops.scale.join import Joined, join
from taxi_mlops.scale.pieces import Piece
from taxi_mlops.scale.plan import (
    BYTES_OF_A_WORKER,
    SMALLEST_GAIN,
    Plan,
    finder_of,
    inner_boxes,
    neighbours_of,
    points_that_fit,
)
from taxi_mlops.scale.sketch import CELLS, Sketch, SketchCounter, level_for
from taxi_mlops.scale.spill import Spill
from taxi_mlops.scale.spill_files import FolderFiles, SpillFiles, whole
from taxi_mlops.scale.stages import (
    NOTHING,
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
from taxi_mlops.scale.tile import CodeArray, Engine
from taxi_mlops.scale.tile_files import TileCounts, TileInput, load_codes, load_sample, load_seam, save_joined

Task = TypeVar("Task")
Answer = TypeVar("Answer")
Progress = Callable[[str, int, int], None]
"""Receives a stage, how much of it is done, and how much there is, in rows, or in tiles where these are clustered."""

SAMPLE = 1 << 21
"""Points at most that a map is drawn from."""
_BYTES_PER_ROW = 64
_CHUNK_ROWS = (1 << 16, 1 << 22)
_TILES_PER_WORKER = 4
_LARGEST_TILE = 2_000_000
"""Points of a tile, however much memory there is: larger ones leave the processor's cache, and take longer a point."""
_COUNTED = 1 << 22


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is done at a time.

    points_of_a_tile: with its halo. chunk_rows: rows that a worker sorts at a time, below 2³². threads: of the engine
    in each worker. step: one in so many points is counted for the plan. cells: of the histogram.
    smallest_gain: see `make_plan`.
    """

    points_of_a_tile: int
    chunk_rows: int = _CHUNK_ROWS[1]
    threads: int = 1
    step: int = 1
    cells: int = CELLS
    smallest_gain: float = SMALLEST_GAIN

    @classmethod
    def of_memory(cls, worker_bytes: int) -> Limits:
        """Return what fits into so much memory of a worker."""
        least, most = _CHUNK_ROWS
        rows = (worker_bytes - BYTES_OF_A_WORKER) // _BYTES_PER_ROW
        return cls(points_that_fit(worker_bytes), max(min(rows, most), least))

    def for_rows(self, rows: int) -> Limits:
        """Return the same, with so many points of about so many rows counted that the plan is good enough."""
        return replace(self, step=max(rows // _COUNTED, 1))

    def for_points(self, points: int, workers: int) -> int:
        """Return the size of tiles: small enough that all workers have a few, and for the processor's cache."""
        return max(min(self.points_of_a_tile, points // (_TILES_PER_WORKER * workers), _LARGEST_TILE), 1)


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What all pieces hold. rows: int64 (p,). box: (4,), around all points, infinite where there is none.

    remarks: what the source wants to know of each piece.
    """

    rows: IntArray
    points: int
    box: FloatArray
    sketch: Sketch
    remarks: tuple[Any, ...]


def survey_pieces(
    pieces: Sequence[Piece], eps_metres: float, limits: Limits, executor: Executor, progress: Progress, about: int = 0
) -> Survey:
    """Count the points of all pieces. about: how many rows there may be, for the progress."""
    level = level_for(degrees_of_distance(eps_metres))
    counter = SketchCounter(level, limits.cells)
    tasks = [SurveyTask(piece, level, limits.step) for piece in pieces]
    found: list[Surveyed] = [NOTHING] * len(tasks)
    done = 0
    progress("survey", 0, about)
    for number, one in executor.run(survey, tasks):
        counter.merge(one.sketch)
        found[number] = one._replace(sketch=NOTHING.sketch)  # together they would take more memory than is known
        done += one.rows
        progress("survey", done, max(about, done))
    if done < about:
        progress("survey", done, done)
    extents = np.array([one.extent for one in found]).reshape(-1, 4)
    box = np.concatenate([extents[:, :2].min(axis=0, initial=np.inf), extents[:, 2:].max(axis=0, initial=-np.inf)])
    rows = np.array([one.rows for one in found], dtype=np.int64)
    remarks = tuple(remark for one in found for remark in one.remarks)
    return Survey(rows, sum(one.points for one in found), box, counter.finish(), remarks)


@dataclass(frozen=True, slots=True, eq=False)
class Tiled:
    """What was found, but for the labels, which are in the parts.

    dropped: of rows, by what the source says. halo: points in halos. sizes: int64 (k,), points of each cluster.
    latitude, longitude, labels: of every `sample_step`-th point, by tile.
    """

    points: int
    dropped: dict[str, int]
    halo: int
    n_clusters: int
    n_noise: int
    n_core: int
    sizes: IntArray
    sample_step: int
    latitude: FloatArray
    longitude: FloatArray
    labels: LabelArray
    parts: tuple[Path, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tiling:
    """All that the stages after the survey share.

    rows: of each piece, int64 (p,). by_point: number clusters by their first points, not by their first core points.
    engine: of each tile. step: entered for each stage, with its name.
    """

    plan: Plan
    pieces: Sequence[Piece]
    rows: IntArray
    min_samples: float
    limits: Limits
    spill: Spill
    executor: Executor
    progress: Progress
    by_point: bool = False
    engine: Engine = dbscan_with_rivals
    step: Callable[[str], AbstractContextManager[object]] = nullcontext

    def run(self, folder: Path) -> Tiled:
        """Do it all, but for what is done already; the labels go to a folder as Parquet files."""
        with self.step("scatter"):
            dropped = self.scatter()
        counts = self.spill.counts_of_chunks(len(self.chunk_rows), len(self.plan.tiles))
        points = int(counts.sum())
        sample_step = max(-(-points // SAMPLE), 1)
        with self.step("cluster"):
            tiles = self.cluster(counts, sample_step)
        with self.step("join"):
            joined, n_clusters = self.join()
        with self.step("label"):
            parts = self.label(counts, folder)
        samples = [load_sample(self.spill, tile) for tile in range(len(tiles))]
        labels = [_labels_of(sample.code, one) for sample, one in zip(samples, joined, strict=True)]
        return Tiled(
            points=points,
            dropped=dropped,
            halo=sum(tile.halo for tile in tiles),
            n_clusters=n_clusters,
            n_noise=sum(tile.noise for tile in tiles),
            n_core=sum(tile.core for tile in tiles),
            sizes=_sizes(tiles, joined, n_clusters),
            sample_step=sample_step,
            latitude=np.concatenate([sample.latitude for sample in samples]),
            longitude=np.concatenate([sample.longitude for sample in samples]),
            labels=np.concatenate(labels),
            parts=tuple(parts),
        )

    @property
    def chunk_rows(self) -> IntArray:
        """Rows of each chunk, int64 (c,): pieces are cut into chunks, none of which holds rows of two."""
        parts = [
            np.minimum(rows - np.arange(0, rows, self.limits.chunk_rows), self.limits.chunk_rows)
            for rows in self.rows.tolist()
        ]
        return np.concatenate([np.empty(0, dtype=np.int64), *parts])

    def scatter(self) -> dict[str, int]:
        """Write the points of each tile to the spill folder; return the counts of the source."""
        self.spill.make()
        finder, inner = finder_of(self.plan), inner_boxes(self.plan)
        chunks = -(-self.rows // self.limits.chunk_rows)
        first = np.cumsum(chunks) - chunks
        tasks = [
            ScatterTask(piece, rows, chunk, self.limits.chunk_rows, finder, inner, self.spill)
            for piece, rows, chunk in zip(self.pieces, self.rows.tolist(), first.tolist(), strict=True)
            if rows
        ]
        return dict(sum(map(Counter, self._all("scatter", scatter, tasks, lambda task: task.rows)), Counter[str]()))

    def cluster(self, counts: IntArray, sample_step: int) -> list[TileCounts]:
        """Cluster each tile; those larger than a worker's share alone. counts: int64 (c, 2 t), of the chunks."""
        boxes, first_row = self.plan.boxes(), np.cumsum(self.chunk_rows) - self.chunk_rows
        total = counts.sum(axis=0).reshape(-1, 2)
        tasks = []
        for tile, near in enumerate(neighbours_of(boxes, self.plan.eps_metres)):
            where = TileInput(
                tile=tile,
                box=boxes[tile],
                neighbours=tuple(np.flatnonzero(near).tolist()),
                owned=int(total[tile].sum()),
                outer=int(total[near, 1].sum()),
                first_row=first_row,
                eps_metres=self.plan.eps_metres,
                sample_step=sample_step,
            )
            tasks.append(TileTask(where, self.spill, self.min_samples, self.limits.threads, self.engine))
        return self._all("cluster", cluster, tasks, alone=self.plan.oversize)

    def join(self) -> tuple[list[Joined], int]:
        """Join the clusters of all tiles, and number them; the numbers are written to the spill folder, too."""
        seams = (load_seam(self.spill, tile) for tile in range(len(self.plan.tiles)))
        joined, n_clusters = join(
            seams, lambda tile, points: load_codes(self.spill, tile)[points], by_point=self.by_point
        )
        save_joined(self.spill, joined)
        return joined, n_clusters

    def label(self, counts: IntArray, folder: Path) -> list[Path]:
        """Write the labels in the order of rows, a Parquet file a chunk; return the files. The clusters are joined.

        Workers that share no folder leave them in the spill, from where they are fetched.
        """
        rows, here = self.chunk_rows, FolderFiles(folder)
        shared = self.spill.files.folder is not None
        files: SpillFiles = here if shared else self.spill.files
        first_row, points = np.cumsum(rows) - rows, counts[:, ::2] + counts[:, 1::2]
        before, tasks = np.zeros(len(self.plan.tiles), dtype=np.int64), []
        for chunk, of_tiles in enumerate(points):
            tiles = np.flatnonzero(of_tiles)
            tasks.append(
                LabelTask(
                    chunk=chunk,
                    first_row=int(first_row[chunk]),
                    rows=int(rows[chunk]),
                    tiles=tiles,
                    before=before[tiles],
                    spill=self.spill,
                    files=files,
                    name=f"part-{chunk:05}.parquet" if shared else self.spill.labels(chunk),
                )
            )
            before += of_tiles
        self._all("label", label, tasks, lambda task: task.rows)
        here.make()  # removes what processes that were killed have left
        parts = [f"part-{task.chunk:05}.parquet" for task in tasks]
        for task, part in zip(tasks, parts, strict=True):
            if not (shared or here.exists(part)):
                with files.open(task.name) as reader:
                    here.write(part, (whole(reader),))
        return [folder / part for part in parts]

    def _all(
        self,
        stage: str,
        function: Callable[[Task], Answer],
        tasks: Sequence[Task],
        size: Callable[[Task], int] = lambda _: 1,
        alone: Sequence[int] = (),
    ) -> list[Answer]:
        """Run all tasks, some alone; return the answers in their order. size: of a task, for the progress."""
        apart, done, total = set(alone), 0, sum(map(size, tasks))
        together = [number for number in range(len(tasks)) if number not in apart]
        answers: dict[int, Answer] = {}
        self.progress(stage, 0, total)
        for numbers, at_once in ((together, None), (list(alone), 1)):
            for at, answer in self.executor.run(function, [tasks[number] for number in numbers], at_once):
                answers[numbers[at]] = answer
                done += size(tasks[numbers[at]])
                self.progress(stage, done, total)
        return [answers[number] for number in range(len(tasks))]


def _labels_of(code: CodeArray, joined: Joined) -> LabelArray:
    """Return the labels of sampled points; the few border points that are moved keep the cluster of their tile."""
    labels: LabelArray = np.concatenate([np.array([-1], dtype=np.int32), joined.number])[code >> 1]
    return labels


def _sizes(tiles: Sequence[TileCounts], joined: Sequence[Joined], n_clusters: int) -> IntArray:
    """Return int64 (k,): the points of each cluster."""
    sizes = np.zeros(n_clusters, dtype=np.int64)
    for tile, one in zip(tiles, joined, strict=True):
        np.add.at(sizes, one.number, tile.size)
        np.add.at(sizes, one.moved_label, 1)
        np.subtract.at(sizes, one.moved_from, 1)
    return sizes
