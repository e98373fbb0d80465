"""Convert a run to MLflow's form: a parent entry for the comparison, and a child for each adapter that ran.

Metrics are named so that MLflow's pages group them: `time/…`, `memory/…`, `clustering/…`, `equivalence/…`,
`quality/…`, `speedup/…` are results of the comparison, `repeats/…` are single trials with the block as step, `growth/…`
are costs with the number of points as step, and `system/…` fill the tab of system metrics. The parent has the ranking's
metrics by adapter, so that its page shows the outcome, and the experiment's page the history of an adapter. MLflow is
not imported here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from taxi_mlops.domain import MAIN, TrialKind, TrialOutcome, TrialStatus
from taxi_mlops.recording.adapter_values import values_of
from taxi_mlops.recording.base import RecordedRun
from taxi_mlops.results.comparison import AdapterResult, Comparison, RankingEntry
from taxi_mlops.results.journal import TrialRecord

_SHOWN_FIRST = "time/fit_seconds_median"
DIGEST_CHARACTERS = 36
"""MLflow limits the digest of a data set; the whole fingerprint is a tag."""

_SECTIONS = {
    "fit_seconds": "time",
    "prepare_seconds": "time",
    "cold_start_seconds": "time",
    "cpu_": "time",
    "parallel_efficiency": "time",
    "peak_memory": "memory",
    "memory_": "memory",
    "n_clusters": "clustering",
    "n_noise": "clustering",
    "noise_ratio": "clustering",
}
_REPEATS: dict[str, Callable[[TrialOutcome], float | None]] = {
    "repeats/fit_seconds": lambda outcome: outcome.fit_seconds,
    "repeats/prepare_seconds": lambda outcome: outcome.prepare_seconds,
    "repeats/cold_start_seconds": lambda outcome: outcome.cold_start_seconds,
    "system/cpu_user_seconds": lambda outcome: outcome.fit_user_seconds,
    "system/cpu_system_seconds": lambda outcome: outcome.fit_system_seconds,
    "system/peak_memory_bytes": lambda outcome: outcome.peak_memory_bytes,
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One value of a metric. step: the block of its trial, 0 if it has none."""

    name: str
    value: float
    step: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One run of MLflow's. files: its artifacts; folder: their path, "" for the top."""

    name: str
    start: datetime
    end: datetime
    status: Literal["FINISHED", "FAILED"]
    params: dict[str, str]
    tags: dict[str, str]
    metrics: tuple[Measured, ...]
    files: tuple[Path, ...]
    folder: str = ""


