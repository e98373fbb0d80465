"""Adapters that start fast, since they import nothing but numpy: right, slow, wrong and failing ones."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from taxi_mlops.domain import AdapterInfo, Clustering, Parameters, Points, Resources, Workload
from taxi_mlops.testing.oracle import brute_force_dbscan


@dataclass(frozen=True)
class Problem:
    points: Points
    parameters: Parameters


class Exact:
    """The oracle itself."""

    requires: ClassVar[str | None] = None
    install: ClassVar[str] = "pip install light-adapters"
    name: ClassVar[str] = "light-exact"
    exact: ClassVar[bool] = True

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(self.name, "1.0", "for tests", self.exact, True, False, "https://example.org")

    def unsupported(self, workload: Workload) -> str | None:
        return None

    def prepare(self, points: Points, parameters: Parameters, resources: Resources) -> Problem:
        return Problem(points, parameters)

    def warm_up(self, problem: Problem) -> None:
        pass

    def fit(self, problem: Problem) -> Clustering:
        points, parameters = problem.points, problem.parameters
        return brute_force_dbscan(
            points.latitude, points.longitude, parameters.eps_metres, parameters.min_samples, points.weight
        )


class Twin(Exact):
    name = "light-twin"


class Slow(Exact):
    """Right, and much slower than the others."""

    name = "light-slow"

    def fit(self, problem: Problem) -> Clustering:
        time.sleep(0.4)
        return super().fit(problem)


class Greedy(Exact):
    """Asks for more memory than there is."""

    name = "light-greedy"

    def fit(self, problem: Problem) -> Clustering:
        raise MemoryError("an array of many petabytes")


class Approximate(Exact):
    """Right, but promises nothing."""

    name = "light-approximate"
    exact = False


class Wrong(Exact):
    """Forgets the last cluster."""

    name = "light-wrong"

    def fit(self, problem: Problem) -> Clustering:
        right = super().fit(problem)
        labels = np.where(right.labels == right.labels.max(), -1, right.labels).astype(np.int32)
        return Clustering(labels, right.core_mask)


class Raising(Exact):
    name = "light-raising"

    def fit(self, problem: Problem) -> Clustering:
        raise ArithmeticError("one too many")


class Reporting(Exact):
    """Right, and reports the span of its process."""

    name = "light-reporting"

    def fit(self, problem: Problem) -> Clustering:
        return replace(super().fit(problem), about={"traceparent": os.environ["TRACEPARENT"]})


class Unsteady(Exact):
    """Right in the memory trial, wrong in every timed one after the first call of a process's warm-up."""

    name = "light-unsteady"

    def fit(self, problem: Problem) -> Clustering:
        right = super().fit(problem)
        labels = right.labels.copy()
        labels[os.getpid() % labels.size] = -1
        return Clustering(labels, None)
