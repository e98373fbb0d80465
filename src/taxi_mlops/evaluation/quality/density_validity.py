"""DBCV, the index made for density clusters (Moulavi et al., SDM 2014, doi:10.1137/1.9781611973440.96), on the sphere.

A cluster is good where its own sparsest link is denser than the densest link to any other cluster. Links are mutual
reachability distances: of two points, the largest of their distance and their two core distances.

Core distances are so long that many links are equally long, and the paper leaves open which of them a minimum spanning
tree takes; implementations that take the first one give an index that depends on the order of the points. Here the link
between the closer points is taken, so that it does not.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numba import njit

from haversine_dbscan.geodesy import EARTH_RADIUS_METRES, unit_sphere
from taxi_mlops.domain import BoolArray, FloatArray, LabelArray
from taxi_mlops.evaluation.contingency import IndexArray
from taxi_mlops.evaluation.performance import Interval
from taxi_mlops.evaluation.quality.distance import distance
from taxi_mlops.evaluation.quality.metrics import Estimate
from taxi_mlops.evaluation.quality.sampling import (
    ClusterSample,
    Members,
    draw_clusters,
    draw_members,
    mean_over_clusters,
)

PAIRS_PER_DRAW = 100_000_000
"""Maximum number of distances within clusters for one draw, which limits the members drawn of each."""
CLUSTER_PAIRS_PER_DRAW = 300_000_000
"""Maximum number of pairs of clusters for one draw, which limits the clusters that are compared with all others."""
MIN_MEMBERS = 32
DRAWS = 3


class Density(NamedTuple):
    """The densities of the members of k clusters, m members in all.

    core: float64 (m,), all-points core distances. internal: bool (m,), whether a member is inside the cluster's minimum
    spanning tree. sparseness: float64 (k,), the longest link inside the tree. All distances are in metres.
    """

    core: FloatArray
    internal: BoolArray
    sparseness: FloatArray


def dbcv(latitude: FloatArray, longitude: FloatArray, labels: LabelArray, sizes: IndexArray, seed: int) -> Estimate:
    """Mean validity of the clusters, from −1 to 1, each weighted by its share of all points, noise among them.

    Points that coincide are one, since the index divides by distances. It takes time quadratic in the members of a
    cluster; so of larger clusters members are drawn, `DRAWS` times, and the mean is taken over the draws. It has no
    interval then: the members of a sample lie further apart, and draws do not show this bias. It also takes time
    quadratic in the number of clusters; of many clusters those of `sampling.draw_clusters` are compared with all.
    """
    most = _largest_sample(sizes)
    if int(sizes.max()) <= most:
        value, used, interval = _dbcv_of_draw(latitude, longitude, labels, sizes, most, seed)
        return Estimate(value, interval, points=used, note=_clusters_drawn(sizes, seed).note)
    clusters = _clusters_drawn(sizes, seed).note
    times = 1 if clusters else DRAWS  # drawing clusters adds more uncertainty than drawing members
    with ThreadPoolExecutor() as pool:
        draws = list(
            pool.map(lambda draw: _dbcv_of_draw(latitude, longitude, labels, sizes, most, seed + draw), range(times))
        )
    values = [value for value, *_ in draws]
    gave = " to ".join(f"{value:.3f}" for value in sorted({min(values), max(values)}))
    note = (
        f"{times} {'draw' if times == 1 else 'draws'} of up to {most:,} members of each cluster gave {gave}; "
        f"the index of all members may be lower{f'; {clusters}' if clusters else ''}"
    )
    return Estimate(float(np.mean(values)), points=min(used for _, used, _ in draws), note=note)


def _clusters_drawn(sizes: IndexArray, seed: int) -> ClusterSample:
    return draw_clusters(sizes, CLUSTER_PAIRS_PER_DRAW, seed)


def _largest_sample(sizes: IndexArray) -> int:
    """Return the largest number of members of each cluster whose pairs are at most `PAIRS_PER_DRAW` in all."""
    low, high = MIN_MEMBERS, max(MIN_MEMBERS, int(sizes.max()))
    while low < high:
        middle = (low + high + 1) // 2
        if int(np.sum(np.minimum(sizes, middle).astype(np.float64) ** 2)) <= PAIRS_PER_DRAW:
            low = middle
        else:
            high = middle - 1
    return low


def _dbcv_of_draw(
    latitude: FloatArray, longitude: FloatArray, labels: LabelArray, sizes: IndexArray, most: int, seed: int
) -> tuple[float, int, Interval | None]:
    """Return the index of one draw, how many members it used, and the interval due to drawing clusters."""
    members = _distinct(draw_members(latitude, longitude, labels, sizes, most, seed))
    sample = _clusters_drawn(sizes, seed)
    validity = _validity(members, _density(members), sample.chosen)
    clustered = int(sizes.sum())
    mean, interval = mean_over_clusters(validity, sizes / clustered, sample)
    share = clustered / len(labels)
    if interval is not None:
        interval = Interval(interval.low * share, interval.high * share, interval.confidence)
    return mean * share, len(members.indices), interval


def _distinct(members: Members) -> Members:
    """Keep one of the members of each cluster that coincide."""
    cluster = np.repeat(np.arange(len(members.start) - 1), np.diff(members.start))
    order = np.lexsort((members.longitude, members.latitude, cluster))
    keys = [values[order] for values in (cluster, members.latitude, members.longitude)]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    kept = order[new]
    start = np.searchsorted(cluster[kept], np.arange(len(members.start)))
    return Members(start, members.indices[kept], members.latitude[kept], members.longitude[kept], members.cosine[kept])


@njit(cache=True, nogil=True)
def _between(members: Members, i: int, j: int) -> float:
    return distance(
        members.latitude[i],
        members.longitude[i],
        members.cosine[i],
        members.latitude[j],
        members.longitude[j],
        members.cosine[j],
    )


@njit(cache=True, nogil=True)
def _density(members: Members) -> Density:
    m, k = members.indices.shape[0], members.start.shape[0] - 1
    density = Density(np.zeros(m), np.zeros(m, dtype=np.bool_), np.zeros(k))
    for c in range(k):
        begin, end = members.start[c], members.start[c + 1]
        _core_distances(members, begin, end, density.core)
        density.sparseness[c] = _span(members, begin, end, density)
    return density


@njit(cache=True, nogil=True)
def _core_distances(members: Members, begin: int, end: int, core: FloatArray) -> None:
    """Fill in the all-points core distances of one cluster: in two dimensions, the root of a harmonic mean of squares.

    Members that still coincide, on either side of the antimeridian, count as infinitely far. A member alone has core
    distance 0.
    """
    for i in range(begin, end):
        for j in range(i + 1, end):
            metres = _between(members, i, j)
            closeness = 1.0 / (metres * metres) if metres > 0.0 else 0.0
            core[i] += closeness
            core[j] += closeness
    for i in range(begin, end):
        if core[i] > 0.0:
            core[i] = math.sqrt((end - begin - 1) / core[i])


@njit(cache=True, nogil=True)
def _span(members: Members, begin: int, end: int, density: Density) -> float:
    """Mark the internal members of one cluster's minimum spanning tree and return the longest internal link.

    Prim's algorithm over all pairs, of equally long links the one between the closer points first. Internal members
    have two links or more, internal links join two such; where there are none, all count, as in the authors' program.
    """
    size = end - begin
    link = np.full(size, np.inf)
    apart = np.full(size, np.inf)
    parent = np.zeros(size, dtype=np.int64)
    joined = np.zeros(size, dtype=np.bool_)
    degree = np.zeros(size, dtype=np.int64)
    last = 0
    joined[0] = True
    for _ in range(size - 1):
        nearest = -1
        for j in range(size):
            if joined[j]:
                continue
            metres = _between(members, begin + last, begin + j)
            reach = max(metres, density.core[begin + last], density.core[begin + j])
            if reach < link[j] or (reach == link[j] and metres < apart[j]):
                link[j], apart[j], parent[j] = reach, metres, last
            if nearest < 0 or link[j] < link[nearest] or (link[j] == link[nearest] and apart[j] < apart[nearest]):
                nearest = j
        joined[nearest] = True
        degree[nearest] += 1
        degree[parent[nearest]] += 1
        last = nearest
    longest, longest_internal, internals = 0.0, -1.0, 0
    for j in range(size):
        density.internal[begin + j] = degree[j] > 1
        internals += degree[j] > 1
        if j > 0:
            longest = max(longest, link[j])
            if degree[j] > 1 and degree[parent[j]] > 1:
                longest_internal = max(longest_internal, link[j])
    if internals == 0:
        density.internal[begin:end] = True
    return longest_internal if longest_internal >= 0.0 else longest


def _validity(members: Members, density: Density, chosen: IndexArray) -> FloatArray:
    """Return float64 (s,), of the chosen clusters: (separation − sparseness) over the larger of the two; 1 for a
    cluster in one place.
    """
    vectors = unit_sphere(members.latitude, members.longitude)
    centres = np.add.reduceat(vectors, members.start[:-1])
    centres /= np.linalg.norm(centres, axis=1)[:, None]
    cluster = np.repeat(np.arange(len(members.start) - 1), np.diff(members.start))
    reach = np.linalg.norm(vectors - centres[cluster], axis=1)
    radius = np.maximum.reduceat(reach, members.start[:-1])
    separation = _separations(members, density, vectors, centres, radius, chosen)
    sparseness = density.sparseness[chosen]
    larger = np.maximum(separation, sparseness)
    return np.divide(separation - sparseness, larger, out=np.zeros(len(larger)), where=larger > 0.0)


@njit(cache=True, nogil=True)
def _separations(
    members: Members,
    density: Density,
    vectors: FloatArray,
    centres: FloatArray,
    radius: FloatArray,
    chosen: IndexArray,
) -> FloatArray:
    """Return float64 (s,): of each chosen cluster, the least mutual reachability from inside it to inside another.

    In metres. Clusters and members are passed over where even the chord to them, which is no longer than the arc, is
    too long. O(s·k) chords, as one long cluster may be near to all.
    centres: float64 (k, 3) on the unit sphere; radius: float64 (k,), the longest chord from a centre to its members.
    """
    k = centres.shape[0]
    separation = np.full(chosen.shape[0], np.inf)
    for place in range(chosen.shape[0]):
        c = chosen[place]
        nearest = -1
        least = np.inf
        for other in range(k):
            apart = _chord(centres, c, centres, other)
            if other != c and apart < least:
                nearest, least = other, apart
        best = _separation(members, density, vectors, centres, radius, c, nearest, np.inf)
        for other in range(k):
            apart = _chord(centres, c, centres, other) - radius[c] - radius[other]
            if other == c or other == nearest:  # noqa: PLR1714, SIM109 - the compiler knows no `in`
                continue
            if apart * EARTH_RADIUS_METRES < best:
                best = _separation(members, density, vectors, centres, radius, c, other, best)
        separation[place] = best
    return separation


@njit(cache=True, nogil=True)
def _separation(
    members: Members,
    density: Density,
    vectors: FloatArray,
    centres: FloatArray,
    radius: FloatArray,
    c: int,
    other: int,
    best: float,
) -> float:
    """Return the least mutual reachability between the insides of two clusters where it is below `best`, else that."""
    for i in range(members.start[c], members.start[c + 1]):
        if not density.internal[i] or density.core[i] >= best:
            continue
        if (_chord(vectors, i, centres, other) - radius[other]) * EARTH_RADIUS_METRES >= best:
            continue
        for j in range(members.start[other], members.start[other + 1]):
            if density.internal[j] and density.core[j] < best:
                best = min(best, max(_between(members, i, j), density.core[i], density.core[j]))
    return best


@njit(cache=True, nogil=True)
def _chord(a: FloatArray, i: int, b: FloatArray, j: int) -> float:
    """The straight line between two points on the unit sphere: row i of `a` and row j of `b`."""
    x, y, z = a[i, 0] - b[j, 0], a[i, 1] - b[j, 1], a[i, 2] - b[j, 2]
    return math.sqrt(x * x + y * y + z * z)
