"""`sklearn-parallel`: scikit-learn's ball trees in spatial tiles, on joblib's processes, merged exactly.

scikit-learn's own DBSCAN keeps the neighbourhoods of all points in memory. This one keeps those of a few points at a
time, so that its memory grows with the points and not with the pairs. It queries the same trees with the same haversine
distance, so that its neighbourhoods are those of `sklearn`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from taxi_mlops.adapters.compiled import import_numba
from taxi_mlops.adapters.haversine import HaversineProblem, clustering_of_no_points, prepare_haversine
from taxi_mlops.adapters.tiling import (
    IndexArray,
    TileAnswer,
    collapse,
    merge,
    number_by_first_core,
)
from taxi_mlops.domain import (
    NOISE,
    AdapterInfo,
    BoolArray,
    Clustering,
    FloatArray,
    Parameters,
    Points,
    Resources,
    Workload,
)

if TYPE_CHECKING:
    from joblib import Parallel


@dataclass(frozen=True, slots=True, eq=False)
class TiledProblem:
    """The problem of `sklearn`, and the points in degrees, float64 of shape (n,), for cutting tiles."""

    haversine: HaversineProblem
    latitude: FloatArray
    longitude: FloatArray
    eps_metres: float
    processes: int


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """What all tiles share: the distinct points, their weights, and an estimate of each one's number of neighbours."""

    radians: FloatArray
    weight: FloatArray
    neighbours: FloatArray
    eps_radians: float
    min_samples: int
    pairs_at_once: int


@dataclass(frozen=True, slots=True, eq=False)
class _Neighbours:
    """The result of a query: the neighbours of point i of `points` are `neighbours[starts[i]:starts[i + 1]]`."""

    points: slice
    starts: IndexArray
    neighbours: IndexArray


class SklearnParallelAdapter:
    """Tiles with a halo of eps, a ball tree in each, as many processes as the trial has threads.

    tiles_per_process: enough that no process waits long for the last one. pairs_at_once: how many neighbours (as
    estimated) a process keeps at a time, at some 50 bytes each.
    """

    requires: ClassVar[str | None] = None
    install: ClassVar[str] = "pip install scikit-learn joblib"

    def __init__(self, tiles_per_process: int = 8, pairs_at_once: int = 2_000_000) -> None:
        self._tiles_per_process = tiles_per_process
        self._pairs_at_once = pairs_at_once
        self._pool: Parallel | None = None

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(
            name="sklearn-parallel",
            version=version("scikit-learn"),
            summary="scikit-learn's ball trees in spatial tiles on joblib processes, merged exactly",
            exact=True,
            weighted=True,
            parallel=True,
            homepage="https://scikit-learn.org",
        )

    def unsupported(self, workload: Workload) -> str | None:  # noqa: ARG002
        return None

    def import_libraries(self) -> None:
        import joblib  # noqa: F401
        import scipy.sparse.csgraph  # noqa: F401
        import sklearn.neighbors  # noqa: F401

        import haversine_dbscan.tiles  # noqa: F401

        import_numba()

    def prepare(self, points: Points, parameters: Parameters, resources: Resources) -> TiledProblem:
        return TiledProblem(
            haversine=prepare_haversine(points, parameters, n_jobs=1),
            latitude=points.latitude,
            longitude=points.longitude,
            eps_metres=parameters.eps_metres,
            processes=resources.threads,
        )

    def warm_up(self, problem: TiledProblem) -> None:
        """Fork the processes, have each cluster a point, and compile the code that cuts tiles.

        They are forked first, before compiled code starts threads, and inherit what this process has imported.
        Processes of an earlier call are kept if they are as many.
        """
        from joblib import Parallel, delayed

        self.import_libraries()
        one = _Places(np.zeros((1, 2)), np.ones(1), np.ones(1), problem.haversine.eps_radians, 1, self._pairs_at_once)
        owned, halo = np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int64)
        if self._pool is None or self._pool.n_jobs != problem.processes:
            self.close()
            self._pool = Parallel(n_jobs=problem.processes, backend="multiprocessing").__enter__()
        self._pool(delayed(_cluster)(one, owned, halo, np.ones(1, dtype=np.bool_)) for _ in range(problem.processes))
        from haversine_dbscan.tiles import estimate_neighbours

        estimate_neighbours(np.zeros(1), np.zeros(1), 1.0)

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.__exit__(None, None, None)
            self._pool = None

    @contextmanager
    def _processes(self, problem: TiledProblem) -> Iterator[Parallel]:
        """Yield the processes of `warm_up`, or, without it, processes for one fit."""
        from joblib import Parallel

        if self._pool is not None:
            yield self._pool
        else:
            with Parallel(n_jobs=problem.processes, backend="multiprocessing") as pool:
                yield pool

    def fit(self, problem: TiledProblem) -> Clustering:
        from joblib import delayed

        from haversine_dbscan.tiles import estimate_neighbours, split

        whole = problem.haversine
        if whole.radians.shape[0] == 0:
            return clustering_of_no_points()
        distinct = collapse(whole.radians, whole.weight)
        latitude, longitude = problem.latitude[distinct.first], problem.longitude[distinct.first]
        neighbours = estimate_neighbours(latitude, longitude, problem.eps_metres)
        budget = float(neighbours.sum()) / (self._tiles_per_process * problem.processes)
        tiles = split(latitude, longitude, neighbours, problem.eps_metres, budget)
        places = _Places(
            whole.radians[distinct.first],
            distinct.weight,
            neighbours,
            whole.eps_radians,
            whole.min_samples,
            self._pairs_at_once,
        )
        core_mask = np.empty(len(latitude), dtype=np.bool_)
        # joblib writes large arrays to a file once, and every process maps it.
        with self._processes(problem) as parallel:
            found = parallel(delayed(_find_core)(places, tile.owned, tile.halo) for tile in tiles)
            for tile, core_points in zip(tiles, found, strict=True):
                core_mask[tile.owned] = core_points
            answers = parallel(delayed(_cluster)(places, tile.owned, tile.halo, core_mask) for tile in tiles)
        clusters = merge(len(latitude), tiles, answers)[distinct.inverse]
        core_mask = core_mask[distinct.inverse]
        return Clustering(
            labels=number_by_first_core(clusters, core_mask),
            core_mask=core_mask,
            about={
                "tiles": len(tiles),
                "distinct_points": len(latitude),
                "points_in_halos": sum(tile.halo.shape[0] for tile in tiles),
            },
        )


