"""Detect differences that the rounding of float64 explains: pairs of points whose distance is eps within a tolerance.

A distance computed in float64 has a relative error of some 1e-16 times the ratio of the earth to the distance, which
differs by formula. The unit in the last place of a coordinate is up to 4.4e-16 radians (of π), which is 2.8
nanometres on the ground; two coordinates of two points each are rounded when they become radians or chords, so that
two formulas may disagree by some 10 nanometres. Hence the tolerance: relative 1e-9 plus 10 nanometres.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from taxi_mlops.domain import NOISE, BoolArray, Clustering, LabelArray, Parameters, Points
from taxi_mlops.evaluation.borders import border_points_invalid

RELATIVE_TOLERANCE = 1e-9
ABSOLUTE_TOLERANCE_METRES = 1e-8


def tolerance_metres(eps_metres: float) -> float:
    """Return how far from eps a distance may be for implementations to decide it either way."""
    return RELATIVE_TOLERANCE * eps_metres + ABSOLUTE_TOLERANCE_METRES


def explained_by_rounding(
    points: Points, parameters: Parameters, sides: tuple[Clustering, Clustering], cores: tuple[BoolArray, BoolArray]
) -> bool:
    """Return whether both sides lie between the clusterings with eps a tolerance smaller and a tolerance larger.

    However the pairs within the tolerance of eps are decided, more of them mean more core points, larger clusters and
    less noise. So a side lies between where: core points of the smaller eps are core, and its core points are core of
    the larger; each cluster of the smaller eps is within one of its clusters, and each of its clusters, by core points,
    within one of the larger; its noise is noise of the smaller eps, and the noise of the larger is its noise; and its
    border points have a core point of their cluster within the larger eps.

    A side that does not report its core points is given all that it may have: those of the larger eps in its clusters.
    Each is within eps of a core point of its cluster, so that what is true of a right side stays true.
    """
    from haversine_dbscan.clustering import dbscan
    from haversine_dbscan.geodesy import SMALLEST_EPS_METRES

    tolerance = tolerance_metres(parameters.eps_metres)
    smaller_eps = max(parameters.eps_metres - tolerance, SMALLEST_EPS_METRES)
    larger_eps = parameters.eps_metres + tolerance
    smaller, larger = (
        _Bound(*dbscan(points.latitude, points.longitude, eps, parameters.min_samples, points.weight))
        for eps in (smaller_eps, larger_eps)
    )
    first, second = (
        core if side.core_mask is not None else larger.core & (side.labels != NOISE)
        for side, core in zip(sides, cores, strict=True)
    )
    cores = first, second
    if np.any(border_points_invalid(points, larger_eps, sides, cores)):
        return False
    return all(_lies_between(side.labels, core, smaller, larger) for side, core in zip(sides, cores, strict=True))


class _Bound(NamedTuple):
    labels: LabelArray
    core: BoolArray


def _lies_between(labels: LabelArray, core: BoolArray, smaller: _Bound, larger: _Bound) -> bool:
    return bool(
        not np.any(smaller.core & ~core)
        and not np.any(core & ~larger.core)
        and not np.any((larger.labels == NOISE) & (labels != NOISE))
        and not np.any((labels == NOISE) & (smaller.labels != NOISE))
        and _refines(smaller.core, smaller.labels, labels)
        and _refines(core, labels, larger.labels)
    )


def _refines(core: BoolArray, finer: LabelArray, coarser: LabelArray) -> bool:
    """Return whether all core points of each finer cluster are in one coarser cluster."""
    fine, coarse = finer[core], coarser[core]
    if len(fine) == 0:
        return True
    if fine.min() == NOISE or coarse.min() == NOISE:
        return False
    owner = np.empty(int(fine.max()) + 1, dtype=coarse.dtype)
    owner[fine] = coarse
    return bool(np.array_equal(owner[fine], coarse))
