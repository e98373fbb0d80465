"""`grid`: our own engine, exact DBSCAN on latitude and longitude."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import ClassVar

import numpy as np

from haversine_dbscan.arrays import IntArray
from taxi_mlops.adapters.compiled import import_numba
from taxi_mlops.domain import AdapterInfo, Clustering, FloatArray, Parameters, Points, Resources, Workload

WARM_UP_POINTS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class GridProblem:
    """The points as they are: latitude and longitude in degrees, float64 (n,), and weights or None."""

    latitude: FloatArray
    longitude: FloatArray
    weight: FloatArray | None
    eps_metres: float
    min_samples: int
    threads: int


class GridAdapter:
    """The engine, `haversine_dbscan`, on all the threads that it may use."""

    requires: ClassVar[str | None] = None
    install: ClassVar[str] = "pip install haversine-dbscan"

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(
            name="grid",
            version=version("haversine-dbscan"),
            summary="our engine: cells decided by bounds, great circle, numba",
            exact=True,
            weighted=True,
            parallel=True,
            homepage="",
        )

    def unsupported(self, workload: Workload) -> str | None:
        from haversine_dbscan.geodesy import SMALLEST_EPS_METRES

        if workload.parameters.eps_metres < SMALLEST_EPS_METRES:
            return f"eps = {workload.parameters.eps_metres:g} m is below the resolution of degrees in float64"
        return None

    def import_libraries(self) -> None:
        import haversine_dbscan.clustering  # noqa: F401

        import_numba()

    def prepare(self, points: Points, parameters: Parameters, resources: Resources) -> GridProblem:
        return GridProblem(
            latitude=points.latitude,
            longitude=points.longitude,
            weight=points.weight,
            eps_metres=parameters.eps_metres,
            min_samples=parameters.min_samples,
            threads=resources.threads,
        )

    def warm_up(self, problem: GridProblem) -> None:
        from haversine_dbscan.sweeping import MOST_SWEPT

        n = len(problem.latitude)
        if n:  # few points and many go through different code
            self.fit(_rows_of(problem, np.arange(MOST_SWEPT + 1) % n))
        self.fit(_rows_of(problem, np.arange(min(n, WARM_UP_POINTS))))

    def fit(self, problem: GridProblem) -> Clustering:
        from haversine_dbscan.clustering import dbscan

        labels, core_mask = dbscan(
            problem.latitude,
            problem.longitude,
            problem.eps_metres,
            problem.min_samples,
            problem.weight,
            problem.threads,
        )
        return Clustering(labels=labels, core_mask=core_mask)


def _rows_of(problem: GridProblem, rows: IntArray) -> GridProblem:
    weight = None if problem.weight is None else problem.weight[rows]
    return replace(problem, latitude=problem.latitude[rows], longitude=problem.longitude[rows], weight=weight)