def _find_core(places: _Places, owned: IndexArray, halo: IndexArray) -> BoolArray:
    """Return which of a tile's own points are core points."""
    here = np.concatenate((owned, halo))
    weight = places.weight[here]
    weight_within_eps = np.empty(owned.shape[0], dtype=np.float64)
    for asked in _neighbours(places, among=here, of=owned):
        # Every point has a neighbour: itself.
        weight_within_eps[asked.points] = np.add.reduceat(weight[asked.neighbours], asked.starts[:-1])
    core_mask: BoolArray = weight_within_eps >= places.min_samples
    return core_mask


def _cluster(places: _Places, owned: IndexArray, halo: IndexArray, core_mask: BoolArray) -> TileAnswer:
    """Join a tile's own core points with all core points within eps, and assign its border points to one of them."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    own_core = core_mask[owned]
    seam = halo[core_mask[halo]]
    core = np.concatenate((owned[own_core], seam))
    n_core = core.shape[0]
    clusters = np.arange(n_core)
    for asked in _neighbours(places, among=core, of=owned[own_core]):
        edges = np.repeat(clusters[asked.points], np.diff(asked.starts)), clusters[asked.neighbours]
        graph = coo_array((np.ones(edges[0].shape[0], dtype=np.bool_), edges), shape=(n_core, n_core))
        clusters = connected_components(graph, directed=False)[1][clusters]
    border = np.full(owned.shape[0] - np.count_nonzero(own_core), NOISE, dtype=np.int32)
    for asked in _neighbours(places, among=core, of=owned[~own_core]):
        near_core = np.flatnonzero(np.diff(asked.starts))
        border[asked.points][near_core] = clusters[asked.neighbours[asked.starts[near_core]]]
    labels = np.empty(owned.shape[0], dtype=np.int32)
    labels[own_core] = clusters[: n_core - seam.shape[0]]
    labels[~own_core] = border
    return TileAnswer(labels, seam, clusters[n_core - seam.shape[0] :].astype(np.int32), n_core)


def _neighbours(places: _Places, among: IndexArray, of: IndexArray) -> Iterator[_Neighbours]:
    """Query a ball tree for the neighbours of some points among others, in batches that fit the memory budget."""
    from sklearn.neighbors import BallTree

    if among.shape[0] == 0 or of.shape[0] == 0:
        return
    tree = BallTree(places.radians[among], metric="haversine")
    turns = (np.cumsum(places.neighbours[of]) // places.pairs_at_once).astype(np.int64)
    bounds = [0, *(np.flatnonzero(np.diff(turns)) + 1), of.shape[0]]
    for first, last in pairwise(bounds):
        found = tree.query_radius(places.radians[of[first:last]], places.eps_radians)
        starts = np.concatenate(([0], np.cumsum([len(neighbours) for neighbours in found])))
        yield _Neighbours(slice(first, last), starts, np.concatenate(found))
