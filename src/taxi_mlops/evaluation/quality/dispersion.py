"""Davies–Bouldin and Calinski–Harabasz on the sphere: distances to spherical centroids, in metres.

The centroid of points on the sphere is their mean as vectors of length one, brought back to the surface. Within a city
both indices are those of the plane; over a continent they are their natural reading on the globe.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from taxi_mlops.domain import FloatArray, LabelArray
from taxi_mlops.engine.geodesy import EARTH_RADIUS_METRES
from taxi_mlops.engine.haversine import RADIANS
from taxi_mlops.evaluation.contingency import IndexArray
from taxi_mlops.evaluation.quality.distance import distance
from taxi_mlops.evaluation.quality.metrics import Estimate

ALIKE = "needs two clusters with different centroids"


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


def davies_bouldin(sizes: IndexArray, centroids: Centroids, spread: Spread) -> Estimate:
    """Mean over the clusters of the worst (Sᵢ + Sⱼ) / Mᵢⱼ (Davies and Bouldin 1979); lower is better, 0 the best.

    S is the mean distance to the centroid, M the distance of two centroids.
    """
    order = np.argsort(centroids.latitude)
    worst = _worst_ratios(Centroids(*(values[order] for values in centroids)), spread.mean[order])
    if not np.all(np.isfinite(worst)):
        return Estimate(None, reason="two clusters have the same centroid")
    return Estimate(float(worst.mean()), points=int(sizes.sum()))


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
    from taxi_mlops.engine.geodesy import great_circle_distance

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
def _worst_ratios(centroids: Centroids, mean: FloatArray) -> FloatArray:
    """Return float64 (k,): the largest (Sᵢ + Sⱼ) / Mᵢⱼ of each cluster. Centroids are sorted by latitude.

    Latitudes are looked through outwards, until those further away cannot be worse: a difference of latitude is no more
    than a distance.
    """
    k = mean.shape[0]
    largest = mean.max()
    per_degree = EARTH_RADIUS_METRES * RADIANS
    worst = np.zeros(k)
    for i in range(k):
        for step in (-1, 1):
            j = i + step
            while 0 <= j < k:
                least = abs(centroids.latitude[j] - centroids.latitude[i]) * per_degree
                if mean[i] + largest <= worst[i] * least:
                    break
                apart = distance(
                    centroids.latitude[i],
                    centroids.longitude[i],
                    centroids.cosine[i],
                    centroids.latitude[j],
                    centroids.longitude[j],
                    centroids.cosine[j],
                )
                if apart == 0.0:
                    worst[i] = np.inf
                    break
                worst[i] = max(worst[i], (mean[i] + mean[j]) / apart)
                j += step
    return worst
