"""`open3d`: `PointCloud.cluster_dbscan` of Open3D, whose neighbourhoods are all in memory at once."""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar

import numpy as np

from taxi_mlops.adapters.chords import ChordProblem, prepare_chords, subsample
from taxi_mlops.adapters.haversine import clustering_of_no_points
from taxi_mlops.domain import AdapterInfo, Clustering, Parameters, Points, Resources, Workload


class Open3dAdapter:
    """Open3D's DBSCAN on unit-sphere chords, in float64."""

    requires: ClassVar[str | None] = "open3d"
    install: ClassVar[str] = "pip install open3d"
    by_default: ClassVar[bool] = False

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(
            name="open3d",
            version=version("open3d"),
            summary="Open3D's PointCloud.cluster_dbscan, k-d tree, chords in 3-D",
            exact=True,
            weighted=False,
            parallel=True,
            homepage="https://www.open3d.org",
        )

    def unsupported(self, workload: Workload) -> str | None:
        return "open3d takes no weights" if workload.points.weight is not None else None

    def prepare(self, points: Points, parameters: Parameters, resources: Resources) -> ChordProblem:
        return prepare_chords(points, parameters, resources.threads)

    def warm_up(self, problem: ChordProblem) -> None:
        self.fit(subsample(problem))

    def fit(self, problem: ChordProblem) -> Clustering:
        """Cluster; Open3D does not report core points."""
        from open3d.geometry import PointCloud
        from open3d.utility import Vector3dVector

        if len(problem) == 0:
            return clustering_of_no_points()
        cloud = PointCloud(Vector3dVector(problem.coordinates))
        # Its radius is exclusive, DBSCAN's eps is inclusive.
        labels = cloud.cluster_dbscan(eps=np.nextafter(problem.eps, np.inf), min_points=problem.min_samples)
        return Clustering(labels=np.asarray(labels, dtype=np.int32))
