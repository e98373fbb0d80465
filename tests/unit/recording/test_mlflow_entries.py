"""What MLflow receives of a run: the parent, a child for each adapter, the data set."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from taxi_mlops.recording.base import RecordedRun
from taxi_mlops.recording.mlflow_entries import adapter_entries, comparison_entry, data_set
from taxi_mlops.testing.sample_runs import BEGUN, DIFFERENT, EQUAL, LATE, REFERENCE, make_run


@pytest.fixture
def run(tmp_path: Path) -> RecordedRun:
    return make_run(tmp_path / "run")


def test_the_parent_has_the_outcome(run: RecordedRun) -> None:
    entry = comparison_entry(run, "**swift** it is")
    assert entry.name == "eps 100 m, min 10: 1,000 points of santiago.parquet"
    assert entry.start == BEGUN
    assert entry.end == run.trials[-1].finished_at
    assert entry.params["eps_metres"] == "100"
    assert entry.params["repeats"] == "3"
    assert entry.tags["winner"] == EQUAL
    assert entry.tags["mlflow.note.content"] == "**swift** it is"
    assert {path.name for path in entry.files} == {
        "comparison.json",
        "report.html",
        "specification.toml",
        "trials.jsonl",
    }
    metrics = [(metric.name, metric.step, metric.value) for metric in entry.metrics]
    assert metrics[0] == ("fit_seconds_median/swift", 0, 0.5 * 1.02)
    assert (f"fit_seconds/{REFERENCE}", 3, 2.0 * 1.03) in metrics
    assert ("speedup/swift", 0, 4.0) in metrics


def test_the_children_are_in_order_of_the_ranking_and_start_so(run: RecordedRun) -> None:
    entries = adapter_entries(run)
    assert [entry.name for entry in entries] == [f"1 {EQUAL}", f"2 {REFERENCE}", f"– {DIFFERENT}", f"– {LATE}"]
    assert [entry.tags["verdict"] for entry in entries] == ["equal", "reference", "different", "none"]
    assert [entry.tags["rank"] for entry in entries] == ["1", "2", "None", "None"]
    assert [entry.status for entry in entries] == ["FINISHED", "FINISHED", "FINISHED", "FAILED"]
    assert [entry.start - BEGUN for entry in entries] == [timedelta(milliseconds=after) for after in (4, 3, 2, 1)]


def test_a_child_has_metrics_and_repeats_with_the_block_as_step(run: RecordedRun) -> None:
    entry = adapter_entries(run)[0]
    metrics = [(metric.name, metric.step, metric.value) for metric in entry.metrics]
    assert [step for name, step, _ in metrics if name == "repeats/fit_seconds"] == [1, 2, 3]
    assert [value for name, _, value in metrics if name == "system/cpu_user_seconds"] == [0.5] * 3
    assert ("system/peak_memory_bytes", 0, 5e7) in metrics
    assert metrics[0] == ("time/fit_seconds_median", 0, 0.5 * 1.02)
    assert ("clustering/n_clusters", 0, 12.0) in metrics
    assert ("rank", 0, 1.0) in metrics
    assert [path.name for path in entry.files] == [f"{EQUAL}.parquet"]


def test_a_failed_adapter_has_a_reason_and_no_values(run: RecordedRun) -> None:
    entry = adapter_entries(run)[-1]
    assert "took longer" in entry.tags["mlflow.note.content"]
    assert entry.tags["status"] == "timeout"
    assert entry.files == ()
    assert {metric.name for metric in entry.metrics} == {"trials/timeout"}


def test_the_data_set_keeps_its_fingerprint(tmp_path: Path, run: RecordedRun) -> None:
    points = data_set(run.comparison)
    assert (points.name, points.source_type) == ("santiago.parquet", "local")
    assert run.comparison.dataset.fingerprint.startswith(points.digest)
    assert json.loads(points.profile)["fingerprint"] == run.comparison.dataset.fingerprint
    assert json.loads(points.profile)["dropped"] == {"missing": 10}
    remote = make_run(tmp_path / "remote", uri="https://example.org/trips.csv")
    assert data_set(remote.comparison).source_type == "http"


def test_costs_over_several_sizes_have_the_points_as_step(tmp_path: Path) -> None:
    run = make_run(tmp_path / "several", "several", sizes=(100, 300))
    assert comparison_entry(run, "").params["sizes"] == "100, 300, 1000"
    entry = adapter_entries(run)[0]
    metrics = [(metric.name, metric.step, metric.value) for metric in entry.metrics]
    assert [step for name, step, _ in metrics if name == "growth/fit_seconds"] == [100, 300, 1000]
    assert [value for name, _, value in metrics if name == "growth/fit_seconds_exponent"] == [pytest.approx(1.0)]
    assert [step for name, step, _ in metrics if name == "repeats/fit_seconds"] == [1, 2, 3]