@dataclass(frozen=True, slots=True)
class DataSet:
    """The points as an input. source, schema and profile are JSON in MLflow's formats."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str
    profile: str


def comparison_entry(run: RecordedRun, description: str) -> Entry:
    """Return the parent. description: Markdown, shown at the top of its page."""
    comparison, plan = run.comparison, run.header.specification.trials
    machine = comparison.machine
    winners = [entry.name for entry in comparison.ranking if entry.rank == 1]
    return Entry(
        name=_title(comparison),
        start=run.header.created_at,
        end=_end(run),
        status="FINISHED",
        params={
            **_workload(comparison),
            "adapters": ", ".join(plan.adapters or ()),
            "repeats": str(plan.repeats),
            **_further(comparison),
            "seed": str(plan.seed),
            "timeout_seconds": f"{plan.timeout_seconds:g}",
            "memory_limit_bytes": str(plan.memory_limit),
            "processor": machine.processor,
            "python": machine.python,
            **{f"version_of_{name}": version for name, version in machine.libraries.items()},
        },
        tags={
            **_identity(run, "comparison"),
            "status": "ok" if winners else "nothing ranked",
            "winner": ", ".join(winners),
            "mlflow.note.content": description,
        },
        metrics=(*_ranking_values(run), Measured("trials_seconds", comparison.trials_seconds, 0, _end(run))),
        files=run.files,
    )


def adapter_entries(run: RecordedRun) -> tuple[Entry, ...]:
    """Return the children, in order of the ranking. An adapter that is not installed has none.

    Trials of all adapters are interleaved, so each child spans the whole comparison. Their starts differ by
    milliseconds, since MLflow sorts by start.
    """
    results = {result.name: result for result in run.comparison.adapters}
    of_adapter = {name: [t for t in _main(run) if t.outcome.trial.adapter == name] for name in results}
    places = [place for place in run.comparison.ranking if of_adapter[place.name]]
    return tuple(
        _adapter_entry(run, place, results[place.name], of_adapter[place.name], timedelta(milliseconds=after))
        for after, place in zip(range(len(places), 0, -1), places, strict=True)
    )


def data_set(comparison: Comparison) -> DataSet:
    """Return the points of a comparison as a data set, with the counts of cleaning."""
    dataset = comparison.dataset
    columns = ["latitude", "longitude", *(["weight"] if dataset.weighted else [])]
    remote = dataset.uri.startswith(("http://", "https://"))
    return DataSet(
        name=_short(dataset.uri),
        digest=dataset.fingerprint[:DIGEST_CHARACTERS],
        source_type="http" if remote else "local",
        source=json.dumps({"url" if remote else "uri": dataset.uri}),
        schema=json.dumps({"mlflow_colspec": [{"name": name, "type": "double"} for name in columns]}),
        profile=json.dumps(dataset.model_dump(mode="json", exclude={"uri"})),
    )


def _adapter_entry(
    run: RecordedRun, place: RankingEntry, result: AdapterResult, trials: Sequence[TrialRecord], after: timedelta
) -> Entry:
    labels = run.folder.path / result.labels if result.labels else None
    return Entry(
        name=f"{'–' if place.rank is None else '=' * bool(place.tied_with) + str(place.rank)} {result.name}",
        start=run.header.created_at + after,
        end=_end(run) + after,
        status="FINISHED" if result.status is TrialStatus.OK else "FAILED",
        params={
            "adapter": result.name,
            "adapter_version": str(result.version),
            "exact": str(result.exact),
            **_workload(run.comparison),
        },
        tags={
            **_identity(run, "adapter"),
            "adapter": result.name,
            "status": result.status.value,
            "rank": str(place.rank),
            "verdict": _verdict(result, run.comparison.reference),
            **({"mlflow.note.content": place.reason} if place.reason else {}),
        },
        metrics=(*_values(place, result, _end(run)), *_repeats(trials), *_growth(run, result.name)),
        files=(labels,) if labels is not None and labels.is_file() else (),
        folder="labels",
    )


def _ranking_values(run: RecordedRun) -> list[Measured]:
    """Return medians, speed-ups and peak memory in order of the ranking, then `fit_seconds/<adapter>` by block."""
    results = {result.name: result for result in run.comparison.adapters}
    ranked = [results[entry.name] for entry in run.comparison.ranking]
    values = [
        *((f"fit_seconds_median/{result.name}", result.fit_seconds_median) for result in ranked),
        *((f"speedup/{result.name}", result.speedup.estimate if result.speedup else None) for result in ranked),
        *((f"peak_memory_bytes/{result.name}", result.peak_memory_bytes) for result in ranked),
    ]
    blocks = [
        Measured(f"fit_seconds/{record.outcome.trial.adapter}", seconds, record.outcome.trial.block, record.finished_at)
        for record in _main(run)
        if (seconds := record.outcome.fit_seconds) is not None
    ]
    return [*(Measured(name, float(value), 0, _end(run)) for name, value in values if value is not None), *blocks]


def _repeats(trials: Iterable[TrialRecord]) -> list[Measured]:
    return [
        Measured(name, float(value), record.outcome.trial.block, record.finished_at)
        for record in sorted(trials, key=lambda record: record.outcome.trial.block)
        for name, read in _REPEATS.items()
        if (value := read(record.outcome)) is not None
        and (record.outcome.trial.kind is TrialKind.TIMING or name == "system/peak_memory_bytes")
    ]


def _main(run: RecordedRun) -> list[TrialRecord]:
    """Return the trials of the main workload."""
    return [record for record in run.trials if record.outcome.trial.workload == MAIN]


def _growth(run: RecordedRun, adapter: str) -> list[Measured]:
    """Return the costs of the adapter by size, and their growth; nothing if there is one size."""
    across = run.comparison.across_workloads
    growth = next((growth for growth in across.growth if growth.name == adapter), None) if across else None
    if growth is None:
        return []
    measured = []
    for what, of_cost in (("fit_seconds", growth.fit_seconds), ("peak_memory_bytes", growth.peak_memory_bytes)):
        if of_cost.scaling is not None:
            scaling = of_cost.scaling
            sizes = zip(scaling.sizes, scaling.costs, strict=True)
            measured += [Measured(f"growth/{what}", cost, size, _end(run)) for size, cost in sizes]
            measured.append(Measured(f"growth/{what}_exponent", scaling.exponent, 0, _end(run)))
    return measured


def _further(comparison: Comparison) -> dict[str, str]:
    """Return the sizes and other parameters of the run, if there are any."""
    points = comparison.dataset.points
    sizes = [workload.points for workload in comparison.workloads if workload.points < points]
    pairs = [workload.parameters for workload in comparison.workloads if workload.points == points]
    texts = {
        "sizes": ", ".join(str(size) for size in (*sizes, points)) if sizes else "",
        "other_parameters": ", ".join(f"{pair.eps_metres:g} m / {pair.min_samples}" for pair in pairs),
    }
    return {name: text for name, text in texts.items() if text}


def _values(place: RankingEntry, result: AdapterResult, at: datetime) -> list[Measured]:
    """Return the metrics of an adapter; MLflow's page for comparing runs shows the first one."""
    values = {_metric(name): value for name, value in values_of(result).items() if not name.endswith("confidence")}
    if _SHOWN_FIRST in values:
        values = {_SHOWN_FIRST: values[_SHOWN_FIRST], **values}
    if place.rank is not None:
        values["rank"] = float(place.rank)
    return [Measured(name, value, 0, at) for name, value in values.items()]


