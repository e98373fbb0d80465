"""`dbscan`: the C++ library of Wang, Gu and Shun, "Theoretically-Efficient and Practical Parallel DBSCAN", SIGMOD 2020.

It reads its number of threads from the environment variable PARLAY_NUM_THREADS when it is first called.

It is not exact in three dimensions (1.0.0). Its grid has cells of side s = eps / √d, and it searches for neighbours in
the cells whose centres lie within √(d + 3) s. That is enough for d = 2. For d = 3, cells that differ by (2, 2, 0) or
(2, 2, 1) may hold points within eps, and their centres are √8 s and 3 s apart, further than √6 s. So it sometimes
counts too few neighbours: it finds too few core points, never too many.
"""

from __future__ import annotations

from importlib.metadata import version
from math import sqrt
from typing import ClassVar

from haversine_dbscan.geodesy import chord_length
from taxi_mlops.adapters.chords import ChordProblem, prepare_chords, subsample
from taxi_mlops.domain import AdapterInfo, Clustering, Parameters, Points, Resources, Workload

# The library numbers grid cells of side eps / √3 in 32 bits along each axis. If the sphere's diameter has more cells
# than that, numbers overflow and neighbours are lost without an error.
MIN_CHORD = 2 * sqrt(3) / 2**31


class DbscanAdapter:
    """The SIGMOD 2020 library on unit-sphere chords, in float64."""

    requires: ClassVar[str | None] = "dbscan"
    install: ClassVar[str] = "pip install dbscan"

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(
            name="dbscan",
            version=version("dbscan"),
            summary="Wang, Gu and Shun (SIGMOD 2020), C++ grid, chords in 3-D",
            exact=False,
            weighted=False,
            parallel=True,
            homepage="https://github.com/wangyiqiu/dbscan-python",
            note="in 3-D it does not look into every neighbouring grid cell, so it may miss core points",
        )

    def unsupported(self, workload: Workload) -> str | None:
        if workload.points.weight is not None:
            return "dbscan takes no weights"
        eps = workload.parameters.eps_metres
        if chord_length(eps) < MIN_CHORD:
            return f"dbscan numbers its grid cells in 32 bits, which is too few for eps = {eps:g} m (at least 0.0103 m)"
        return None

    def import_libraries(self) -> None:
        import dbscan  # noqa: F401

    def prepare(self, points: Points, parameters: Parameters, resources: Resources) -> ChordProblem:
        return prepare_chords(points, parameters, resources.threads)

    def warm_up(self, problem: ChordProblem) -> None:
        self.fit(subsample(problem))

    def fit(self, problem: ChordProblem) -> Clustering:
        from dbscan import DBSCAN

        labels, core_mask = DBSCAN(problem.coordinates, problem.eps, min_samples=problem.min_samples)
        return Clustering(labels=labels, core_mask=core_mask)
