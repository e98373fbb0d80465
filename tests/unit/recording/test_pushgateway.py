"""What is pushed of a run. The recorder itself is tested on a real Pushgateway."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import generate_latest

from taxi_mlops import __version__
from taxi_mlops.adapters.registry import declared_names
from taxi_mlops.data.load import NOT_SAMPLED
from taxi_mlops.data.preprocessor import Rule
from taxi_mlops.data.zones import ZoneRule
from taxi_mlops.domain import TrialKind, TrialStatus
from taxi_mlops.evaluation.equivalence import Verdict
from taxi_mlops.monitoring.metrics import OTHER
from taxi_mlops.recording.mlflow_recorder import MLFLOW
from taxi_mlops.recording.pushgateway import metrics_of
from taxi_mlops.recording.recordings import note
from taxi_mlops.recording.store import STORE, StoreRecorder
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.testing.sample_runs import REFERENCE, make_run

VALUES = {
    "adapter": {*declared_names(), OTHER},
    "exact": {"true", "false"},
    "kind": set(TrialKind),
    "outcome": {"completed", "failed"},
    "recorder": {STORE, MLFLOW},
    "result": {"hit", "miss"},
    "rule": {*Rule, *ZoneRule, NOT_SAMPLED},
    "status": set(TrialStatus),
    "verdict": set(Verdict),
    "version": {__version__},
}
"""All that these labels may ever be."""
PATTERNS = {
    "le": r"[\d.]+|\+Inf",
    "mlflow_page": r"|experiments/\w+/runs/\w+",
    "python": r"3[\d.]+\w*",
    "run_id": r"\d{8}T\d{6}Z-[0-9a-f]{6}",
    "trace_id": r"[0-9a-f]{32}",
}


def test_nothing_that_a_user_types_becomes_a_label(tmp_path: Path) -> None:
    run = make_run(tmp_path / "typed-folder", uri="s3://typed/typed.parquet", sizes=(500,))
    note(run, StoreRecorder(ServiceUrl("sqlite:///typed.db")), "typed")
    registry = metrics_of(run)
    labels = {pair for family in registry.collect() for sample in family.samples for pair in sample.labels.items()}
    assert {name for name, _ in labels} == {*VALUES, *PATTERNS}
    for name, value in labels:
        assert value in VALUES[name] if name in VALUES else re.fullmatch(PATTERNS[name], value), (name, value)
    assert REFERENCE not in declared_names()  # a name that somebody typed
    assert "typed" not in generate_latest(registry).decode()