def _metric(path: str) -> str:
    name = path.replace(".", "/")
    for beginning, section in _SECTIONS.items():
        if path.startswith(beginning):
            return f"{section}/{path.replace('.', '_')}"
    return name


def _workload(comparison: Comparison) -> dict[str, str]:
    return {
        "data": comparison.dataset.uri,
        "points": str(comparison.dataset.points),
        "eps_metres": f"{comparison.parameters.eps_metres:g}",
        "min_samples": str(comparison.parameters.min_samples),
        "threads": str(comparison.threads),
        "reference": str(comparison.reference),
    }


def _identity(run: RecordedRun, kind: str) -> dict[str, str]:
    return {
        "run_id": run.run_id,
        "kind": kind,
        "fingerprint": run.comparison.dataset.fingerprint,
        "host": run.comparison.machine.host,
        "mlflow.source.name": f"taxi-mlops {run.comparison.machine.taxi_mlops}",
        "mlflow.source.type": "LOCAL",
    }


def _verdict(result: AdapterResult, reference: str | None) -> str:
    if result.equivalence is not None:
        return result.equivalence.verdict.value
    return "reference" if result.name == reference else "none"


def _title(comparison: Comparison) -> str:
    return (
        f"eps {comparison.parameters.eps_metres:g} m, min {comparison.parameters.min_samples}: "
        f"{comparison.dataset.points:,} points of {_short(comparison.dataset.uri)}"
    )


def _short(uri: str) -> str:
    return uri.rstrip("/").rsplit("/", 1)[-1][:200]


def _end(run: RecordedRun) -> datetime:
    return max((record.finished_at for record in run.trials), default=run.header.created_at)
