"""Tiles behind the interface of adapters: what `grid-tiles`, `grid-dask`, `grid-ray` and `sklearn-dask` share.

Workers, of this machine, are started in `warm_up` and ended in `close`. `prepare` writes the points to files, from
which workers map them; `fit` cuts tiles, clusters and joins them, and reads the labels.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from taxi_mlops.domain import Clustering, Parameters, Points, Resources, Workload

if TYPE_CHECKING:  # importing these imports a compiler, which listing the adapters does not need
    from taxi_mlops.adapters.tile_workers import TileWorkers
    from taxi_mlops.scale.tile import Engine

_SHARE_OF_MEMORY = 0.75


@dataclass(frozen=True, slots=True)
class TiledProblem:
    """folder: `latitude.npy`, `longitude.npy` and, if there are weights, `weight.npy`, each of n points."""

    folder: Path
    points: int
    eps_metres: float
    min_samples: int
    workers: int
    memory_bytes: int


class TiledAdapter:
    """An implementation in tiles. place: tiles (processes of this machine), dask or ray."""

    by_default: ClassVar[bool] = False
    place: ClassVar[str]

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._running = ExitStack()
        self._workers: TileWorkers | None = None

    def engine(self) -> Engine:
        """Return what clusters each tile."""
        from haversine_dbscan.clustering import dbscan_with_rivals

        return dbscan_with_rivals

    def unsupported(self, workload: Workload) -> str | None:
        from haversine_dbscan.geodesy import SMALLEST_EPS_METRES

        if workload.parameters.eps_metres < SMALLEST_EPS_METRES:
            return f"eps = {workload.parameters.eps_metres:g} m is below the resolution of degrees in float64"
        return None

    def prepare(self, points: Points, parameters: Parameters, resources: Resources) -> TiledProblem:
        from taxi_mlops.limits import usable_memory

        if self._folder is None:
            # The folder of a trial for such files, which is removed with it even if it is killed.
            self._folder = Path(tempfile.mkdtemp(prefix="taxi-tiles-", dir=os.environ.get("JOBLIB_TEMP_FOLDER")))
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        for name, values in (("latitude", points.latitude), ("longitude", points.longitude), ("weight", points.weight)):
            if values is not None:
                np.save(folder / f"{name}.npy", values, allow_pickle=False)
        return TiledProblem(
            folder=folder,
            points=len(points),
            eps_metres=parameters.eps_metres,
            min_samples=parameters.min_samples,
            workers=resources.threads,
            memory_bytes=resources.memory_limit_bytes or int(usable_memory() * _SHARE_OF_MEMORY),
        )

    def warm_up(self, problem: TiledProblem) -> None:
        """Start the workers, have each cluster the problem by itself, and cluster it once with all of them.

        Workers of an earlier call are kept if they are the same.
        """
        from taxi_mlops.adapters.tile_workers import open_tile_workers

        if self._fitting(problem) is None:
            self._end_workers()
            self._workers = self._running.enter_context(
                open_tile_workers(self.place, problem.workers, problem.memory_bytes)
            )
            self._workers.warm_up(problem, self.engine())
        self.fit(problem)

    def fit(self, problem: TiledProblem) -> Clustering:
        with self._some_workers(problem) as workers:
            return workers.cluster(problem, self.engine())

    def close(self) -> None:
        """End the workers, and remove the files."""
        self._end_workers()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _fitting(self, problem: TiledProblem) -> TileWorkers | None:
        """Return the workers that run, if they are those that the problem is for."""
        running = self._workers
        if running is None or (running.count, running.memory_bytes) != (problem.workers, problem.memory_bytes):
            return None
        return running

    @contextmanager
    def _some_workers(self, problem: TiledProblem) -> Iterator[TileWorkers]:
        """Yield the workers of `warm_up`, or, without it, workers for one fit."""
        from taxi_mlops.adapters.tile_workers import open_tile_workers

        running = self._fitting(problem)
        if running is not None:
            yield running
        else:
            with open_tile_workers(self.place, problem.workers, problem.memory_bytes) as workers:
                yield workers

    def _end_workers(self) -> None:
        self._workers = None
        self._running.close()
