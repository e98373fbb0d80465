"""Compute a comparison from the journal and the equivalence verdicts: metrics, speed-ups, ranking, warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from taxi_mlops.domain import AdapterInfo, TrialOutcome, TrialStatus
from taxi_mlops.evaluation.equivalence import Equivalence, Verdict
from taxi_mlops.evaluation.performance import MIN_VALUES_FOR_RESAMPLING, PerformanceMetrics, Speedup, instability
from taxi_mlops.evaluation.quality.metrics import QualityMetrics
from taxi_mlops.evaluation.ranking import Contender, Place, compare, rank
from taxi_mlops.evaluation.statistics import PairwiseTest, compare_pairs
from taxi_mlops.evaluation.workloads import MeasuredWorkload, analyze_workloads
from taxi_mlops.results.comparison import (
    AdapterResult,
    ClusteringParametersUsed,
    Comparison,
    Dataset,
    Findings,
    RankingEntry,
    WorkloadResult,
)
from taxi_mlops.results.journal import RunHeader, UnavailableAdapter

NOT_TIMED = "nothing was timed: the run was asked for no repeats"
_TIMED = frozenset(name for name in AdapterResult.model_fields if "seconds" in name) | {
    "parallel_efficiency",
    "speedup",
}


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdicts on all answers. reference: the adapter that the others are compared with, None if all failed.

    by_adapter: without the reference. warnings: that arose on the way.
    """

    reference: str | None
    by_adapter: Mapping[str, Equivalence]
    warnings: tuple[str, ...] = ()


def assemble(
    header: RunHeader,
    outcomes: Sequence[TrialOutcome],
    infos: Mapping[str, AdapterInfo],
    verdicts: Verdicts,
    quality: Mapping[str, QualityMetrics] = MappingProxyType({}),
) -> Comparison:
    """Compute the document from all outcomes on one workload, its verdicts, and by name the adapters' descriptions and
    the quality of their clusterings. header: of that workload (`RunHeader.of`).
    """
    seed = header.specification.trials.seed
    by_name: dict[str, list[TrialOutcome]] = {}
    for outcome in sorted(outcomes, key=lambda outcome: outcome.trial.block):
        by_name.setdefault(outcome.trial.adapter, []).append(outcome)
    metrics = {name: PerformanceMetrics.of(trials, header.threads, header.n_points) for name, trials in by_name.items()}
    contenders = {name: Contender(name, metrics[name].fit_seconds) for name in by_name if metrics[name].fit_seconds}
    results = [
        _result(
            header,
            trials,
            infos.get(name),
            metrics[name],
            verdicts,
            _speedup(name, contenders, verdicts.reference, seed),
            quality.get(name),
        )
        for name, trials in by_name.items()
    ]
    results += [_unavailable(adapter) for adapter in header.unavailable]
    ranking = _ranking(results, contenders, verdicts.reference, seed)
    return Comparison(
        run_id=header.run_id,
        created_at=header.created_at,
        dataset=Dataset.of(header.provenance, header.fingerprint, header.n_points, weighted=header.weighted),
        parameters=ClusteringParametersUsed(**header.specification.parameters.model_dump()),
        machine=header.machine,
        threads=header.threads,
        reference=verdicts.reference,
        adapters=tuple(results),
        ranking=ranking,
        pairwise=_pairwise(ranking, contenders),
        eps_choice=header.eps_choice,
        warnings=(
            *header.provenance.notes,
            *([str(header.eps_choice)] if header.eps_choice else []),
            *verdicts.warnings,
            *(_few_repeats(header) if contenders or not header.specification.trials.repeats else ()),
            *_instabilities(metrics),
            *_remarks(outcomes),
        ),
        trials_seconds=sum(outcome.total_seconds or 0.0 for outcome in outcomes),
    )


def of_workload(outcomes: Sequence[TrialOutcome], key: str) -> list[TrialOutcome]:
    """Return the outcomes of the trials on one workload."""
    return [outcome for outcome in outcomes if outcome.trial.workload == key]


def with_further(main: Comparison, further: Mapping[str, Comparison]) -> Comparison:
    """Join the comparisons of all workloads of a run, and analyse them together. further: by key."""
    if not further:
        return main
    whole = main.model_copy(
        update={
            "workloads": tuple(_further(key, comparison, main) for key, comparison in further.items()),
            "trials_seconds": main.trials_seconds + sum(other.trials_seconds for other in further.values()),
        }
    )
    return whole.model_copy(update={"across_workloads": analyze_workloads(workloads_of(whole), None)})


