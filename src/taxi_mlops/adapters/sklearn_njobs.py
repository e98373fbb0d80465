"""`sklearn-njobs`: scikit-learn's DBSCAN with its own `n_jobs`, which parallelises the neighbour queries only."""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar

from taxi_mlops.adapters.haversine import HaversineProblem, fit_haversine, prepare_haversine, warm_up_haversine
from taxi_mlops.domain import AdapterInfo, Clustering, Parameters, Points, Resources, Workload


class SklearnNJobsAdapter:
    """As `sklearn`, with the neighbour queries on all threads of the trial."""

    requires: ClassVar[str | None] = None
    install: ClassVar[str] = "pip install scikit-learn"

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(
            name="sklearn-njobs",
            version=version("scikit-learn"),
            summary="scikit-learn, ball tree and haversine, n_jobs threads for the neighbour queries",
            exact=True,
            weighted=True,
            parallel=True,
            homepage="https://scikit-learn.org",
        )

    def unsupported(self, workload: Workload) -> str | None:  # noqa: ARG002
        return None

    def import_libraries(self) -> None:
        import sklearn.cluster  # noqa: F401

    def prepare(self, points: Points, parameters: Parameters, resources: Resources) -> HaversineProblem:
        return prepare_haversine(points, parameters, n_jobs=resources.threads)

    def warm_up(self, problem: HaversineProblem) -> None:
        warm_up_haversine(problem)

    def fit(self, problem: HaversineProblem) -> Clustering:
        return fit_haversine(problem)
