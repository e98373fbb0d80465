"""Compute all indices of one clustering."""

from __future__ import annotations

import numpy as np

from taxi_mlops.domain import NOISE, Clustering, LabelArray, Points
from taxi_mlops.evaluation.contingency import IndexArray
from taxi_mlops.evaluation.quality.metrics import Estimate, QualityMetrics
from taxi_mlops.evaluation.quality.sizes import describe_sizes


def measure_quality(
    points: Points, clustering: Clustering, measured_on: str, stability: Estimate, seed: int
) -> QualityMetrics:
    """Measure a clustering of points, regardless of weights. O(n), except for indices that are sampled.

    measured_on: the adapter that gave it. stability: see `stability.stability`, which does not depend on the labels.
    """
    labels = _without_gaps(clustering.labels)
    sizes = np.bincount(labels[labels != NOISE]).astype(np.int64)
    indices = _indices(points, labels, sizes, seed)
    return QualityMetrics(
        measured_on=measured_on,
        noise_ratio=1.0 - int(sizes.sum()) / len(points) if len(points) else None,
        silhouette=indices[0],
        davies_bouldin=indices[1],
        calinski_harabasz=indices[2],
        dbcv=indices[3],
        stability=stability,
        sizes=describe_sizes(sizes),
    )


def _indices(
    points: Points, labels: LabelArray, sizes: IndexArray, seed: int
) -> tuple[Estimate, Estimate, Estimate, Estimate]:
    from taxi_mlops.evaluation.quality import dispersion
    from taxi_mlops.evaluation.quality.density_validity import dbcv
    from taxi_mlops.evaluation.quality.silhouette import silhouette

    if len(sizes) < 2:
        undefined = _too_few(sizes)
        return undefined, undefined, undefined, undefined
    latitude, longitude = points.latitude, points.longitude
    centroids, overall = dispersion.find_centroids(latitude, longitude, labels, len(sizes))
    spread = dispersion.measure_spread(latitude, longitude, labels, sizes, centroids)
    return (
        silhouette(latitude, longitude, labels, sizes, seed),
        dispersion.davies_bouldin(sizes, centroids, spread, seed),
        dispersion.calinski_harabasz(sizes, centroids, overall, spread),
        dbcv(latitude, longitude, labels, sizes, seed),
    )


def density_validity(points: Points, labels: LabelArray, seed: int) -> Estimate:
    """Return DBCV alone, as `measure_quality` does."""
    from taxi_mlops.evaluation.quality.density_validity import dbcv

    numbered = _without_gaps(labels)
    sizes = np.bincount(numbered[numbered != NOISE]).astype(np.int64)
    if len(sizes) < 2:
        return _too_few(sizes)
    return dbcv(points.latitude, points.longitude, numbered, sizes, seed)


def _too_few(sizes: IndexArray) -> Estimate:
    return Estimate(None, reason=f"needs two clusters, and there {'is one' if len(sizes) else 'are none'}")


def _without_gaps(labels: LabelArray) -> LabelArray:
    """Return the labels with their clusters numbered from 0 without gaps."""
    present = np.bincount(labels + 1, minlength=1) > 0
    present[0] = True
    return (np.cumsum(present) - 2).astype(np.int32)[labels + 1]
