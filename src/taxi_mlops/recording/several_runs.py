"""Several runs on one machine, taken together: how cost grows with points, and who is fast on all of the workloads."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from taxi_mlops.errors import UsageError
from taxi_mlops.evaluation.scaling import Forecast, Scaling, fit_scaling
from taxi_mlops.evaluation.statistics import Friedman, PracticalComparison, bayesian_signed_rank, friedman
from taxi_mlops.recording.comparison import Comparison
from taxi_mlops.recording.run_pair import unlike

PRACTICALLY_EQUAL = 1.05
"""Times whose ratio is below this are practically the same."""
SEED = 0


class Growth(BaseModel):
    """How one cost of an adapter grows. `reason` says why a field is null."""

    model_config = ConfigDict(frozen=True)

    scaling: Scaling | None
    forecast: Forecast | None
    reason: str | None


class AdapterGrowth(BaseModel):
    """The costs of one adapter over the sizes at which it ended well."""

    model_config = ConfigDict(frozen=True)

    name: str
    fit_seconds: Growth
    peak_memory_bytes: Growth


class WorkloadRanks(BaseModel):
    """The adapters that were ranked on every workload, compared by their median times."""

    model_config = ConfigDict(frozen=True)

    friedman: Friedman
    leaders: tuple[str, str] = Field(description="The two of the best mean ranks.")
    practical: PracticalComparison = Field(description="These two, on log seconds, the leading one first.")


class SeveralRuns(BaseModel):
    """What several runs say together."""

    model_config = ConfigDict(frozen=True)

    runs: tuple[str, ...] = Field(description="Run ids.")
    points: tuple[int, ...] = Field(description="Points of each run.")
    growth: tuple[AdapterGrowth, ...]
    growth_reason: str | None = Field(description="Why nothing is said of growth; null where something is.")
    ranks: WorkloadRanks | None
    ranks_reason: str | None = Field(description="Why there are no ranks; null where there are.")


def analyze(comparisons: Sequence[Comparison], points: int | None) -> SeveralRuns:
    """Take runs together; points: the size to forecast, none without.

    Raises UsageError where their timings cannot be compared, or where there are fewer than two different ones.
    """
    if len({comparison.run_id for comparison in comparisons}) < 2:
        raise UsageError("several runs are needed, and one was given; name two or more")
    first, *others = comparisons
    for other in others:
        alike = other.model_copy(update={"dataset": first.dataset, "parameters": first.parameters})
        if differing := unlike(first, alike):
            raise UsageError(f"{first.run_id} and {other.run_id} are unlike, so not comparable: {'; '.join(differing)}")
    growth_reason = _unlike_data(comparisons)
    ranks = _ranks(comparisons)
    return SeveralRuns(
        runs=tuple(comparison.run_id for comparison in comparisons),
        points=tuple(comparison.dataset.points for comparison in comparisons),
        growth=() if growth_reason else _growth(comparisons, points),
        growth_reason=growth_reason,
        ranks=None if isinstance(ranks, str) else ranks,
        ranks_reason=ranks if isinstance(ranks, str) else None,
    )


def _unlike_data(comparisons: Sequence[Comparison]) -> str | None:
    """Say why sizes alone do not make the difference between the runs, or None."""
    for what, values in (
        ("data", {comparison.dataset.uri for comparison in comparisons}),
        ("eps", {f"{comparison.parameters.eps_metres:g} m" for comparison in comparisons}),
        ("min_samples", {str(comparison.parameters.min_samples) for comparison in comparisons}),
    ):
        if len(values) > 1:
            return f"growth is told from runs that differ in size alone; these differ in {what}: {', '.join(values)}"
    return None


def _growth(comparisons: Sequence[Comparison], points: int | None) -> tuple[AdapterGrowth, ...]:
    seconds: dict[str, dict[int, list[float]]] = {}
    memory: dict[str, dict[int, list[float]]] = {}
    for comparison in comparisons:
        for result in comparison.adapters:
            size = comparison.dataset.points
            if result.fit_seconds:
                seconds.setdefault(result.name, {}).setdefault(size, []).extend(result.fit_seconds)
            if result.peak_memory_bytes is not None:
                memory.setdefault(result.name, {}).setdefault(size, []).append(result.peak_memory_bytes)
    return tuple(
        AdapterGrowth(
            name=name,
            fit_seconds=_fitted(seconds.get(name, {}), points),
            peak_memory_bytes=_fitted(memory.get(name, {}), points),
        )
        for name in dict.fromkeys((*seconds, *memory))
    )


def _fitted(costs: dict[int, list[float]], points: int | None) -> Growth:
    scaling = fit_scaling(costs)
    if isinstance(scaling, str):
        return Growth(scaling=None, forecast=None, reason=scaling)
    if points is None:
        return Growth(scaling=scaling, forecast=None, reason="no size to forecast was given")
    return Growth(scaling=scaling, forecast=scaling.forecast(points), reason=None)


def _ranks(comparisons: Sequence[Comparison]) -> WorkloadRanks | str:
    medians = [
        {entry.name: entry.fit_seconds_median for entry in comparison.ranking if entry.rank is not None}
        for comparison in comparisons
    ]
    names = [name for name in medians[0] if all(name in ranked for ranked in medians)]
    if len(names) < 2:
        return f"needs two adapters that are ranked in every run, and there are {len(names)}"
    costs = np.array([[ranked[name] for name in names] for ranked in medians], dtype=np.float64)
    ranks = friedman(costs, names)
    best, second = np.argsort(ranks.mean_ranks, kind="stable")[:2]
    differences = np.log(costs[:, best]) - np.log(costs[:, second])
    return WorkloadRanks(
        friedman=ranks,
        leaders=(names[best], names[second]),
        practical=bayesian_signed_rank(differences, math.log(PRACTICALLY_EQUAL), SEED),
    )
