"""`fast-hdbscan`: the cut at eps through the single-linkage tree of fast_hdbscan, which is DBSCAN* and not DBSCAN.

It searches in float32. Chords are placed around their middle, so that its resolution is a share of the points' extent
(1 mm in a city of 30 km) and not of the earth.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar

import numpy as np

from taxi_mlops.adapters.chords import ChordProblem, centred, prepare_chords, subsample
from taxi_mlops.domain import NOISE, AdapterInfo, Clustering, Parameters, Points, Resources, Workload


class FastHdbscanAdapter:
    """`HDBSCAN.dbscan_clustering` on chords: DBSCAN* (Campello, Moulavi and Sander, PAKDD 2013)."""

    requires: ClassVar[str | None] = "fast_hdbscan"
    install: ClassVar[str] = "pip install fast-hdbscan"
    by_default: ClassVar[bool] = False

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(
            name="fast-hdbscan",
            version=version("fast-hdbscan"),
            summary="fast_hdbscan's single-linkage tree, cut at eps, chords in 3-D in float32, numba",
            exact=False,
            weighted=False,
            parallel=True,
            homepage="https://github.com/TutteInstitute/fast_hdbscan",
            note=(
                "it is DBSCAN*: border points are noise, and so are clusters of fewer than min_samples − 1 core "
                "points; with min_samples 2, a point without neighbours is a cluster; it measures in float32"
            ),
        )

    def unsupported(self, workload: Workload) -> str | None:
        return "fast-hdbscan takes no weights" if workload.points.weight is not None else None

    def prepare(self, points: Points, parameters: Parameters, resources: Resources) -> ChordProblem:
        return centred(prepare_chords(points, parameters, resources.threads))

    def warm_up(self, problem: ChordProblem) -> None:
        self.fit(subsample(problem))

    def fit(self, problem: ChordProblem) -> Clustering:
        """Cluster; without a core mask, since the tree does not distinguish core points from noise."""
        from fast_hdbscan import HDBSCAN

        if problem.min_samples > len(problem):  # it would read beyond its tree
            return Clustering(labels=np.full(len(problem), NOISE, dtype=np.int32))
        if len(problem) < 2:  # a tree needs an edge; this point is its own cluster, since min_samples is 1
            return Clustering(labels=np.zeros(len(problem), dtype=np.int32))
        # It does not count the point itself. Its own clusters, which are not used, are found on the way.
        model = HDBSCAN(min_samples=max(problem.min_samples - 1, 1)).fit(problem.coordinates)
        labels = model.dbscan_clustering(np.nextafter(problem.eps, np.inf))  # it cuts below, DBSCAN's eps is inclusive
        return Clustering(labels=labels.astype(np.int32))
