"""Runs of several sizes and workloads, taken together."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import TypeAdapter
from rich.console import Console

from taxi_mlops.domain import AdapterInfo, Trial, TrialKind, TrialOutcome, TrialStatus
from taxi_mlops.errors import UsageError
from taxi_mlops.evaluation.equivalence import Equivalence, Verdict
from taxi_mlops.evaluation.workloads import AcrossWorkloads, far_size
from taxi_mlops.reports.analysis import render
from taxi_mlops.results.assembly import Verdicts, assemble
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.results.journal import RunHeader
from taxi_mlops.runs.analysis import analyze

EQUAL = Equivalence(Verdict.EQUAL, 0, None, 0, 0, 0, 1.0, ())
SIZES = (1_000, 4_000, 16_000, 64_000)


@pytest.fixture
def make_run(header: RunHeader) -> Callable[..., Comparison]:
    """A run on n points in which `quick` grows with n and `slow` with n^1.5; both take 100 bytes a point."""

    def make(n: int, **changes: object) -> Comparison:
        seconds = {"quick": n * 1e-6, "slow": n**1.5 * 1e-6}
        outcomes = []
        for name, value in seconds.items():
            memory = Trial(name, TrialKind.MEMORY, 0)
            outcomes.append(TrialOutcome(memory, TrialStatus.OK, peak_memory_bytes=100 * n, labels_digest="0"))
            outcomes += [
                TrialOutcome(
                    Trial(name, TrialKind.TIMING, block), TrialStatus.OK, fit_seconds=value * (1 + block / 100)
                )
                for block in (1, 2, 3)
            ]
        infos = {name: AdapterInfo(name, "1", "", True, True, False, "") for name in seconds}
        run = header.model_copy(update={"run_id": f"run-{n}", "n_points": n})
        comparison = assemble(run, outcomes, infos, Verdicts("slow", {"quick": EQUAL}))
        return comparison.model_copy(update=changes)

    return make


def text_of(analysis: AcrossWorkloads) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(render(analysis))
    return capture.get()


def test_growth_is_fitted_and_forecast(make_run) -> None:
    analysis = analyze([make_run(n) for n in SIZES], points=256_000)
    growth = {adapter.name: adapter for adapter in analysis.growth}
    assert growth["quick"].fit_seconds.scaling.exponent == pytest.approx(1.0)
    assert growth["slow"].fit_seconds.scaling.exponent == pytest.approx(1.5)
    assert growth["slow"].fit_seconds.forecast.value == pytest.approx(256_000**1.5 * 1e-6 * 1.02)
    assert growth["quick"].peak_memory_bytes.forecast.value == pytest.approx(25.6e6)
    assert tuple(workload.points for workload in analysis.growth_over) == SIZES
    text = text_of(analysis)
    assert "4 workloads of 4 runs, 1,000 · 4,000 · 16,000 · 64,000 points" in text
    assert "25.6 MB" in text
    document = TypeAdapter(AcrossWorkloads)
    assert document.validate_json(document.dump_json(analysis)) == analysis


def test_without_a_size_one_ten_times_as_large_is_forecast(make_run) -> None:
    analysis = analyze([make_run(n) for n in SIZES], points=None)
    assert analysis.growth[0].fit_seconds.forecast.points == 600_000
    assert [far_size(largest) for largest in (1, 99, 10_000, 452_166)] == [10, 900, 100_000, 4_000_000]


def test_ranks_are_compared_over_the_workloads(make_run) -> None:
    ranks = analyze([make_run(n) for n in SIZES], points=None).ranks
    assert ranks is not None
    assert ranks.leaders == ("quick", "slow")
    assert ranks.friedman.mean_ranks == (1.0, 2.0)
    assert ranks.practical.first_lower > 0.9


def test_what_is_unknown_has_a_reason(make_run) -> None:
    two = analyze([make_run(n) for n in SIZES[:2]], points=None)
    assert two.growth[0].fit_seconds.reason == "needs 3 sizes, and there are 2"
    assert "time of quick, memory of quick, time of slow, memory of slow: needs 3 sizes" in text_of(two)
    far = analyze([make_run(n) for n in SIZES], points=10_000_000)
    assert far.growth[0].fit_seconds.forecast.value is None
    assert "nothing is said beyond 10 times" in text_of(far)


def test_runs_of_other_data_are_ranked_without_growth(make_run) -> None:
    other = make_run(SIZES[1])
    other = other.model_copy(update={"dataset": other.dataset.model_copy(update={"uri": "other.csv"})})
    analysis = analyze([make_run(SIZES[0]), other], points=None)
    assert analysis.growth == ()
    assert str(analysis.growth_reason).endswith("differ in size alone; these differ in data")
    assert analysis.ranks is not None


def test_adapters_that_are_not_in_every_ranking_are_left_out(make_run) -> None:
    lame = make_run(SIZES[1], ranking=make_run(SIZES[1]).ranking[:1])
    analysis = analyze([make_run(SIZES[0]), lame], points=None)
    assert analysis.ranks is None
    assert analysis.ranks_reason == "needs two adapters that are ranked on every workload, and there are 1"
    assert str(analysis.ranks_reason) in text_of(analysis)


def test_unlike_machines_and_single_runs_are_refused(make_run) -> None:
    with pytest.raises(UsageError, match="unlike, so not comparable: threads: 2 and 7"):
        analyze([make_run(SIZES[0]), make_run(SIZES[1], threads=7)], points=None)
    with pytest.raises(UsageError, match="one run of one workload"):
        analyze([make_run(SIZES[0])], points=None)
