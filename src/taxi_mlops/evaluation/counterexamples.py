"""Find a few points for which two clusterings differ, with the distances that decide them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from taxi_mlops.domain import NOISE, BoolArray, Clustering, FloatArray, Parameters, Points
from taxi_mlops.evaluation.contingency import IndexArray
from taxi_mlops.evaluation.rounding import tolerance_metres

EXAMPLES_PER_CLAUSE = 3
_REACH = 2.0
"""Distances are searched up to this many eps."""


class Clause(StrEnum):
    """The four properties in which clusterings of DBSCAN must agree."""

    CORE_POINTS = "core_points"
    PARTITION = "partition"
    NOISE = "noise"
    BORDER_POINTS = "border_points"


@dataclass(frozen=True, slots=True)
class Example:
    """A point that breaks a clause. Distances are in metres, and None if there is no such point within 2 eps.

    core_distance: the smallest eps with which the point is core. nearest_core: to the nearest other core point of the
    reference. nearest_in_reference_cluster, nearest_in_candidate_cluster: to the nearest other core point of its
    cluster on that side. nearest_parted: to the nearest core point that one side puts in the same cluster and the other
    does not. within_rounding: whether the distance that decides the clause is eps except for rounding.
    """

    clause: Clause
    index: int
    latitude: float
    longitude: float
    reference_label: int
    candidate_label: int
    core_distance: float | None
    nearest_core: float | None
    nearest_in_reference_cluster: float | None
    nearest_in_candidate_cluster: float | None
    nearest_parted: float | None
    within_rounding: bool


def describe(
    points: Points,
    parameters: Parameters,
    sides: tuple[Clustering, Clustering],
    cores: tuple[BoolArray, BoolArray],
    differing: Mapping[Clause, BoolArray],
) -> tuple[Example, ...]:
    """Return up to `EXAMPLES_PER_CLAUSE` examples of each clause; `differing` marks the points that break it."""
    return tuple(
        _describe_point(points, parameters, sides, cores, clause, int(index))
        for clause, mask in differing.items()
        for index in np.flatnonzero(mask)[:EXAMPLES_PER_CLAUSE]
    )


def _describe_point(
    points: Points,
    parameters: Parameters,
    sides: tuple[Clustering, Clustering],
    cores: tuple[BoolArray, BoolArray],
    clause: Clause,
    index: int,
) -> Example:
    eps = parameters.eps_metres
    near, distance = _nearby(points, index, _REACH * eps)
    other = near != index
    same_reference, same_candidate = (side.labels[near] == side.labels[index] for side in sides)
    core_reference, core_candidate = (core[near] for core in cores)

    def nearest(mask: BoolArray) -> float | None:
        return float(distance[mask & other].min()) if np.any(mask & other) else None

    label_reference, label_candidate = (int(side.labels[index]) for side in sides)
    core_distance = _core_distance(points, near, distance, parameters.min_samples)
    nearest_core = nearest(core_reference)
    in_reference = nearest(core_reference & same_reference) if label_reference != NOISE else None
    in_candidate = nearest(core_candidate & same_candidate) if label_candidate != NOISE else None
    parted = nearest(core_reference & core_candidate & (same_reference != same_candidate))
    decisive = {
        Clause.CORE_POINTS: (core_distance,),
        Clause.PARTITION: (parted,),
        Clause.NOISE: (nearest_core, in_reference, in_candidate),
        Clause.BORDER_POINTS: (in_reference, in_candidate),
    }[clause]
    return Example(
        clause=clause,
        index=index,
        latitude=float(points.latitude[index]),
        longitude=float(points.longitude[index]),
        reference_label=label_reference,
        candidate_label=label_candidate,
        core_distance=core_distance,
        nearest_core=nearest_core,
        nearest_in_reference_cluster=in_reference,
        nearest_in_candidate_cluster=in_candidate,
        nearest_parted=parted,
        within_rounding=any(value is not None and abs(value - eps) <= tolerance_metres(eps) for value in decisive),
    )


def _nearby(points: Points, index: int, radius: float) -> tuple[IndexArray, FloatArray]:
    """Return the points within a radius of a point, itself included, and their distances in metres. O(n)."""
    from haversine_dbscan.geodesy import EARTH_RADIUS_METRES, great_circle_distance

    latitude, longitude = points.latitude[index], points.longitude[index]
    reach = np.degrees(radius / EARTH_RADIUS_METRES) * 1.001
    near = np.flatnonzero(np.abs(points.latitude - latitude) <= reach)
    distance = great_circle_distance(latitude, longitude, points.latitude[near], points.longitude[near])
    inside = distance <= radius
    return near[inside], distance[inside]


def _core_distance(points: Points, near: IndexArray, distance: FloatArray, min_samples: int) -> float | None:
    order = np.argsort(distance)
    total = np.cumsum(np.ones(len(near)) if points.weight is None else points.weight[near[order]])
    enough = np.flatnonzero(total >= min_samples)
    return float(distance[order[enough[0]]]) if len(enough) else None
