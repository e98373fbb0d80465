"""`mlpack`: the DBSCAN of mlpack, whose range search takes all points at once with two trees.

It keeps a cluster only if it has as many points as min_samples asks of a neighbourhood, and counts them after border
points have gone to the cluster that reaches them first (4.8). So a cluster whose border points are also those of others
may be called noise, its core points included.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar

import numpy as np

from taxi_mlops.adapters.chords import ChordProblem, prepare_chords, subsample
from taxi_mlops.adapters.haversine import clustering_of_no_points
from taxi_mlops.domain import NOISE, AdapterInfo, Clustering, Parameters, Points, Resources, Workload

_NOISE = np.iinfo(np.uint64).max


class MlpackAdapter:
    """mlpack's DBSCAN on unit-sphere chords, in float64."""

    requires: ClassVar[str | None] = "mlpack"
    install: ClassVar[str] = "pip install mlpack"
    by_default: ClassVar[bool] = False

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(
            name="mlpack",
            version=version("mlpack"),
            summary="mlpack's DBSCAN in C++, dual k-d trees, chords in 3-D",
            exact=False,
            weighted=False,
            parallel=False,
            homepage="https://www.mlpack.org",
            note="a cluster that keeps fewer than min_samples points, because border points went to others, is noise",
        )

    def unsupported(self, workload: Workload) -> str | None:
        return "mlpack takes no weights" if workload.points.weight is not None else None

    def prepare(self, points: Points, parameters: Parameters, resources: Resources) -> ChordProblem:
        return prepare_chords(points, parameters, resources.threads)

    def warm_up(self, problem: ChordProblem) -> None:
        self.fit(subsample(problem))

    def fit(self, problem: ChordProblem) -> Clustering:
        """Cluster; mlpack does not report core points."""
        from mlpack import dbscan

        if len(problem) == 0:
            return clustering_of_no_points()
        # Without a copy it may change the coordinates, which a second fit needs.
        found = dbscan(
            input_=problem.coordinates, epsilon=problem.eps, min_size=problem.min_samples, copy_all_inputs=True
        )
        assigned = np.ravel(found["assignments"]).astype(np.uint64, copy=False)
        return Clustering(labels=np.where(assigned == _NOISE, NOISE, assigned.astype(np.int64)).astype(np.int32))
