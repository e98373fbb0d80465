"""`sklearn-parallel`: scikit-learn's DBSCAN in spatial tiles on joblib's processes, merged exactly."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import ClassVar

import numpy as np

from taxi_mlops.adapters.haversine import HaversineProblem, fit_haversine, prepare_haversine
from taxi_mlops.adapters.tiling import (
    Tile,
    TileAnswer,
    collapse,
    estimate_neighbours,
    merge,
    number_by_first_core,
    split,
)
from taxi_mlops.domain import AdapterInfo, Clustering, FloatArray, Parameters, Points, Resources, Workload
from taxi_mlops.engine.geodesy import chord_length, unit_sphere

TILES_PER_PROCESS = 4


@dataclass(frozen=True, slots=True, eq=False)
class TiledProblem:
    """The problem as `sklearn` gets it; coordinates: on the unit sphere, float64 of shape (n, 3), to cut tiles from."""

    haversine: HaversineProblem
    coordinates: FloatArray
    eps_chord: float
    processes: int


class SklearnParallelAdapter:
    """Tiles with a halo of 2 eps, `sklearn` in each, as many processes as the trial has threads.

    pairs_per_tile: scikit-learn holds the neighbourhoods of all points at once, 8 bytes and more for each neighbour;
    this many (as estimated) are allowed in a tile, unless its points lie closer than eps.
    """

    requires: ClassVar[str | None] = None
    install: ClassVar[str] = "pip install scikit-learn joblib"

    def __init__(self, pairs_per_tile: int = 5_000_000) -> None:
        self._pairs_per_tile = pairs_per_tile

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(
            name="sklearn-parallel",
            version=version("scikit-learn"),
            summary="scikit-learn in spatial tiles on joblib processes, merged exactly",
            exact=True,
            weighted=True,
            parallel=True,
            homepage="https://scikit-learn.org",
        )

    def unsupported(self, workload: Workload) -> str | None:  # noqa: ARG002
        return None

    def prepare(self, points: Points, parameters: Parameters, resources: Resources) -> TiledProblem:
        return TiledProblem(
            haversine=prepare_haversine(points, parameters, n_jobs=1),
            coordinates=unit_sphere(points.latitude, points.longitude),
            eps_chord=chord_length(parameters.eps_metres),
            processes=resources.threads,
        )

    def warm_up(self, problem: TiledProblem) -> None:
        """Start the processes and have each of them import scikit-learn and cluster a single point."""
        from joblib import Parallel, delayed

        one = HaversineProblem(np.zeros((1, 2)), np.ones(1), problem.haversine.eps_radians, 1, n_jobs=1)
        Parallel(n_jobs=problem.processes)(delayed(fit_haversine)(one) for _ in range(problem.processes))

    def fit(self, problem: TiledProblem) -> Clustering:
        from joblib import Parallel, delayed

        whole = problem.haversine
        if whole.radians.shape[0] == 0:
            return fit_haversine(whole)
        distinct = collapse(whole.radians, whole.weight)
        radians = whole.radians[distinct.first]
        coordinates = problem.coordinates[distinct.first]
        neighbours = estimate_neighbours(coordinates, problem.eps_chord)
        tiles = split(coordinates, neighbours, problem.eps_chord, self._budget(neighbours, problem.processes))
        # joblib writes large arrays to a file once, and every process maps it.
        answers = Parallel(n_jobs=problem.processes, return_as="generator")(
            delayed(_fit_tile)(radians, distinct.weight, tile, whole.eps_radians, whole.min_samples) for tile in tiles
        )
        clusters, core_mask = merge(radians.shape[0], tiles, answers)
        core_mask = core_mask[distinct.inverse]
        return Clustering(
            labels=number_by_first_core(clusters[distinct.inverse], core_mask),
            core_mask=core_mask,
            about={
                "tiles": len(tiles),
                "distinct_points": radians.shape[0],
                "points_in_halos": sum(tile.halo.shape[0] for tile in tiles),
            },
        )

    def _budget(self, neighbours: FloatArray, processes: int) -> float:
        """How many neighbours a tile may have: within memory, and small enough to keep all processes busy."""
        if processes == 1:
            return self._pairs_per_tile
        return min(self._pairs_per_tile, float(neighbours.sum()) / (TILES_PER_PROCESS * processes))


def _fit_tile(radians: FloatArray, weight: FloatArray, tile: Tile, eps_radians: float, min_samples: int) -> TileAnswer:
    """Cluster one tile with its halo, in whatever process this is."""
    here = np.concatenate((tile.owned, tile.halo))
    clustering = fit_haversine(HaversineProblem(radians[here], weight[here], eps_radians, min_samples, n_jobs=1))
    core_mask = clustering.core_mask
    if core_mask is None:
        raise TypeError("scikit-learn answers without core points")
    owned = tile.owned.shape[0]
    seam = core_mask[owned:]
    return TileAnswer(
        labels=clustering.labels[:owned],
        core_mask=core_mask[:owned],
        seam=tile.halo[seam],
        seam_labels=clustering.labels[owned:][seam],
        n_clusters=int(clustering.labels.max()) + 1,
    )
