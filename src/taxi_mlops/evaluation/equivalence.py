"""Check whether two clusterings are the same clustering of DBSCAN.

DBSCAN is unique up to the numbering of clusters and the choice of a cluster for border points within eps of several
(Ester et al., KDD 1996; Schubert et al., TODS 2017). So equality is checked by four clauses, and not scored:

1. the same core points;
2. the same partition of the core points;
3. the same noise;
4. each border point in a cluster that has a core point within eps of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from taxi_mlops.domain import NOISE, BoolArray, Clustering, LabelArray, Parameters, Points
from taxi_mlops.evaluation.borders import border_points_invalid
from taxi_mlops.evaluation.contingency import adjusted_rand_index, matched_cells, tabulate
from taxi_mlops.evaluation.counterexamples import Clause, Example, describe
from taxi_mlops.evaluation.rounding import explained_by_rounding

__all__ = ["Clause", "Equivalence", "Example", "Verdict", "check_equivalence"]


class Verdict(StrEnum):
    """The result of the four clauses.

    `equal_within_rounding`: they differ, but only by pairs of points whose distance is eps except for the rounding of
    float64, which implementations may decide either way.
    """

    EQUAL = "equal"
    EQUAL_WITHIN_ROUNDING = "equal_within_rounding"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Equivalence:
    """The result of the check. Every count is a number of points; all are zero if and only if the verdict is `equal`.

    core_points_differing: core on one side only; None if a side does not report them (`core_points_reason` says which).
    partition_differing: core points outside the clusters that correspond. Two clusters correspond if each is the one
    that shares most core points with the other.
    noise_differing: noise on one side only. border_points_invalid: in a cluster without a core point within eps, on
    either side. adjusted_rand_index: over all points, noise as one class. examples: a few points for each clause.
    """

    verdict: Verdict
    core_points_differing: int | None
    core_points_reason: str | None
    partition_differing: int
    noise_differing: int
    border_points_invalid: int
    adjusted_rand_index: float
    examples: tuple[Example, ...]


def check_equivalence(
    points: Points, parameters: Parameters, reference: Clustering, candidate: Clustering
) -> Equivalence:
    """Compare two clusterings of the same points by the four clauses.

    If one side does not report its core points, those of the other are used for both; if neither does, they are
    computed. Raises ValueError if labels or core masks do not fit the points.
    """
    _check_shape("reference", points, reference)
    _check_shape("candidate", points, candidate)
    cores, reason = _core_masks(points, parameters, reference, candidate)
    core = cores[0] & cores[1]
    differing = {
        Clause.CORE_POINTS: cores[0] != cores[1],
        Clause.PARTITION: _partition_differing(core, reference.labels, candidate.labels),
        Clause.NOISE: (reference.labels == NOISE) != (candidate.labels == NOISE),
        Clause.BORDER_POINTS: border_points_invalid(points, parameters.eps_metres, (reference, candidate), cores),
    }
    counts = {clause: int(np.count_nonzero(mask)) for clause, mask in differing.items()}
    verdict = Verdict.EQUAL
    if any(counts.values()):
        rounding = explained_by_rounding(points, parameters, (reference, candidate), cores)
        verdict = Verdict.EQUAL_WITHIN_ROUNDING if rounding else Verdict.DIFFERENT
    return Equivalence(
        verdict=verdict,
        core_points_differing=None if reason else counts[Clause.CORE_POINTS],
        core_points_reason=reason,
        partition_differing=counts[Clause.PARTITION],
        noise_differing=counts[Clause.NOISE],
        border_points_invalid=counts[Clause.BORDER_POINTS],
        adjusted_rand_index=adjusted_rand_index(tabulate(reference.labels, candidate.labels)),
        examples=describe(points, parameters, (reference, candidate), cores, differing),
    )


def _check_shape(side: str, points: Points, clustering: Clustering) -> None:
    if clustering.labels.shape != (len(points),):
        raise ValueError(f"{side}: labels of shape {clustering.labels.shape} for {len(points)} points")
    if len(points) and int(clustering.labels.min()) < NOISE:
        raise ValueError(f"{side}: label {int(clustering.labels.min())}; clusters count from 0 and noise is {NOISE}")
    if clustering.core_mask is not None and clustering.core_mask.shape != (len(points),):
        raise ValueError(f"{side}: core mask of shape {clustering.core_mask.shape} for {len(points)} points")


def _core_masks(
    points: Points, parameters: Parameters, reference: Clustering, candidate: Clustering
) -> tuple[tuple[BoolArray, BoolArray], str | None]:
    """Return the core masks of both sides, and why they cannot be compared, or None."""
    first, second = reference.core_mask, candidate.core_mask
    if first is not None and second is not None:
        return (first, second), None
    if second is not None:
        return (second, second), "the reference does not report its core points"
    if first is not None:
        return (first, first), "the candidate does not report its core points"
    from haversine_dbscan.clustering import dbscan

    _, computed = dbscan(
        points.latitude, points.longitude, parameters.eps_metres, parameters.min_samples, points.weight
    )
    return (computed, computed), "neither side reports its core points"


def _partition_differing(core: BoolArray, first: LabelArray, second: LabelArray) -> BoolArray:
    """Return bool (n,): core points, in a cluster on both sides, that are outside the corresponding clusters."""
    clustered = np.flatnonzero(core & (first != NOISE) & (second != NOISE))
    table = tabulate(first[clustered], second[clustered])
    differing = np.zeros(len(core), dtype=np.bool_)
    matched = matched_cells(table)
    if not matched.all():
        partner = np.full(int(first.max()) + 1, NOISE, dtype=np.int64)
        partner[table.first[matched]] = table.second[matched]
        differing[clustered] = partner[first[clustered]] != second[clustered]
    return differing
