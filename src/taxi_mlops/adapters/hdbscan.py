"""`hdbscan`: the cut at eps through the single-linkage tree of PyPI's hdbscan, which is DBSCAN* and not DBSCAN."""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar

import numpy as np

from taxi_mlops.adapters.chords import ChordProblem, prepare_chords, subsample
from taxi_mlops.domain import NOISE, AdapterInfo, Clustering, Parameters, Points, Resources, Workload


class HdbscanAdapter:
    """`HDBSCAN.dbscan_clustering` on chords: DBSCAN* (Campello, Moulavi and Sander, PAKDD 2013)."""

    requires: ClassVar[str | None] = "hdbscan"
    install: ClassVar[str] = "pip install hdbscan"

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(
            name="hdbscan",
            version=version("hdbscan"),
            summary="hdbscan's single-linkage tree, cut at eps, chords in 3-D",
            exact=False,
            weighted=False,
            parallel=True,
            homepage="https://github.com/scikit-learn-contrib/hdbscan",
            note="it is DBSCAN*: border points are noise, and so are clusters with a single core point",
        )

    def unsupported(self, workload: Workload) -> str | None:
        return "hdbscan takes no weights" if workload.points.weight is not None else None

    def import_libraries(self) -> None:
        import hdbscan  # noqa: F401

    def prepare(self, points: Points, parameters: Parameters, resources: Resources) -> ChordProblem:
        return prepare_chords(points, parameters, resources.threads)

    def warm_up(self, problem: ChordProblem) -> None:
        self.fit(subsample(problem))

    def fit(self, problem: ChordProblem) -> Clustering:
        """Cluster; without a core mask, since the tree does not distinguish an isolated core point from noise."""
        from hdbscan import HDBSCAN

        if problem.min_samples > len(problem):  # hdbscan would silently lower it to the number of points
            return Clustering(labels=np.full(len(problem), NOISE, dtype=np.int32))
        if len(problem) < 2:  # a tree needs an edge; this point is its own cluster, since min_samples is 1
            return Clustering(labels=np.zeros(len(problem), dtype=np.int32))
        model = HDBSCAN(
            min_samples=max(problem.min_samples - 1, 1),  # hdbscan does not count the point itself
            metric="euclidean",
            approx_min_span_tree=False,
            core_dist_n_jobs=problem.threads,
        ).fit(problem.coordinates)
        labels = model.dbscan_clustering(
            cut_distance=np.nextafter(problem.eps, np.inf),  # hdbscan cuts below, DBSCAN's eps is inclusive
            # The tree does not distinguish an isolated core point from noise, but with min_samples 1 all are core.
            min_cluster_size=1 if problem.min_samples == 1 else 2,
        )
        return Clustering(labels=labels.astype(np.int32))
