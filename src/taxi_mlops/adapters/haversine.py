"""scikit-learn's DBSCAN on latitude and longitude in radians: the part that `sklearn` and `sklearn-njobs` share."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from haversine_dbscan.geodesy import EARTH_RADIUS_METRES
from taxi_mlops.domain import BoolArray, Clustering, FloatArray, LabelArray, Parameters, Points

WARM_UP_POINTS = 100


@dataclass(frozen=True, slots=True, eq=False)
class HaversineProblem:
    """radians: float64 of shape (n, 2), latitude and longitude. weight: float64 of shape (n,) or None."""

    radians: FloatArray
    weight: FloatArray | None
    eps_radians: float
    min_samples: int
    n_jobs: int


def prepare_haversine(points: Points, parameters: Parameters, n_jobs: int) -> HaversineProblem:
    """Convert degrees and metres to radians."""
    return HaversineProblem(
        radians=np.radians(np.column_stack((points.latitude, points.longitude))),
        weight=points.weight,
        eps_radians=parameters.eps_metres / EARTH_RADIUS_METRES,
        min_samples=parameters.min_samples,
        n_jobs=n_jobs,
    )


def warm_up_haversine(problem: HaversineProblem) -> None:
    """Import scikit-learn and call it once on a few of the points."""
    first = slice(WARM_UP_POINTS)
    weight = None if problem.weight is None else problem.weight[first]
    fit_haversine(replace(problem, radians=problem.radians[first], weight=weight))


def fit_haversine(problem: HaversineProblem) -> Clustering:
    """Run DBSCAN with a ball tree and the haversine distance."""
    from sklearn.cluster import DBSCAN

    if problem.radians.shape[0] == 0:  # scikit-learn refuses an empty array
        return clustering_of_no_points()
    model = DBSCAN(
        eps=problem.eps_radians,
        min_samples=problem.min_samples,
        metric="haversine",
        algorithm="ball_tree",
        n_jobs=problem.n_jobs,
    ).fit(problem.radians, sample_weight=problem.weight)
    return clustering_from_indices(model.labels_, model.core_sample_indices_)


def clustering_from_indices(labels: LabelArray, core_indices: LabelArray) -> Clustering:
    """Return a clustering from labels and the indices of core points, which is how scikit-learn returns them."""
    core_mask: BoolArray = np.zeros(labels.shape[0], dtype=np.bool_)
    core_mask[core_indices] = True
    return Clustering(labels=labels.astype(np.int32), core_mask=core_mask)


def clustering_of_no_points() -> Clustering:
    """Return the clustering of no points."""
    return Clustering(labels=np.empty(0, dtype=np.int32), core_mask=np.empty(0, dtype=np.bool_))
