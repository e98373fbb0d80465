"""Compare two runs of one workload on one machine, value by value: `taxi runs compare`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from taxi_mlops.errors import UsageError
from taxi_mlops.evaluation.performance import Speedup
from taxi_mlops.evaluation.unpaired import unpaired_speedup
from taxi_mlops.results.comparison import AdapterResult, Comparison

SEED = 0


class AdapterPair(BaseModel):
    """One adapter in both runs. A ratio is the second run's value over the first's."""

    model_config = ConfigDict(frozen=True)

    name: str
    status: tuple[str, str]
    fit_seconds_median: tuple[float | None, float | None]
    fit_seconds_ratio: Speedup | None = Field(description="Above 1, the second run took longer.")
    fit_seconds_ratio_reason: str | None = Field(description="Why there is no ratio; null if there is one.")
    peak_memory_bytes: tuple[int | None, int | None]
    n_clusters: tuple[int | None, int | None]
    n_noise: tuple[int | None, int | None]


class RunPair(BaseModel):
    """Two comparable runs."""

    model_config = ConfigDict(frozen=True)

    first: str = Field(description="Run id.")
    second: str = Field(description="Run id.")
    adapters: tuple[AdapterPair, ...] = Field(description="Adapters of both runs.")
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]


def compare_runs(first: Comparison, second: Comparison) -> RunPair:
    """Compare two runs. Raises UsageError naming what differs if their timings cannot be compared."""
    differing = unlike(first, second)
    if differing:
        raise UsageError(f"{first.run_id} and {second.run_id} are unlike, so not comparable: {'; '.join(differing)}")
    before = {result.name: result for result in first.adapters}
    after = {result.name: result for result in second.adapters}
    return RunPair(
        first=first.run_id,
        second=second.run_id,
        adapters=tuple(_pair(before[name], after[name]) for name in before if name in after),
        only_first=tuple(name for name in before if name not in after),
        only_second=tuple(name for name in after if name not in before),
    )


def unlike(first: Comparison, second: Comparison) -> tuple[str, ...]:
    """Return what differs so that timings cannot be compared: host, versions, data, parameters, threads."""
    before, after = _conditions(first), _conditions(second)
    differing = [
        f"{name}: {before.get(name)} and {after.get(name)}"
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]
    versions = {result.name: result.version for result in second.adapters}
    differing += [
        f"version of {result.name}: {result.version} and {versions[result.name]}"
        for result in first.adapters
        if None not in (result.version, versions.get(result.name)) and result.version != versions[result.name]
    ]
    return tuple(differing)


def _conditions(comparison: Comparison) -> dict[str, object]:
    machine = comparison.machine
    return {
        **{name: value for name, value in machine if name != "libraries"},
        **{f"version of {name}": version for name, version in sorted(machine.libraries.items())},
        "data (fingerprint)": comparison.dataset.fingerprint,
        **dict(comparison.parameters),
        "threads": comparison.threads,
    }


def _pair(before: AdapterResult, after: AdapterResult) -> AdapterPair:
    ratio, reason = _ratio(before, after)
    return AdapterPair(
        name=before.name,
        status=(before.status.value, after.status.value),
        fit_seconds_median=(before.fit_seconds_median, after.fit_seconds_median),
        fit_seconds_ratio=ratio,
        fit_seconds_ratio_reason=reason,
        peak_memory_bytes=(before.peak_memory_bytes, after.peak_memory_bytes),
        n_clusters=(before.n_clusters, after.n_clusters),
        n_noise=(before.n_noise, after.n_noise),
    )


def _ratio(before: AdapterResult, after: AdapterResult) -> tuple[Speedup | None, str | None]:
    repeats = len(before.fit_seconds), len(after.fit_seconds)
    if min(repeats) < 2:
        return None, f"an interval needs 2 timings in each run, there are {repeats[0]} and {repeats[1]}"
    return unpaired_speedup(after.fit_seconds, before.fit_seconds, SEED), None