def _further(key: str, comparison: Comparison, main: Comparison) -> WorkloadResult:
    """Return the results on a further workload, without the warnings that the main one has too."""
    dataset = comparison.dataset
    return WorkloadResult(
        key=key,
        points=dataset.points,
        fingerprint=dataset.fingerprint,
        parameters=comparison.parameters,
        reference=comparison.reference,
        adapters=comparison.adapters,
        ranking=comparison.ranking,
        pairwise=comparison.pairwise,
        warnings=tuple(warning for warning in comparison.warnings if warning not in main.warnings),
    )


def workloads_of(comparison: Comparison) -> tuple[MeasuredWorkload, ...]:
    """Return all workloads of a comparison, those of fewer points before the main one."""
    points = comparison.dataset.points
    further = [(workload.points, _measured(comparison, workload.points, workload)) for workload in comparison.workloads]
    return (
        *(measured for size, measured in further if size < points),
        _measured(comparison, points, comparison),
        *(measured for size, measured in further if size >= points),
    )


def _measured(run: Comparison, points: int, found: Findings) -> MeasuredWorkload:
    return MeasuredWorkload(
        run_id=run.run_id,
        uri=run.dataset.uri,
        points=points,
        eps_metres=found.parameters.eps_metres,
        min_samples=found.parameters.min_samples,
        fit_seconds={result.name: result.fit_seconds for result in found.adapters if result.fit_seconds},
        peak_memory_bytes={
            result.name: result.peak_memory_bytes for result in found.adapters if result.peak_memory_bytes is not None
        },
        ranked={
            entry.name: entry.fit_seconds_median
            for entry in found.ranking
            if entry.rank is not None and entry.fit_seconds_median is not None
        },
    )


def _speedup(name: str, contenders: Mapping[str, Contender], reference: str | None, seed: int) -> Speedup | None:
    if reference is None or name == reference or not {name, reference} <= contenders.keys():
        return None
    return compare(contenders[reference], contenders[name], seed)


def _result(
    header: RunHeader,
    outcomes: Sequence[TrialOutcome],
    info: AdapterInfo | None,
    metrics: PerformanceMetrics,
    verdicts: Verdicts,
    speedup: Speedup | None,
    quality: QualityMetrics | None,
) -> AdapterResult:
    name = outcomes[0].trial.adapter
    failed = next((outcome for outcome in outcomes if outcome.status is not TrialStatus.OK), None)
    answer = next((outcome for outcome in outcomes if outcome.labels_digest is not None), None)
    interval = metrics.fit_seconds_interval
    version = next((outcome.adapter_version for outcome in outcomes if outcome.adapter_version), None)
    result = AdapterResult(
        name=name,
        version=version or (info.version if info else None),
        exact=info.exact if info else None,
        note=info.note if info else "",
        status=failed.status if failed else TrialStatus.OK,
        reason=failed.cause if failed else None,
        trials=dict(Counter(outcome.status for outcome in outcomes)),
        fit_seconds=tuple(metrics.fit_seconds.values()),
        fit_seconds_median=metrics.fit_seconds_median,
        fit_seconds_ci=(interval.low, interval.high) if interval else None,
        fit_seconds_ci_confidence=interval.confidence if interval else None,
        prepare_seconds_median=metrics.prepare_seconds_median,
        cold_start_seconds=metrics.cold_start_seconds_median,
        cpu_seconds_median=metrics.cpu_seconds_median,
        cpu_user_seconds_median=metrics.cpu_user_seconds_median,
        cpu_system_seconds_median=metrics.cpu_system_seconds_median,
        parallel_efficiency=metrics.parallel_efficiency_median,
        peak_memory_bytes=metrics.peak_memory_bytes,
        memory_bytes_per_point=metrics.memory_bytes_per_point,
        n_clusters=answer.n_clusters if answer else None,
        n_noise=answer.n_noise if answer else None,
        noise_ratio=_ratio(answer.n_noise if answer else None, header.n_points),
        equivalence=verdicts.by_adapter.get(name),
        quality=quality,
        speedup=speedup,
        labels=f"labels/{name}.parquet" if answer else None,
    )
    return result.model_copy(update={"undefined": _why_undefined(result, verdicts.reference)})


def _ratio(part: int | None, whole: int) -> float | None:
    return None if part is None or whole == 0 else part / whole


def _unavailable(adapter: UnavailableAdapter) -> AdapterResult:
    result = AdapterResult(
        name=adapter.name,
        status=TrialStatus.SKIPPED,
        reason=adapter.reason,
        trials={},
        fit_seconds=(),
    )
    return result.model_copy(update={"undefined": _why_undefined(result, None)})


