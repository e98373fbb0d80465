"""`incdbscan`: IncrementalDBSCAN (Ester et al., VLDB 1998) in Python, given all points one after the other.

It is made for points that come and go, and makes its k-d tree again for each: on points that are all there from the
start, its time grows with more than the square of their number. With min_samples 1, the first point is noise (0.6.0) if
it has no neighbours; by definition it is a cluster of its own.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar

import numpy as np

from taxi_mlops.adapters.chords import ChordProblem, prepare_chords, subsample
from taxi_mlops.adapters.haversine import clustering_of_no_points
from taxi_mlops.domain import NOISE, AdapterInfo, Clustering, Parameters, Points, Resources, Workload


class IncdbscanAdapter:
    """incdbscan on unit-sphere chords, in float64."""

    requires: ClassVar[str | None] = "incdbscan"
    install: ClassVar[str] = "pip install incdbscan"
    by_default: ClassVar[bool] = False

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(
            name="incdbscan",
            version=version("incdbscan"),
            summary="IncrementalDBSCAN in Python, points inserted one by one, chords in 3-D",
            exact=False,
            weighted=False,
            parallel=False,
            homepage="https://github.com/DataOmbudsman/incdbscan",
            note="with min_samples 1, the first point is noise if it has no neighbours; from 2 on it is right",
        )

    def unsupported(self, workload: Workload) -> str | None:
        return "incdbscan takes no weights" if workload.points.weight is not None else None

    def prepare(self, points: Points, parameters: Parameters, resources: Resources) -> ChordProblem:
        return prepare_chords(points, parameters, resources.threads)

    def warm_up(self, problem: ChordProblem) -> None:
        self.fit(subsample(problem))

    def fit(self, problem: ChordProblem) -> Clustering:
        """Cluster; incdbscan does not report core points."""
        from incdbscan import IncrementalDBSCAN

        if len(problem) == 0:
            return clustering_of_no_points()
        model = IncrementalDBSCAN(eps=problem.eps, min_pts=problem.min_samples).insert(problem.coordinates)
        found = model.get_cluster_labels(problem.coordinates)
        # It numbers clusters with gaps, where some were joined.
        labels = np.full(len(problem), NOISE, dtype=np.int32)
        clustered = found != NOISE
        labels[clustered] = np.unique(found[clustered], return_inverse=True)[1]
        return Clustering(labels=labels)
