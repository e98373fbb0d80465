"""Run the cases of the conformance suite over an adapter without pytest, and shrink each that it gets wrong.

`taxi adapters check` prints the results.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from taxi_mlops.adapters.base import Adapter
from taxi_mlops.domain import Clustering, Resources, Workload
from taxi_mlops.evaluation.equivalence import Verdict, check_equivalence
from taxi_mlops.testing.cases import Case, make_points, unweighted_cases, weighted_cases
from taxi_mlops.testing.oracle import brute_force_dbscan
from taxi_mlops.trials.clusterings import InvalidClusteringError, checked_clustering

RESOURCES = Resources(threads=2, timeout_seconds=30.0)
SHRINK_SECONDS = 20.0
MAX_FAILURES = 3
"""So many cases without an answer end the check: each may have taken as long as an answer may take."""


class Outcome(StrEnum):
    """The result of a case."""

    RIGHT = "right"
    WRONG = "wrong"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True, eq=False)
class Counterexample:
    """The smallest workload found on which an answer is wrong. found, expected: labels, int32 of shape (n,)."""

    workload: Workload
    found: Clustering
    expected: Clustering


@dataclass(frozen=True, slots=True, eq=False)
class CaseResult:
    """What an adapter did with a case. reason: why there is no answer, or an invalid one."""

    case: str
    outcome: Outcome
    reason: str | None = None
    counterexample: Counterexample | None = None


def check_adapter(adapter: Adapter, shrink_seconds: float = SHRINK_SECONDS) -> Iterator[CaseResult]:
    """Yield the result of each case, until `MAX_FAILURES` have no answer.

    An answer is right if it is the clustering of DBSCAN's definition, but for pairs of points at eps within rounding.
    """
    failures = 0
    for case in (*unweighted_cases(), *weighted_cases()):
        result = _check(adapter, case, shrink_seconds)
        yield result
        failures += result.outcome is Outcome.FAILED
        if failures == MAX_FAILURES:
            return


def _check(adapter: Adapter, case: Case, shrink_seconds: float) -> CaseResult:
    reason = adapter.unsupported(case.workload)
    if reason is not None:
        return CaseResult(case.name, Outcome.UNSUPPORTED, reason)
    try:
        wrong = _wrong(adapter, case.workload)
        if wrong is None:
            return CaseResult(case.name, Outcome.RIGHT)
        smallest = shrink(wrong, lambda workload: _wrong(adapter, workload), shrink_seconds)
    except Exception as error:  # noqa: BLE001 - whatever an implementation raises is the result of the case
        return CaseResult(case.name, Outcome.FAILED, f"{type(error).__name__}: {' '.join(str(error).split())}")
    return CaseResult(case.name, Outcome.WRONG, counterexample=smallest)


def _wrong(adapter: Adapter, workload: Workload) -> Counterexample | None:
    """Return the workload with both answers if the adapter's is wrong. Raises whatever the adapter does."""
    points, parameters = workload.points, workload.parameters
    answer = adapter.fit(adapter.prepare(points, parameters, RESOURCES))
    try:
        found = checked_clustering(answer, len(points))
    except InvalidClusteringError as error:
        raise InvalidClusteringError(f"{error} ({len(points)} points)") from None
    expected = brute_force_dbscan(
        points.latitude, points.longitude, parameters.eps_metres, parameters.min_samples, points.weight
    )
    verdict = check_equivalence(points, parameters, expected, found).verdict
    return Counterexample(workload, found, expected) if verdict is Verdict.DIFFERENT else None


def shrink(
    wrong: Counterexample, check: Callable[[Workload], Counterexample | None], seconds: float = SHRINK_SECONDS
) -> Counterexample:
    """Return a smaller workload that is wrong, from which no single point can be taken, or the best after `seconds`.

    Removes ever smaller runs of points as long as the answer stays wrong (Zeller and Hildebrandt, TSE 2002), then tries
    smaller values of min_samples, which need fewer points.
    """
    deadline = time.monotonic() + seconds
    while True:
        before = _size(wrong)
        wrong = _fewer_points(wrong, check, deadline)
        wrong = _fewer_samples(wrong, check, deadline)
        wrong = _fewer_of_both(wrong, check, deadline)
        if _size(wrong) == before or time.monotonic() >= deadline:
            return wrong


def _size(wrong: Counterexample) -> tuple[int, int]:
    return len(wrong.workload.points), wrong.workload.parameters.min_samples


def _fewer_points(
    wrong: Counterexample, check: Callable[[Workload], Counterexample | None], deadline: float
) -> Counterexample:
    run = len(wrong.workload.points) // 2
    while run >= 1:
        begin = 0
        while begin < len(wrong.workload.points):
            if time.monotonic() >= deadline:
                return wrong
            smaller = check(_without(wrong.workload, begin, run))
            if smaller is None:
                begin += run
            else:
                wrong = smaller
        run //= 2
    return wrong


def _fewer_samples(
    wrong: Counterexample, check: Callable[[Workload], Counterexample | None], deadline: float
) -> Counterexample:
    parameters = wrong.workload.parameters
    for min_samples in range(1, min(parameters.min_samples, 20)):
        if time.monotonic() >= deadline:
            break
        smaller = check(replace(wrong.workload, parameters=replace(parameters, min_samples=min_samples)))
        if smaller is not None:
            return smaller
    return wrong


def _fewer_of_both(
    wrong: Counterexample, check: Callable[[Workload], Counterexample | None], deadline: float
) -> Counterexample:
    """Take a point and lower min_samples by one, which keeps an error that depends on exactly as many points."""
    while (fewer := wrong.workload.parameters.min_samples - 1) >= 1:
        parameters = replace(wrong.workload.parameters, min_samples=fewer)
        for begin in range(len(wrong.workload.points)):
            if time.monotonic() >= deadline:
                return wrong
            smaller = check(replace(_without(wrong.workload, begin, 1), parameters=parameters))
            if smaller is not None:
                wrong = smaller
                break
        else:
            return wrong
    return wrong


def _without(workload: Workload, begin: int, run: int) -> Workload:
    points = workload.points
    kept = np.r_[0:begin, begin + run : len(points)].astype(np.int64)
    weight = None if points.weight is None else points.weight[kept]
    return replace(workload, points=make_points(points.latitude[kept], points.longitude[kept], weight))
