"""Davies–Bouldin and Calinski–Harabasz on the sphere: distances to spherical centroids, in metres.

The centroid of points on the sphere is their mean as unit vectors, projected back to the surface. Within a city both
indices are those of the plane; over a continent they are their natural generalisation.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from haversine_dbscan.geodesy import EARTH_RADIUS_METRES, unit_sphere
from haversine_dbscan.haversine import RADIANS
from taxi_mlops.domain import FloatArray, LabelArray
from taxi_mlops.evaluation.contingency import IndexArray
from taxi_mlops.evaluation.quality.distance import distance
from taxi_mlops.evaluation.quality.metrics import Estimate
from taxi_mlops.evaluation.quality.sampling import draw_clusters, mean_over_clusters

CLUSTER_PAIRS = 1_000_000_000
_ROUNDING = 1.0 - 1e-9
"""Tolerance for the rounding of squared chords; pairs that are this close are computed exactly."""


class Centroids(NamedTuple):
    """Spherical centroids of k clusters in degrees, and the cosines of their latitudes: float64 (k,)."""

    latitude: FloatArray
    longitude: FloatArray
    cosine: FloatArray


class Spread(NamedTuple):
    """Distances in metres from the members of each of k clusters to its centroid: mean, and sum of squares."""

    mean: FloatArray
    squared: FloatArray


def find_centroids(
    latitude: FloatArray, longitude: FloatArray, labels: LabelArray, clusters: int
) -> tuple[Centroids, Centroids]:
    """Return the centroid of each cluster, and that of all clustered points together. O(n)."""
    sums = _sum_of_vectors(latitude, longitude, labels, clusters)
    return _towards(sums), _towards(sums.sum(axis=0, keepdims=True))


def measure_spread(
    latitude: FloatArray, longitude: FloatArray, labels: LabelArray, sizes: IndexArray, centroids: Centroids
) -> Spread:
    """Return how far the members are from their centroids. O(n)."""
    total, squared = _sum_of_distances(latitude, longitude, labels, centroids)
    return Spread(total / sizes, squared)


def davies_bouldin(sizes: IndexArray, centroids: Centroids, spread: Spread, seed: int) -> Estimate:
    """Mean over the clusters of the worst (Sᵢ + Sⱼ) / Mᵢⱼ (Davies and Bouldin 1979); lower is better, 0 the best.

    S is the mean distance to the centroid, M the distance of two centroids. Of more than some 30,000 clusters, those of
    `sampling.draw_clusters` are compared with all.
    """
    sample = draw_clusters(sizes, CLUSTER_PAIRS, seed)
    vectors = unit_sphere(centroids.latitude, centroids.longitude)
    worst = _worst_ratios(sample.chosen, centroids, vectors, spread.mean)
    if not np.all(np.isfinite(worst)):
        return Estimate(None, reason="two clusters have the same centroid")
    value, interval = mean_over_clusters(worst, np.full(len(sizes), 1.0 / len(sizes)), sample)
    return Estimate(value, interval, points=int(sizes.sum()), note=sample.note)


def calinski_harabasz(sizes: IndexArray, centroids: Centroids, overall: Centroids, spread: Spread) -> Estimate:
    """Variance between clusters over variance within them (Calinski and Harabasz 1974); higher is better.

    Variances are sums of squared distances over their degrees of freedom, k − 1 and n − k.
    """
    n, k = int(sizes.sum()), len(sizes)
    within = float(spread.squared.sum())
    if n == k or within == 0.0:
        return Estimate(None, reason="all members of each cluster coincide, so there is no variance within clusters")
    apart = _distances_to(centroids, overall)
    between = float(np.sum(sizes * apart**2))
    return Estimate(between / (k - 1) / (within / (n - k)), points=n)


def _towards(vectors: FloatArray) -> Centroids:
    x, y, z = vectors.T
    latitude = np.degrees(np.arctan2(z, np.hypot(x, y)))
    return Centroids(latitude, np.degrees(np.arctan2(y, x)), np.cos(np.radians(latitude)))


def _distances_to(points: Centroids, one: Centroids) -> FloatArray:
    from haversine_dbscan.geodesy import great_circle_distance

    return great_circle_distance(points.latitude, points.longitude, one.latitude, one.longitude)


@njit(cache=True, nogil=True)
def _sum_of_vectors(latitude: FloatArray, longitude: FloatArray, labels: LabelArray, clusters: int) -> FloatArray:
    sums = np.zeros((clusters, 3))
    for i in range(labels.shape[0]):
        label = labels[i]
        if label >= 0:
            phi, theta = latitude[i] * RADIANS, longitude[i] * RADIANS
            radius = math.cos(phi)
            sums[label, 0] += radius * math.cos(theta)
            sums[label, 1] += radius * math.sin(theta)
            sums[label, 2] += math.sin(phi)
    return sums


@njit(cache=True, nogil=True)
def _sum_of_distances(
    latitude: FloatArray, longitude: FloatArray, labels: LabelArray, centroids: Centroids
) -> tuple[FloatArray, FloatArray]:
    total = np.zeros(centroids.latitude.shape[0])
    squared = np.zeros(centroids.latitude.shape[0])
    for i in range(labels.shape[0]):
        label = labels[i]
        if label >= 0:
            metres = distance(
                latitude[i],
                longitude[i],
                math.cos(latitude[i] * RADIANS),
                centroids.latitude[label],
                centroids.longitude[label],
                centroids.cosine[label],
            )
            total[label] += metres
            squared[label] += metres * metres
    return total, squared


@njit(cache=True, nogil=True)
def _worst_ratios(chosen: IndexArray, centroids: Centroids, vectors: FloatArray, mean: FloatArray) -> FloatArray:
    """Return float64 (s,): the largest (Sᵢ + Sⱼ) / Mᵢⱼ of each chosen cluster; infinite where two centroids coincide.

    vectors: float64 (k, 3), the centroids on the unit sphere. A ratio is computed only where the chord, which is no
    longer than the arc M, allows it to be the largest yet. O(s·k).
    """
    worst = np.zeros(chosen.shape[0])
    for place in range(chosen.shape[0]):
        i = chosen[place]
        x, y, z = vectors[i, 0], vectors[i, 1], vectors[i, 2]
        for j in range(mean.shape[0]):
            dx, dy, dz = x - vectors[j, 0], y - vectors[j, 1], z - vectors[j, 2]
            both = mean[i] + mean[j]
            reach = both / EARTH_RADIUS_METRES
            if j == i or reach * reach < worst[place] * worst[place] * (dx * dx + dy * dy + dz * dz) * _ROUNDING:
                continue
            apart = distance(
                centroids.latitude[i],
                centroids.longitude[i],
                centroids.cosine[i],
                centroids.latitude[j],
                centroids.longitude[j],
                centroids.cosine[j],
            )
            if apart == 0.0:
                worst[place] = np.inf
                break
            worst[place] = max(worst[place], both / apart)
    return worst
