"""The silhouette (Rousseeuw 1987) on the sphere: is a point closer to its own cluster than to the next one?"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from haversine_dbscan.geodesy import EARTH_RADIUS_METRES, unit_sphere
from taxi_mlops.domain import FloatArray, LabelArray
from taxi_mlops.evaluation.contingency import IndexArray
from taxi_mlops.evaluation.performance import CONFIDENCE, Interval
from taxi_mlops.evaluation.quality.distance import distance
from taxi_mlops.evaluation.quality.metrics import Estimate
from taxi_mlops.evaluation.quality.sampling import STANDARD_NORMAL_975, Members, draw_members

POINTS_SAMPLED = 5_000
MEMBERS_SAMPLED = 4_096
MIN_POINTS = 500
PAIRS = 1_000_000_000
"""Maximum number of pairs of a point and a cluster; with very many clusters fewer points are drawn."""


def silhouette(
    latitude: FloatArray, longitude: FloatArray, labels: LabelArray, sizes: IndexArray, seed: int
) -> Estimate:
    """Mean of (b − a) / max(a, b) over the clustered points; a point alone in its cluster counts 0.

    a is the mean distance to the other members of the point's own cluster, b to those of the next best cluster. The
    mean is taken over up to `POINTS_SAMPLED` points (of more than 200,000 clusters, over fewer), and has the interval
    of the central limit theorem for a sample from finitely many; a and b are taken over up to `MEMBERS_SAMPLED` members
    of each cluster.
    """
    clustered = np.flatnonzero(labels >= 0)
    m = min(len(clustered), POINTS_SAMPLED, max(MIN_POINTS, PAIRS // len(sizes)))
    sample = np.sort(np.random.default_rng(seed).choice(clustered, m, replace=False))
    members = draw_members(latitude, longitude, labels, sizes, MEMBERS_SAMPLED, seed)
    vectors = unit_sphere(members.latitude, members.longitude)
    centres = np.add.reduceat(vectors, members.start[:-1]) / np.diff(members.start)[:, None]
    own = unit_sphere(latitude[sample], longitude[sample])
    values = _silhouettes(sample, latitude[sample], longitude[sample], own, labels[sample], members, centres)
    return Estimate(float(values.mean()), _interval(values, len(clustered)), m)


def _interval(values: FloatArray, population: int) -> Interval | None:
    m = len(values)
    if m == population:
        return None
    correction = math.sqrt((population - m) / (population - 1))
    half = STANDARD_NORMAL_975 * float(values.std(ddof=1)) / math.sqrt(m) * correction
    mean = float(values.mean())
    return Interval(max(mean - half, -1.0), min(mean + half, 1.0), CONFIDENCE)


@njit(cache=True, nogil=True)
def _silhouettes(
    index: IndexArray,
    latitude: FloatArray,
    longitude: FloatArray,
    vectors: FloatArray,
    labels: LabelArray,
    members: Members,
    centres: FloatArray,
) -> FloatArray:
    """Return float64 (m,): the silhouette of each sampled point.

    A cluster is examined only if it may be the next best: the mean distance to its members is at least the
    chord to their mean as vectors (the norm is convex, and a chord is no longer than its arc).
    """
    values = np.zeros(index.shape[0])
    chords = np.empty(centres.shape[0])
    for i in range(index.shape[0]):
        cosine = math.cos(math.radians(latitude[i]))
        own = labels[i]
        within = _mean_distance(index[i], latitude[i], longitude[i], cosine, members, own)
        if within < 0.0:
            continue
        nearest = -1
        x, y, z = vectors[i, 0], vectors[i, 1], vectors[i, 2]
        for c in range(centres.shape[0]):
            dx, dy, dz = x - centres[c, 0], y - centres[c, 1], z - centres[c, 2]
            chords[c] = EARTH_RADIUS_METRES * math.sqrt(dx * dx + dy * dy + dz * dz)
            if c != own and (nearest < 0 or chords[c] < chords[nearest]):
                nearest = c
        best = _mean_distance(index[i], latitude[i], longitude[i], cosine, members, nearest)
        for c in range(centres.shape[0]):
            if c != own and c != nearest and chords[c] < best:  # noqa: PLR1714 - the compiler knows no `in`
                best = min(best, _mean_distance(index[i], latitude[i], longitude[i], cosine, members, c))
        larger = max(within, best)
        if larger > 0.0:
            values[i] = (best - within) / larger
    return values


@njit(cache=True, nogil=True)
def _mean_distance(
    index: int, latitude: float, longitude: float, cosine: float, members: Members, cluster: int
) -> float:
    """Return the mean distance to the members of a cluster, without the point itself; −1 if there is no other."""
    total, count = 0.0, 0
    for j in range(members.start[cluster], members.start[cluster + 1]):
        if members.indices[j] != index:
            total += distance(latitude, longitude, cosine, members.latitude[j], members.longitude[j], members.cosine[j])
            count += 1
    return total / count if count else -1.0
