"""Medians, their intervals, speed-ups and instability of timings, on values computed by hand or by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from taxi_mlops.domain import Trial, TrialKind, TrialOutcome, TrialStatus
from taxi_mlops.evaluation import performance
from taxi_mlops.evaluation.performance import PerformanceMetrics, instability, median_interval, paired_speedup

SECONDS = st.floats(min_value=1e-6, max_value=1e4)


@given(st.lists(SECONDS, min_size=6, max_size=60, unique=True))
def test_median_interval_is_that_of_the_quantile_test(values: list[float]) -> None:
    expected = stats.quantile_test(values, q=np.median(values), p=0.5).confidence_interval(0.95)
    found = median_interval(values)
    assert (found.low, found.high) == (expected.low, expected.high)
    assert found.confidence >= 0.95


@pytest.mark.parametrize(("n", "confidence"), [(1, 0.0), (2, 0.5), (5, 0.9375), (6, 0.96875)])
def test_few_values_give_their_range_with_the_confidence_it_has(n: int, confidence: float) -> None:
    found = median_interval([float(value) for value in range(n)])
    assert (found.low, found.high) == (0.0, n - 1.0)
    assert found.confidence == pytest.approx(confidence)


def test_median_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        median_interval([])


def test_median_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(2000):
        found = median_interval(rng.exponential(size=9).tolist())
        covered += found.low <= np.log(2.0) <= found.high
    assert covered / 2000 >= found.confidence - 0.02


def test_speedup_is_the_ratio_of_the_medians() -> None:
    found = paired_speedup([10.0, 11.0, 12.0, 10.5, 11.5, 10.2], [1.0, 1.1, 1.2, 1.05, 1.15, 1.02], seed=0)
    assert found.estimate == pytest.approx(10.0)
    assert found.low <= 10.0 <= found.high
    assert found.decided


def test_speedup_depends_on_nothing_but_values_and_seed() -> None:
    reference, candidate = [1.0, 1.2, 1.1, 1.3, 0.9, 1.0], [0.9, 1.3, 1.0, 1.2, 1.0, 1.1]
    assert paired_speedup(reference, candidate, seed=7) == paired_speedup(reference, candidate, seed=7)


def test_a_slow_block_cancels_in_the_pairs() -> None:
    block = np.array([1.0, 5.0, 1.0, 3.0, 1.0, 2.0, 8.0])
    found = paired_speedup((2.0 * block).tolist(), block.tolist(), seed=0)
    assert found.estimate == pytest.approx(2.0)
    assert found.decided


@pytest.mark.parametrize(("reference", "candidate"), [([1.0], [1.0]), ([1.0, 2.0], [1.0])])
def test_speedup_needs_pairs(reference: list[float], candidate: list[float]) -> None:
    with pytest.raises(ValueError, match="block"):
        paired_speedup(reference, candidate, seed=0)


@pytest.mark.parametrize("n", [3, 5, 7])
def test_an_adapter_rarely_beats_itself(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 5 % false winners, with the sampling error of 600 comparisons on top."""
    monkeypatch.setattr(performance, "RESAMPLES", 2000)
    rng = np.random.default_rng(n)
    decided = 0
    for seed in range(600):
        block = rng.normal(0.0, 0.05, n)
        runs = np.exp(block + rng.normal(0.0, 0.05, (2, n)))
        decided += paired_speedup(runs[0].tolist(), runs[1].tolist(), seed).decided
    assert decided / 600 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 600)


def test_spread_is_flagged_and_one_outlier_is_not() -> None:
    assert instability([1.0, 1.01, 1.02, 1.0, 9.0]) is None
    assert instability([1.0, 1.5, 1.0, 1.6, 1.1]) == pytest.approx(0.5 / 1.1)
    assert instability([1.0, 2.0]) is None


def outcome(kind: TrialKind, block: int, status: TrialStatus = TrialStatus.OK, **metrics: float | int) -> TrialOutcome:
    return TrialOutcome(trial=Trial("a", kind, block), status=status, **metrics)  # type: ignore[arg-type]


def test_metrics_come_from_the_trials_that_ended_well() -> None:
    metrics = PerformanceMetrics.of(
        [
            outcome(TrialKind.MEMORY, 0, peak_memory_bytes=500, cold_start_seconds=9.0),
            outcome(TrialKind.TIMING, 2, fit_seconds=3.0, fit_user_seconds=2.5, fit_system_seconds=0.5),
            outcome(TrialKind.TIMING, 1, fit_seconds=1.0, fit_user_seconds=1.5, fit_system_seconds=0.5),
            outcome(TrialKind.TIMING, 3, TrialStatus.TIMEOUT, fit_seconds=77.0),
        ],
        threads=2,
        points=50,
    )
    assert dict(metrics.fit_seconds) == {1: 1.0, 2: 3.0}
    assert metrics.fit_seconds_median == 2.0
    assert metrics.cpu_seconds_median == 2.5
    assert metrics.cpu_user_seconds_median == 2.0
    assert metrics.cpu_system_seconds_median == 0.5
    assert metrics.parallel_efficiency_median == (3.0 / 6.0 + 2.0 / 2.0) / 2
    assert metrics.peak_memory_bytes == 500
    assert metrics.memory_bytes_per_point == 10.0
    assert metrics.prepare_seconds_median is None
    assert metrics.cold_start_seconds_median is None


def test_metrics_of_nothing_are_undefined() -> None:
    metrics = PerformanceMetrics.of([], threads=2, points=0)
    assert metrics.fit_seconds_median is None
    assert metrics.fit_seconds_interval is None
    assert metrics.peak_memory_bytes is None
    assert metrics.memory_bytes_per_point is None
    assert metrics.parallel_efficiency_median is None
