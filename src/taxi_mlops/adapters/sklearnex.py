"""`sklearnex`: DBSCAN of Intel's extension for scikit-learn (oneDAL), which compares all pairs by brute force."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from typing import ClassVar

from taxi_mlops.adapters.chords import ChordProblem, centred, prepare_chords, subsample
from taxi_mlops.adapters.haversine import clustering_from_indices, clustering_of_no_points
from taxi_mlops.domain import AdapterInfo, Clustering, Parameters, Points, Resources, Workload


class SklearnexAdapter:
    """Intel's extension for scikit-learn on chords, in float64."""

    requires: ClassVar[str | None] = "sklearnex"
    install: ClassVar[str] = "pip install scikit-learn-intelex"

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(
            name="sklearnex",
            version=version("scikit-learn-intelex"),
            summary="Intel's extension for scikit-learn (oneDAL), brute force, chords in 3-D",
            exact=True,
            weighted=True,
            parallel=True,
            homepage="https://github.com/uxlfoundation/scikit-learn-intelex",
            note="it expands squared distances into dot products, so a pair within a relative "
            "(extent / eps)² × 1e-16 of eps may fall on either side",
        )

    def unsupported(self, workload: Workload) -> str | None:  # noqa: ARG002
        return None

    def import_libraries(self) -> None:
        import sklearnex.cluster  # noqa: F401 - oneTBB starts its threads in the first fit

    def prepare(self, points: Points, parameters: Parameters, resources: Resources) -> ChordProblem:
        """Convert the points to chords, relative to their mean and in units of eps.

        oneDAL computes |a|² + |b|² − 2ab: for a city on the unit sphere this would lose all but three digits of a
        distance of 50 m; with the origin in the city it loses the square of its extent in eps.
        """
        problem = centred(prepare_chords(points, parameters, resources.threads))
        return replace(problem, coordinates=problem.coordinates / problem.eps, eps=1.0)

    def warm_up(self, problem: ChordProblem) -> None:
        self.fit(subsample(problem))

    def fit(self, problem: ChordProblem) -> Clustering:
        from sklearnex.cluster import DBSCAN

        if len(problem) == 0:  # it refuses an empty array
            return clustering_of_no_points()
        model = DBSCAN(eps=problem.eps, min_samples=problem.min_samples, n_jobs=problem.threads)
        model.fit(problem.coordinates, sample_weight=problem.weight)
        return clustering_from_indices(model.labels_, model.core_sample_indices_)
