"""`sklearn`: scikit-learn's DBSCAN on one thread, the reference that the others are compared with."""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar

from taxi_mlops.adapters.haversine import HaversineProblem, fit_haversine, prepare_haversine, warm_up_haversine
from taxi_mlops.domain import AdapterInfo, Clustering, Parameters, Points, Resources, Workload


class SklearnAdapter:
    """scikit-learn on radians with a ball tree and the haversine distance, on one thread."""

    requires: ClassVar[str | None] = None
    install: ClassVar[str] = "pip install scikit-learn"

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(
            name="sklearn",
            version=version("scikit-learn"),
            summary="scikit-learn, ball tree and haversine, one thread",
            exact=True,
            weighted=True,
            parallel=False,
            homepage="https://scikit-learn.org",
        )

    def unsupported(self, workload: Workload) -> str | None:  # noqa: ARG002
        return None

    def import_libraries(self) -> None:
        import sklearn.cluster  # noqa: F401

    def prepare(self, points: Points, parameters: Parameters, resources: Resources) -> HaversineProblem:  # noqa: ARG002
        return prepare_haversine(points, parameters, n_jobs=1)

    def warm_up(self, problem: HaversineProblem) -> None:
        warm_up_haversine(problem)

    def fit(self, problem: HaversineProblem) -> Clustering:
        return fit_haversine(problem)
