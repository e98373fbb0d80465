"""The metrics of a run, as Prometheus reads them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from taxi_mlops import __version__
from taxi_mlops.domain import Provenance, Trial, TrialKind, TrialOutcome, TrialStatus
from taxi_mlops.monitoring import catalogue
from taxi_mlops.monitoring.metrics import MetricsCollector


def timing(adapter: str, block: int, seconds: float) -> TrialOutcome:
    return TrialOutcome(Trial(adapter, TrialKind.TIMING, block), TrialStatus.OK, fit_seconds=seconds)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def sample(registry: CollectorRegistry) -> Callable[..., float | None]:
    return lambda name, **labels: registry.get_sample_value(name, labels)


def test_trials_are_counted_and_measured_exactly(registry, sample) -> None:
    metrics = MetricsCollector(registry, ("fast", "slow"))
    for block, seconds in enumerate((0.25, 2.0), start=1):
        metrics.trial_ended(timing("fast", block, seconds), n_points=1000)
    memory = TrialOutcome(Trial("fast", TrialKind.MEMORY, 0), TrialStatus.OK, peak_memory_bytes=12345)
    metrics.trial_ended(memory, n_points=1000)
    late = TrialOutcome(Trial("slow", TrialKind.TIMING, 1), TrialStatus.TIMEOUT, cause="timed out", fit_seconds=None)
    metrics.trial_ended(late, n_points=1000)

    assert sample("taxi_trials_total", adapter="fast", kind="timing", status="ok") == 2
    assert sample("taxi_trials_total", adapter="fast", kind="memory", status="ok") == 1
    assert sample("taxi_trials_total", adapter="slow", kind="timing", status="timeout") == 1
    assert sample("taxi_trial_fit_seconds_count", adapter="fast") == 2
    assert sample("taxi_trial_fit_seconds_sum", adapter="fast") == 2.25
    assert sample("taxi_trial_fit_seconds_bucket", adapter="fast", le="0.1") == 0
    assert sample("taxi_trial_fit_seconds_bucket", adapter="fast", le="0.3") == 1
    assert sample("taxi_trial_fit_seconds_bucket", adapter="fast", le="3.0") == 2
    assert sample("taxi_trial_points_per_second", adapter="fast") == 500
    assert sample("taxi_trial_peak_memory_bytes", adapter="fast") == 12345
    assert sample("taxi_trial_fit_seconds_count", adapter="slow") is None


def test_a_failed_trial_is_counted_and_not_measured(registry, sample) -> None:
    metrics = MetricsCollector(registry, ("slow",))
    wrong = TrialOutcome(Trial("slow", TrialKind.TIMING, 1), TrialStatus.INVALID, fit_seconds=0.5)
    metrics.trial_ended(wrong, n_points=10)
    assert sample("taxi_trials_total", adapter="slow", kind="timing", status="invalid") == 1
    assert sample("taxi_trial_points_per_second", adapter="slow") is None


def test_what_a_user_types_becomes_no_label(registry, sample) -> None:
    metrics = MetricsCollector(registry, ("known",))
    for name in ("typo", "another typo"):
        metrics.trial_ended(timing(name, 1, 1.0), n_points=10)
    assert sample("taxi_trials_total", adapter="other", kind="timing", status="ok") == 2
    labels = {s.labels["adapter"] for family in registry.collect() for s in family.samples if "adapter" in s.labels}
    assert labels == {"other"}


def test_rows_points_and_recorders(registry, sample) -> None:
    metrics = MetricsCollector(registry, ())
    dropped = {"missing": 4, "zero": 6, "swapped": 0}
    metrics.data_loaded(90, Provenance("file.csv", "columns", "1", 100, 90, dropped, from_cache=True))
    metrics.run_recorded("store", failed=False)
    metrics.run_recorded("mlflow", failed=True)
    assert sample("taxi_points_cache_lookups_total", result="hit") == 1
    assert (sample("taxi_points"), sample("taxi_rows_read_total")) == (90, 100)
    assert [sample("taxi_rows_dropped_total", rule=rule) for rule in ("missing", "zero", "swapped")] == [4, 6, 0]
    assert sample("taxi_recorder_failures_total", recorder="store") == 0
    assert sample("taxi_recorder_failures_total", recorder="mlflow") == 1


def test_the_file_is_written_however_the_run_ends(registry, sample, tmp_path: Path) -> None:
    path = tmp_path / "metrics.prom"
    with (
        contextlib.suppress(ArithmeticError),
        MetricsCollector(registry, ("fast",), path) as metrics,
    ):
        metrics.trial_ended(timing("fast", 1, 0.5), n_points=10)
        raise ArithmeticError
    text = path.read_text(encoding="utf-8")
    samples = {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }
    assert samples["taxi_trials_total", (("adapter", "fast"), ("kind", "timing"), ("status", "ok"))] == 1
    assert samples["taxi_trial_points_per_second", (("adapter", "fast"),)] == 20
    assert "taxi_build_info{python=" in text
    assert f'version="{__version__}"' in text


def test_a_comparison_sets_gauges_and_verdicts_are_counted(registry, sample) -> None:
    metrics = MetricsCollector(registry, ("fast", "sloppy"))
    metrics.adapter_compared("fast", {catalogue.RANK: 1, catalogue.MEDIAN_FIT: 0.5, catalogue.SPEEDUP: None})
    metrics.adapter_compared("typed by a user", {catalogue.RANK: 2})
    metrics.verdict_given("fast", "equal", exact=True)
    metrics.verdict_given("sloppy", "different", exact=False)
    at = datetime(2026, 1, 2, tzinfo=UTC)
    metrics.run_ended(
        "run-1", "ab", at, at + timedelta(seconds=60), 42.0, ranked=True, mlflow_page="experiments/1/runs/8f"
    )
    assert sample("taxi_adapter_rank", adapter="fast") == 1
    assert sample("taxi_adapter_rank", adapter="other") == 2
    assert sample("taxi_adapter_median_fit_seconds", adapter="fast") == 0.5
    assert sample("taxi_adapter_speedup_ratio", adapter="fast") is None
    assert sample("taxi_equivalence_verdicts_total", adapter="fast", exact="true", verdict="equal") == 1
    assert sample("taxi_equivalence_verdicts_total", adapter="sloppy", exact="false", verdict="different") == 1
    assert sample("taxi_runs_total", outcome="completed") == 1
    assert sample("taxi_run_ended_timestamp_seconds") - sample("taxi_data_loaded_timestamp_seconds") == 60
    assert sample("taxi_run_trials_seconds") == 42.0
    assert sample("taxi_last_run_info", run_id="run-1", trace_id="ab", mlflow_page="experiments/1/runs/8f") == 1


def test_two_registries_know_nothing_of_each_other() -> None:
    first, second = CollectorRegistry(), CollectorRegistry()
    MetricsCollector(first, ("fast",)).trial_ended(timing("fast", 1, 1.0), 10)
    MetricsCollector(second, ("fast",))
    labels = {"adapter": "fast", "kind": "timing", "status": "ok"}
    assert first.get_sample_value("taxi_trials_total", labels) == 1
    assert second.get_sample_value("taxi_trials_total", labels) is None
