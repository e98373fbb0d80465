"""DBSCAN by its definition, over all pairs of points: the ground truth of tests."""

from __future__ import annotations

import numpy as np

from haversine_dbscan.geodesy import great_circle_distance
from taxi_mlops.domain import NOISE, Clustering, FloatArray


def brute_force_dbscan(
    latitude: FloatArray,
    longitude: FloatArray,
    eps_metres: float,
    min_samples: float,
    weight: FloatArray | None = None,
) -> Clustering:
    """Cluster points in degrees by comparing every pair, in plain numpy and O(n²) time and memory.

    As scikit-learn does: eps is inclusive, weights within eps add up (the point's own included), clusters are numbered
    by their first core point, and a border point goes to the lowest-numbered cluster within eps.
    """
    distances = great_circle_distance(latitude[:, None], longitude[:, None], latitude[None, :], longitude[None, :])
    neighbours = distances <= eps_metres
    core = neighbours @ (np.ones(len(latitude)) if weight is None else weight) >= min_samples
    labels = np.full(len(latitude), NOISE, dtype=np.int32)
    cluster = 0
    for seed in np.flatnonzero(core):
        if labels[seed] != NOISE:
            continue
        member = np.zeros(len(latitude), dtype=np.bool_)
        frontier = np.array([seed])
        while len(frontier):
            member[frontier] = True
            frontier = np.flatnonzero(neighbours[frontier].any(axis=0) & core & ~member)
        reached = member | (neighbours[member].any(axis=0) & ~core)
        labels[reached & (labels == NOISE)] = cluster
        cluster += 1
    return Clustering(labels, core)
