"""Workers of this machine that cluster the tiles of a trial."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taxi_mlops.adapters.on_tiles import TiledProblem
from taxi_mlops.arrow import as_numpy
from taxi_mlops.domain import BoolArray, Clustering, LabelArray
from taxi_mlops.scale.clusters import MIN_BYTES_OF_A_WORKER, bytes_for_workers, start
from taxi_mlops.scale.executors import Executor, Inline, Processes
from taxi_mlops.scale.pieces import MappedPiece
from taxi_mlops.scale.plan import make_plan
from taxi_mlops.scale.run import Limits, Tiling, survey_pieces
from taxi_mlops.scale.spill import Spill
from taxi_mlops.scale.tile import Engine

_SMALLEST_PIECE = 1 << 16
_PIECES_PER_WORKER = 4
_WARM_UPS_PER_WORKER = 2


@dataclass(frozen=True, slots=True)
class TileWorkers:
    """Workers that run. count, memory_bytes: for which they were opened; the memory is that of all processes."""

    executor: Executor
    limits: Limits
    count: int
    memory_bytes: int

    def warm_up(self, problem: TiledProblem, engine: Engine) -> None:
        """Have each worker cluster a small problem by itself, so that its code is compiled and imported."""
        tasks = [_WarmUp(problem, self.limits, engine)] * (self.executor.workers * _WARM_UPS_PER_WORKER)
        for _ in self.executor.run(_warm_up, tasks):
            pass

    def cluster(self, problem: TiledProblem, engine: Engine) -> Clustering:
        """Cluster the points of a problem."""
        return _cluster(problem, self.executor, self.limits, engine)


@contextmanager
def open_tile_workers(place: str, count: int, memory_bytes: int) -> Iterator[TileWorkers]:
    """Start workers: processes (`tiles`), or a cluster of this machine (`dask`, `ray`), which ends with the context.

    memory_bytes: of all processes. Where that is too little, workers get what they cannot do without. Raises
    ServiceError and LibraryMissingError as `start` does.
    """
    share = max(bytes_for_workers(place, memory_bytes), count * MIN_BYTES_OF_A_WORKER)
    limits = Limits.of_memory(share // count)
    if place == "tiles":
        with Processes(count) as processes:
            yield TileWorkers(processes, limits, count, memory_bytes)
    else:
        with start(place, count, share) as cluster:
            yield TileWorkers(cluster, limits, count, memory_bytes)


@dataclass(frozen=True, slots=True)
class _WarmUp:
    problem: TiledProblem
    limits: Limits
    engine: Engine

    def __str__(self) -> str:
        return "warming up"


def _warm_up(task: _WarmUp) -> None:
    _cluster(task.problem, Inline(), task.limits, task.engine)


def _cluster(problem: TiledProblem, executor: Executor, limits: Limits, engine: Engine) -> Clustering:
    with tempfile.TemporaryDirectory(dir=problem.folder) as name:
        folder = Path(name)
        rows = min(max(problem.points // (_PIECES_PER_WORKER * executor.workers), _SMALLEST_PIECE), limits.chunk_rows)
        pieces = [
            MappedPiece(problem.folder, begin, min(begin + rows, problem.points))
            for begin in range(0, problem.points, rows)
        ]
        counted = limits.for_rows(problem.points)
        survey = survey_pieces(pieces, problem.eps_metres, counted, executor, _report_nothing)
        size = limits.for_points(survey.points, executor.workers)
        plan = make_plan(survey.sketch, survey.box, problem.eps_metres, size, limits.smallest_gain)
        parts, spill = folder / "labels", Spill.at(folder / "spill")
        parts.mkdir()
        tiling = Tiling(
            plan, pieces, survey.rows, problem.min_samples, limits, spill, executor, _report_nothing, engine=engine
        )
        tiled = tiling.run(parts)
        labels, core_mask = _read(tiled.parts, problem.points)
        about: dict[str, str | int | float] = {
            "tiles": len(plan.tiles),
            "points_in_halos": tiled.halo,
            "workers": executor.workers,
            "spill_bytes": spill.files.bytes,
        }
        return Clustering(labels, core_mask, about)


def _read(parts: tuple[Path, ...], points: int) -> tuple[LabelArray, BoolArray]:
    """Return label, int32 (n,), and core mask, bool (n,), from the parts, which hold all rows in their order."""
    import pyarrow.parquet as pq

    labels, core_mask, begin = np.empty(points, dtype=np.int32), np.empty(points, dtype=np.bool_), 0
    for part in parts:
        table = pq.read_table(part, columns=["label", "core"], use_threads=False)
        here = slice(begin, begin + table.num_rows)
        labels[here], core_mask[here] = as_numpy(table["label"]), as_numpy(table["core"])
        begin = here.stop
    return labels, core_mask


def _report_nothing(stage: str, done: int, total: int) -> None:
    pass
