"""`comparison.json` from the outcomes of trials, verdicts and quality."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from taxi_mlops.domain import AdapterInfo, Trial, TrialKind, TrialOutcome, TrialStatus
from taxi_mlops.evaluation.equivalence import Equivalence, Verdict
from taxi_mlops.reports.terminal import render, sentence
from taxi_mlops.results.assembly import Verdicts, assemble
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.results.documents import to_json
from taxi_mlops.results.journal import RunHeader, UnavailableAdapter


def info(name: str, note: str = "") -> AdapterInfo:
    return AdapterInfo(name, "1.0", "", True, True, False, "", note=note)


def trials(name: str, *seconds: float, status: TrialStatus = TrialStatus.OK) -> list[TrialOutcome]:
    memory = TrialOutcome(Trial(name, TrialKind.MEMORY, 0), TrialStatus.OK, peak_memory_bytes=100, total_seconds=1.0)
    timed = [
        TrialOutcome(
            Trial(name, TrialKind.TIMING, block),
            status,
            cause=None if status is TrialStatus.OK else "too slow",
            fit_seconds=value if status is TrialStatus.OK else None,
            labels_digest="digest",
            n_clusters=1,
            n_noise=1,
            total_seconds=2.0,
        )
        for block, value in enumerate(seconds, start=1)
    ]
    return [memory, *timed]


def equivalence(verdict: Verdict) -> Equivalence:
    differing = int(verdict is not Verdict.EQUAL)
    return Equivalence(verdict, differing, None, 0, 0, 0, 1.0, ())


@pytest.fixture
def comparison(header: RunHeader) -> Comparison:
    header = header.model_copy(
        update={"unavailable": (UnavailableAdapter(name="sklearnex", reason="library sklearnex is not installed"),)}
    )
    outcomes = [
        *trials("slow", 4.0, 4.1, 4.2, 4.0, 4.1, 4.0),
        *trials("fast", 1.0, 1.1, 1.0, 1.0, 1.1, 1.0),
        *trials("rounded", 2.0, 2.1, 2.0, 2.0, 2.1, 2.0),
        *trials("other", 0.5, 0.5, 0.5, 0.5, 0.5, 0.5),
        *trials("late", 1.0, 1.0, status=TrialStatus.TIMEOUT),
    ]
    names = ("slow", "fast", "rounded", "other", "late")
    verdicts = Verdicts(
        "slow",
        {
            "fast": equivalence(Verdict.EQUAL),
            "rounded": equivalence(Verdict.EQUAL_WITHIN_ROUNDING),
            "other": equivalence(Verdict.DIFFERENT),
        },
        ("a warning",),
    )
    infos = {name: info(name, "approximate" if name == "other" else "") for name in names}
    return assemble(header, outcomes, infos, verdicts)


def test_only_equal_clusterings_are_ranked_by_speed(comparison: Comparison) -> None:
    ranked = [(entry.rank, entry.name) for entry in comparison.ranking]
    assert ranked == [(1, "fast"), (2, "rounded"), (3, "slow"), (None, "other"), (None, "late"), (None, "sklearnex")]
    reasons = {entry.name: entry.reason for entry in comparison.ranking if entry.reason}
    assert reasons == {
        "other": "different clustering from slow; points that differ: 1 in core flag (approximate)",
        "late": "timeout: too slow",
        "sklearnex": "skipped: library sklearnex is not installed",
    }


def test_speedups_are_against_the_reference(comparison: Comparison) -> None:
    results = {result.name: result for result in comparison.adapters}
    fast = results["fast"].speedup
    assert fast is not None
    assert fast.estimate == pytest.approx(4.05)
    assert fast.low <= fast.estimate <= fast.high
    assert results["slow"].speedup is None
    assert results["slow"].undefined["speedup"] == "this is the reference"
    assert results["late"].undefined["speedup"] == "timeout: too slow"
    assert results["late"].trials == {TrialStatus.OK: 1, TrialStatus.TIMEOUT: 2}


def test_every_null_has_a_reason(comparison: Comparison) -> None:
    for result in comparison.adapters:
        nulls = {name for name, value in result if value is None and name != "reason"}
        assert nulls == set(result.undefined)
        assert all(result.undefined.values())


def test_the_document_survives_json(comparison: Comparison) -> None:
    assert Comparison.model_validate_json(to_json(comparison)) == comparison


def test_warnings_come_from_data_verdicts_and_timings(comparison: Comparison) -> None:
    assert comparison.warnings[:2] == ("a note", "a warning")
    assert any("2 repeats are few" in warning for warning in comparison.warnings)
    assert comparison.trials_seconds == pytest.approx(5 * 1.0 + 26 * 2.0)


def test_the_sentence_claims_what_the_intervals_say(comparison: Comparison) -> None:
    assert sentence(comparison).startswith("fast is the fastest of 3 equal clusterings, 2×")
    tied = comparison.ranking[0].model_copy(update={"rank": 1, "name": "twin", "tied_with": ("fast",)})
    both = comparison.model_copy(update={"ranking": (comparison.ranking[0], tied)})
    assert "fast and twin are tied" in sentence(both)
    assert "nothing to rank" in sentence(comparison.model_copy(update={"ranking": comparison.ranking[3:]}))


def test_one_warning_names_every_adapter_whose_timings_spread(header: RunHeader) -> None:
    steady, shaky, wild = (1.0, 1.0, 1.01, 1.0, 1.0), (1.0, 1.2, 1.0, 1.2, 1.1), (1.0, 3.0, 1.0, 3.0, 2.0)
    outcomes = [*trials("steady", *steady), *trials("shaky", *shaky), *trials("wild", *wild)]
    infos = {name: info(name) for name in ("steady", "shaky", "wild")}
    comparison = assemble(header, outcomes, infos, Verdicts("steady", {}))
    assert [warning for warning in comparison.warnings if "spread" in warning] == [
        "timings spread much (interquartile range over median): shaky by 18%, wild by 100%; "
        "run it again while nothing else uses the machine"
    ]


def test_where_no_trial_was_timed_nothing_is_said_of_repeats(header: RunHeader) -> None:
    outcomes = [outcome for outcome in trials("late", 1.0, status=TrialStatus.TIMEOUT) if outcome.cause]
    comparison = assemble(header, outcomes, {"late": info("late")}, Verdicts(None, {}, ("nothing is proved",)))
    assert [warning for warning in comparison.warnings if "repeat" in warning] == []


def test_one_point_in_one_cluster_on_one_thread_is_said_in_the_singular(comparison: Comparison) -> None:
    dataset = comparison.dataset.model_copy(update={"points": 1})
    results = tuple(
        result.model_copy(update={"n_clusters": 1, "noise_ratio": 0.0}) if result.name == "slow" else result
        for result in comparison.adapters
    )
    console = Console(file=io.StringIO(), width=200)
    console.print(
        render(comparison.model_copy(update={"dataset": dataset, "adapters": results, "threads": 1})),
    )
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert lines[0].startswith("1 point of ")
    assert " · 1 thread · " in lines[1]
    assert lines[2].strip() == "slow finds 1 cluster and 0.0% noise"
