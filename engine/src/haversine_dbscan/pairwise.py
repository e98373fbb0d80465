"""Exact DBSCAN on the sphere by comparing pairs, for an eps so large that cells decide nothing: O(n²) at worst.

A point is done with as soon as it is known to be core, and one that is reached is not looked at again; where clusters
are few and large, as they are with such an eps, that is close to linear. No memory but a few numbers a point.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from haversine_dbscan.arrays import BoolArray, FloatArray, IntArray, LabelArray
from haversine_dbscan.compiling import inlined, kernel
from haversine_dbscan.haversine import cosine_of_latitude, haversine, haversine_of_distance
from haversine_dbscan.rivals import Rivals, find_rivals_pairwise
from haversine_dbscan.threads import Range, Run, even_ranges


def cluster_pairwise(
    latitude: NDArray[Any],
    longitude: NDArray[Any],
    eps_metres: float,
    min_samples: float,
    weight: FloatArray | None,
    run: Run,
    threads: int,
    rivals: list[Rivals] | None = None,
) -> tuple[LabelArray, BoolArray]:
    """Cluster points in degrees. Arguments and result as of `haversine_dbscan.clustering`.

    Rivals of border points are appended to the list, where there is one.
    """
    latitude, longitude = np.array([latitude, longitude], dtype=np.float64)  # copies have one type in compiled code
    limit = haversine_of_distance(eps_metres)
    core, labels = np.zeros(len(latitude), dtype=np.bool_), np.full(len(latitude), -1, dtype=np.int32)
    weights = np.ones(len(latitude)) if weight is None else np.array(weight, dtype=np.float64)
    if _all_within(latitude, longitude, haversine_of_distance(eps_metres / 2.0) * (1.0 - 1e-9)):
        core[:] = weights.sum() >= min_samples
        labels[core] = 0
        return labels, core
    least = float(weights.min())

    def find(part: Range) -> None:
        find_core_points_pairwise(latitude, longitude, weights, least >= 0.0, limit, float(min_samples), core, part)

    run(find, even_ranges(len(core), 8 * threads))
    members = np.flatnonzero(core)
    connect_pairwise(latitude, longitude, limit, members.copy(), np.empty_like(members), labels)
    members = members[np.argsort(labels[members], kind="stable")]
    border = np.flatnonzero(~core)
    run(
        lambda part: reach_pairwise(latitude, longitude, limit, members, border, labels, part),
        even_ranges(len(border), 8 * threads),
    )
    if rivals is not None:
        border = border[labels[border] >= 0]
        rivals.append(find_rivals_pairwise(latitude, longitude, limit, members, border, labels))
    return labels, core


@inlined
def _apart(latitude: FloatArray, longitude: FloatArray, i: int, j: int) -> float:
    """Return the haversine of two points."""
    cosine, other = cosine_of_latitude(latitude[i]), cosine_of_latitude(latitude[j])
    return haversine(latitude[i], longitude[i], cosine, latitude[j], longitude[j], other)


@kernel
def _all_within(latitude: FloatArray, longitude: FloatArray, limit: float) -> bool:
    """Return whether all points are within a haversine of the first."""
    farthest = 0.0
    for j in range(latitude.shape[0]):
        between = _apart(latitude, longitude, 0, j)
        farthest = between if between > farthest else farthest
    return farthest <= limit


@kernel
def find_core_points_pairwise(
    latitude: FloatArray,
    longitude: FloatArray,
    weight: FloatArray,
    stop: bool,
    limit: float,
    min_samples: float,
    core: BoolArray,
    part: Range,
) -> None:
    """Fill in which points of a range are core. stop: whether no weight is negative, so that enough is enough."""
    for i in range(part[0], part[1]):
        total = 0.0
        for j in range(latitude.shape[0]):
            if _apart(latitude, longitude, i, j) <= limit:
                total += weight[j]
                if stop and total >= min_samples:
                    break
        core[i] = total >= min_samples


@kernel
def weigh_pairwise(
    latitude: FloatArray, longitude: FloatArray, weight: FloatArray, limit: float, totals: FloatArray, part: Range
) -> None:
    """Fill in the weights of all points within a haversine of each point of a range, added up."""
    for i in range(part[0], part[1]):
        total = 0.0
        for j in range(latitude.shape[0]):
            if _apart(latitude, longitude, i, j) <= limit:
                total += weight[j]
        totals[i] = total


@kernel
def connect_pairwise(
    latitude: FloatArray,
    longitude: FloatArray,
    limit: float,
    waiting: IntArray,
    reached: IntArray,
    labels: LabelArray,
) -> None:
    """Number the clusters of core points by their first one: from each that has no number yet, spread to all in reach.

    waiting: the core points, increasing; those that are not reached yet are kept in order. reached: as many, for those
    that are. O(core points × those not reached yet).
    """
    left = waiting.shape[0]
    number = np.int32(0)
    while left > 0:
        reached[0], count, done = waiting[0], 1, 0
        labels[waiting[0]] = number
        for k in range(1, left):
            waiting[k - 1] = waiting[k]
        left -= 1
        while done < count:
            i, kept = reached[done], 0
            done += 1
            for k in range(left):
                j = waiting[k]
                if _apart(latitude, longitude, i, j) <= limit:
                    labels[j] = number
                    reached[count] = j
                    count += 1
                else:
                    waiting[kept] = j
                    kept += 1
            left = kept
        number += np.int32(1)


@kernel
def reach_pairwise(
    latitude: FloatArray,
    longitude: FloatArray,
    limit: float,
    members: IntArray,
    border: IntArray,
    labels: LabelArray,
    part: Range,
) -> None:
    """Give each point of a range of `border` the label of the first of `members`, sorted by label, that is in reach."""
    for k in range(part[0], part[1]):
        for j in members:
            if _apart(latitude, longitude, border[k], j) <= limit:
                labels[border[k]] = labels[j]
                break


@kernel
def find_nearest_pairwise(
    latitude: FloatArray,
    longitude: FloatArray,
    label: LabelArray,
    limit: float,
    at_latitude: FloatArray,
    at_longitude: FloatArray,
    labels: LabelArray,
    part: Range,
) -> None:
    """Fill in the labels of a range of points: that of the nearest point within a haversine, of several the lowest."""
    for i in range(part[0], part[1]):
        best = limit
        cosine = cosine_of_latitude(at_latitude[i])
        for j in range(latitude.shape[0]):
            other = cosine_of_latitude(latitude[j])
            between = haversine(at_latitude[i], at_longitude[i], cosine, latitude[j], longitude[j], other)
            if between < best or (between == best and (labels[i] < 0 or label[j] < labels[i])):
                best, labels[i] = between, label[j]


@kernel
def find_label_pairwise(
    latitude: FloatArray,
    longitude: FloatArray,
    label: LabelArray,
    limit: float,
    at_latitude: FloatArray,
    at_longitude: FloatArray,
    wanted: LabelArray,
    found: BoolArray,
) -> None:
    """Fill in whether a point of the wanted label is within a haversine of each point."""
    for i in range(at_latitude.shape[0]):
        cosine = cosine_of_latitude(at_latitude[i])
        for j in range(latitude.shape[0]):
            if label[j] == wanted[i]:
                other = cosine_of_latitude(latitude[j])
                between = haversine(at_latitude[i], at_longitude[i], cosine, latitude[j], longitude[j], other)
                if between <= limit:
                    found[i] = True
                    break
