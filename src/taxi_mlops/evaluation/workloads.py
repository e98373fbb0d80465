"""Analyse several workloads together: how cost grows with points, and which adapters are fast on all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from taxi_mlops.evaluation.scaling import Forecast, Scaling, fit_scaling
from taxi_mlops.evaluation.statistics import Friedman, PracticalComparison, bayesian_signed_rank, friedman

PRACTICALLY_EQUAL = 1.05
"""Times whose ratio is below this are practically equal."""
SEED = 0


@dataclass(frozen=True, slots=True)
class MeasuredWorkload:
    """One workload of a run, with the costs of each adapter.

    fit_seconds: every successful timed trial, by adapter. peak_memory_bytes: by adapter. ranked: median seconds of the
    adapters that gave the reference's clustering.
    """

    run_id: str
    uri: str
    points: int
    eps_metres: float
    min_samples: int
    fit_seconds: Mapping[str, Sequence[float]]
    peak_memory_bytes: Mapping[str, int]
    ranked: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class WorkloadName:
    """The properties that identify a workload."""

    run_id: str
    uri: str
    points: int
    eps_metres: float
    min_samples: int


@dataclass(frozen=True, slots=True)
class Growth:
    """How one cost of an adapter grows. `reason` says why a field is None."""

    scaling: Scaling | None
    forecast: Forecast | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class AdapterGrowth:
    """The costs of one adapter over the sizes at which it succeeded."""

    name: str
    fit_seconds: Growth
    peak_memory_bytes: Growth


@dataclass(frozen=True, slots=True)
class WorkloadRanks:
    """The adapters that were ranked on every workload, compared by their median times.

    leaders: the two of the best mean ranks. practical: these two, on log seconds, the leading one first.
    """

    friedman: Friedman
    leaders: tuple[str, str]
    practical: PracticalComparison


@dataclass(frozen=True, slots=True)
class AcrossWorkloads:
    """The analysis of several workloads.

    growth_over: the workloads that growth is fitted to: the largest group of those that differ in size alone.
    growth_reason: why there is no growth; None if there is. ranks_reason: likewise of ranks.
    """

    workloads: tuple[WorkloadName, ...]
    growth_over: tuple[WorkloadName, ...]
    growth: tuple[AdapterGrowth, ...]
    growth_reason: str | None
    ranks: WorkloadRanks | None
    ranks_reason: str | None


def analyze_workloads(workloads: Sequence[MeasuredWorkload], forecast: int | None) -> AcrossWorkloads:
    """Analyse workloads of one machine together. forecast: the size to forecast; None for `far_size` of the largest."""
    alike = _differing_in_size(workloads)
    reason = None if len({one.points for one in alike}) > 1 else _one_size(workloads)
    points = forecast or far_size(max(one.points for one in alike))
    ranks = _ranks(workloads)
    return AcrossWorkloads(
        workloads=tuple(map(_name, workloads)),
        growth_over=() if reason else tuple(map(_name, alike)),
        growth=() if reason else _growth(alike, points),
        growth_reason=reason,
        ranks=None if isinstance(ranks, str) else ranks,
        ranks_reason=ranks if isinstance(ranks, str) else None,
    )


def far_size(largest: int) -> int:
    """Return a round number of points, close to the largest that is forecast from this size."""
    limit = 10 * largest
    power = int(10 ** (len(str(limit)) - 1))
    return limit // power * power


def _name(one: MeasuredWorkload) -> WorkloadName:
    return WorkloadName(one.run_id, one.uri, one.points, one.eps_metres, one.min_samples)


def _differing_in_size(workloads: Sequence[MeasuredWorkload]) -> list[MeasuredWorkload]:
    """Return the workloads of the same data and parameters, of the group with the most sizes."""
    groups: dict[tuple[str, float, int], list[MeasuredWorkload]] = {}
    for one in workloads:
        groups.setdefault((one.uri, one.eps_metres, one.min_samples), []).append(one)
    return max(groups.values(), key=lambda group: len({one.points for one in group}))


def _one_size(workloads: Sequence[MeasuredWorkload]) -> str:
    differing = [
        name
        for name, values in (
            ("data", {one.uri for one in workloads}),
            ("eps", {one.eps_metres for one in workloads}),
            ("min_samples", {one.min_samples for one in workloads}),
        )
        if len(values) > 1
    ]
    also = f"; these differ in {', '.join(differing)}" if differing else ""
    return f"growth is fitted to workloads that differ in size alone{also}"


def _growth(workloads: Sequence[MeasuredWorkload], forecast: int) -> tuple[AdapterGrowth, ...]:
    seconds: dict[str, dict[int, list[float]]] = {}
    memory: dict[str, dict[int, list[float]]] = {}
    for one in workloads:
        for name, values in one.fit_seconds.items():
            seconds.setdefault(name, {}).setdefault(one.points, []).extend(values)
        for name, peak in one.peak_memory_bytes.items():
            memory.setdefault(name, {}).setdefault(one.points, []).append(peak)
    return tuple(
        AdapterGrowth(name, _fitted(seconds.get(name, {}), forecast), _fitted(memory.get(name, {}), forecast))
        for name in dict.fromkeys((*seconds, *memory))
    )


def _fitted(costs: Mapping[int, Sequence[float]], forecast: int) -> Growth:
    scaling = fit_scaling(costs)
    if isinstance(scaling, str):
        return Growth(None, None, scaling)
    return Growth(scaling, scaling.forecast(forecast), None)


def _ranks(workloads: Sequence[MeasuredWorkload]) -> WorkloadRanks | str:
    names = [name for name in workloads[0].ranked if all(name in one.ranked for one in workloads)]
    if len(workloads) < 2 or len(names) < 2:
        return f"needs two adapters that are ranked on every workload, and there are {len(names)}"
    costs = np.array([[one.ranked[name] for name in names] for one in workloads], dtype=np.float64)
    ranks = friedman(costs, names)
    best, second = np.argsort(ranks.mean_ranks, kind="stable")[:2]
    differences = np.log(costs[:, best]) - np.log(costs[:, second])
    return WorkloadRanks(
        friedman=ranks,
        leaders=(names[best], names[second]),
        practical=bayesian_signed_rank(differences, math.log(PRACTICALLY_EQUAL), SEED),
    )
