"""Counters and histograms added up over the runs of a folder."""

from __future__ import annotations

import json
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from taxi_mlops.domain import Trial, TrialKind, TrialOutcome, TrialStatus
from taxi_mlops.monitoring.catalogue import RANK
from taxi_mlops.monitoring.metrics import MetricsCollector
from taxi_mlops.monitoring.totals import Totals, TotalsCollector, count


def metrics(rank: int, *fits: float) -> CollectorRegistry:
    registry = CollectorRegistry()
    collector = MetricsCollector(registry, ("fast",))
    for block, seconds in enumerate(fits, start=1):
        outcome = TrialOutcome(Trial("fast", TrialKind.TIMING, block), TrialStatus.OK, fit_seconds=seconds)
        collector.trial_ended(outcome, n_points=100)
    collector.adapter_compared("fast", {RANK: rank})
    return registry


def exposed(totals: Totals) -> str:
    registry = CollectorRegistry()
    registry.register(TotalsCollector(totals))
    return generate_latest(registry).decode()


def test_runs_add_up_once_each_and_gauges_are_the_newest_runs(tmp_path: Path) -> None:
    path = tmp_path / "ledgers" / "none@here.json"
    for run_id, rank, fits in (("1", 3, (0.5,)), ("3", 1, (0.25, 20.0)), ("2", 2, (0.5,)), ("3", 9, (7.0,))):
        totals = count(path, run_id, f"content of {run_id}", metrics(rank, *fits))
    assert totals == Totals.read(path)
    assert set(totals.counted) == {"1", "2", "3"}
    lines = exposed(totals).splitlines()
    for line in (
        'taxi_trials_total{adapter="fast",kind="timing",status="ok"} 4.0',
        'taxi_trial_fit_seconds_sum{adapter="fast"} 21.25',
        'taxi_trial_fit_seconds_bucket{adapter="fast",le="1.0"} 3.0',
        'taxi_trial_fit_seconds_bucket{adapter="fast",le="+Inf"} 4.0',
        'taxi_adapter_rank{adapter="fast"} 1.0',
        "# TYPE taxi_trials_total counter",
        "# TYPE taxi_trial_fit_seconds histogram",
    ):
        assert line in lines
    assert "_created" not in exposed(totals)


def test_what_another_version_counted_and_nobody_knows_any_more_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "none@here.json"
    count(path, "1", "x", metrics(1, 0.5))
    document = json.loads(path.read_text(encoding="utf-8"))
    document["series"].append({"name": "taxi_gone_total", "labels": {}, "value": 1.0})
    path.write_text(json.dumps(document), encoding="utf-8")
    assert "taxi_gone" not in exposed(count(path, "2", "y", metrics(1, 0.5)))


def test_a_histogram_with_other_buckets_starts_at_zero(tmp_path: Path) -> None:
    path = tmp_path / "none@here.json"
    count(path, "1", "x", metrics(1, 0.5))
    kept = '"le":"3000.0"'
    text = path.read_text(encoding="utf-8")
    assert kept in text
    path.write_text(text.replace(kept, '"le":"2500.0"'), encoding="utf-8")
    lines = exposed(count(path, "2", "y", metrics(1, 0.5))).splitlines()
    assert 'taxi_trial_fit_seconds_count{adapter="fast"} 1.0' in lines
    assert 'taxi_trials_total{adapter="fast",kind="timing",status="ok"} 2.0' in lines
    assert not [line for line in lines if "2500" in line]