def _why_undefined(result: AdapterResult, reference: str | None) -> dict[str, str]:
    """Return a reason for every field that is null, except `reason`, which is null if nothing failed."""
    nulls = [field for field, value in result if value is None and field != "reason"]
    return {field: _why(field, result, reference) for field in nulls}


def _why(field: str, result: AdapterResult, reference: str | None) -> str:
    against_reference = field in ("equivalence", "speedup")
    if against_reference and result.name == reference:
        return "this is the reference"
    if result.status is not TrialStatus.OK:
        return f"{result.status}: {result.reason}"
    if against_reference and reference is None:
        return "no reference succeeded"
    if field in _TIMED and not result.fit_seconds:
        return NOT_TIMED
    reasons = {
        "speedup": "needs two blocks in which both the adapter and the reference succeeded",
        "quality": "was not measured",
    }
    return reasons.get(field, "the trials did not report it")


def _ranking(
    results: Sequence[AdapterResult], contenders: Mapping[str, Contender], reference: str | None, seed: int
) -> tuple[RankingEntry, ...]:
    reasons = {result.name: _why_unranked(result, reference) for result in results}
    places = rank([contenders[name] for name, reason in reasons.items() if reason is None], seed)
    ranked = [_ranked(place, contenders[place.name].median) for place in places]
    others = [result for result in results if reasons[result.name] is not None]
    others.sort(key=lambda result: (result.fit_seconds_median is None, result.fit_seconds_median or 0.0))
    return (*ranked, *(_unranked(result, reasons[result.name]) for result in others))


def _pairwise(ranking: Sequence[RankingEntry], contenders: Mapping[str, Contender]) -> tuple[PairwiseTest, ...]:
    ranked = [entry.name for entry in ranking if entry.rank is not None]
    return compare_pairs({name: contenders[name].fit_seconds for name in ranked})


def _why_unranked(result: AdapterResult, reference: str | None) -> str | None:
    if result.status is not TrialStatus.OK:
        return f"{result.status}: {result.reason}"
    if result.name != reference:
        if result.equivalence is None:
            return "no reference to hold it against"
        if result.equivalence.verdict is Verdict.DIFFERENT:
            return _difference(result.equivalence, reference) + (f" ({result.note})" if result.note else "")
    return None if result.fit_seconds else NOT_TIMED


def _difference(equivalence: Equivalence, reference: str | None) -> str:
    counts = {
        "core flag": equivalence.core_points_differing or 0,
        "cluster": equivalence.partition_differing,
        "noise": equivalence.noise_differing,
    }
    differing = [f"{count:,} in {what}" for what, count in counts.items() if count]
    if equivalence.border_points_invalid:
        differing.append(f"{equivalence.border_points_invalid:,} border points out of reach of their cluster")
    return f"different clustering from {reference}; points that differ: {', '.join(differing)}"


def _ranked(place: Place, median: float) -> RankingEntry:
    return RankingEntry(
        rank=place.rank,
        name=place.name,
        fit_seconds_median=median,
        tied_with=place.tied_with,
        slower_than_winner=place.slower_than_winner,
    )


def _unranked(result: AdapterResult, reason: str | None) -> RankingEntry:
    return RankingEntry(name=result.name, fit_seconds_median=result.fit_seconds_median, reason=reason)


def _few_repeats(header: RunHeader) -> list[str]:
    repeats = header.specification.trials.repeats
    if repeats >= MIN_VALUES_FOR_RESAMPLING:
        return []
    if repeats == 0:
        return [NOT_TIMED]
    return [
        f"{repeats} {'repeat is' if repeats == 1 else 'repeats are'} few: the intervals are wide, those of the medians "
        f"below 95 % confidence; for full ones, run with --repeats {MIN_VALUES_FOR_RESAMPLING} or more"
    ]


def _remarks(outcomes: Sequence[TrialOutcome]) -> list[str]:
    """Return the remarks of successful trials, one for each adapter and remark."""
    remarks = [(o.trial.adapter, o.cause) for o in outcomes if o.status is TrialStatus.OK and o.cause is not None]
    return [f"{name}: {remark}" for name, remark in dict.fromkeys(remarks)]


def _instabilities(metrics: Mapping[str, PerformanceMetrics]) -> list[str]:
    """Return one line for all adapters: unstable timings are mostly the machine's."""
    spreads = {name: instability(list(measured.fit_seconds.values())) for name, measured in metrics.items()}
    unstable = [f"{name} by {spread:.0%}" for name, spread in spreads.items() if spread is not None]
    if not unstable:
        return []
    return [
        f"timings spread much (interquartile range over median): {', '.join(unstable)}; "
        "run it again while nothing else uses the machine"
    ]
