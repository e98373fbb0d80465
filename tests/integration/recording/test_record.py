"""Feeding recorders from a run folder: what fails, what is noted, and what is fed again."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from pydantic import SecretStr

from taxi_mlops.errors import RunFolderError, UsageError
from taxi_mlops.monitoring.logs import run_logs
from taxi_mlops.monitoring.tracing import trace_id_of
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.record import chosen_recorders, configured_recorders, record, record_again
from taxi_mlops.recording.mlflow_recorder import MlflowRecorder, installed
from taxi_mlops.recording.recordings import Recordings, RecordingState
from taxi_mlops.recording.store import StoreRecorder
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.settings import Settings
from taxi_mlops.testing.sample_runs import make_run

SECRET = "hunter2"


class Clumsy:
    """A recorder with a bug, whose error message has a secret."""

    name = "clumsy"
    target = "nowhere"

    def __init__(self):
        self.fed = 0

    def record(self, run):
        self.fed += 1
        raise KeyError(f"postgresql://lab:{SECRET}@host/taxi")


@pytest.fixture
def settings(tmp_path):
    return Settings(runs_dir=tmp_path / "runs", mlflow_uri=SecretStr("off"))


@pytest.fixture
def store(tmp_path):
    return StoreRecorder(ServiceUrl(f"sqlite:///{tmp_path}/store.db"))


def test_one_that_fails_keeps_no_other_from_its_turn(tmp_path, store):
    run = make_run(tmp_path / "run")
    unreachable = StoreRecorder(ServiceUrl(f"sqlite:///{tmp_path}/run/comparison.json"))
    clumsy = Clumsy()
    with run_logs(run.folder.log, run.run_id, "info", verbose=False):
        found = record(run.folder, (unreachable, clumsy, store), Observer())
    assert [recording.state for recording in found] == ["failed", "failed", "recorded"]
    assert "not a database" in found[0].reason
    assert "KeyError" in found[1].reason
    for path in (run.folder.log, run.folder.recordings):
        assert SECRET not in path.read_text(encoding="utf-8")
    broke = [json.loads(line) for line in run.folder.log.read_text(encoding="utf-8").splitlines()]
    frames = next(event["frames"] for event in broke if event["event"] == "recorder_broke")
    assert "raise KeyError" in frames[-1]


def test_only_what_failed_is_fed_again_unless_all_is_asked_for(tmp_path, store):
    run = make_run(tmp_path / "run")
    clumsy = Clumsy()
    for again, expected in ((False, ["clumsy", "store"]), (False, ["clumsy"]), (True, ["clumsy", "store"])):
        found = record(run.folder, (clumsy, store), Observer(), again=again)
        assert [recording.recorder for recording in found] == expected
    assert clumsy.fed == 3
    noted = {recording.recorder: recording.state for recording in Recordings.read(run.folder).recordings}
    assert noted == {"clumsy": RecordingState.FAILED, "store": RecordingState.RECORDED}


def test_the_settings_choose_the_recorders(tmp_path):
    off = SecretStr("off")
    assert configured_recorders(Settings(experiments_url=off, mlflow_uri=off)) == ()
    names = [recorder.name for recorder in configured_recorders(Settings(runs_dir=tmp_path))]
    assert names == (["store", "mlflow"] if installed() else ["store"])
    elsewhere = Settings(experiments_url=off, mlflow_uri=SecretStr("http://lab:hunter2@tracking:5000"))
    (recorder,) = configured_recorders(elsewhere)
    assert (recorder.name, recorder.target) == ("mlflow", "http://lab:***@tracking:5000")
    with pytest.raises(UsageError, match="TAXI_EXPERIMENTS_URL=off"):
        chosen_recorders(elsewhere, ["store"])
    with pytest.raises(UsageError, match="there is no recorder 'excel'; available: mlflow, store"):
        chosen_recorders(elsewhere, ["excel"])


def test_recording_again_joins_the_trace_of_the_run_and_leaves_its_metrics(tmp_path):
    run = make_run(tmp_path / "run")
    settings = Settings(runs_dir=tmp_path, mlflow_uri=SecretStr("off"))
    for _ in range(2):
        record_again(run.folder, ["store"], settings, Observer())
    lines = run.folder.trace.read_text(encoding="utf-8").splitlines()
    spans = [json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0] for line in lines]
    assert {span["traceId"] for span in spans} == {trace_id_of(run.run_id)}
    names = [span["name"] for span in spans]
    assert names.count("record") == names.count("record.store") == 2
    assert "SQL INSERT" in names
    assert not run.folder.metrics.exists()


def test_what_cannot_be_recorded_is_a_mistake(tmp_path, settings):
    with pytest.raises(RunFolderError, match="holds no run"):
        record_again(RunFolder(tmp_path / "nowhere"), [], settings, Observer())
    run = make_run(tmp_path / "run")
    run.folder.comparison.unlink()
    with pytest.raises(RunFolderError, match="has not ended"):
        record_again(run.folder, [], settings, Observer())
    off = SecretStr("off")
    with pytest.raises(UsageError, match="turned off"):
        record_again(run.folder, [], Settings(experiments_url=off, mlflow_uri=off), Observer())


@pytest.mark.skipif(installed(), reason="MLflow is installed here")
def test_where_mlflow_is_missing_it_is_said_how_to_get_it(tmp_path):
    with pytest.raises(UsageError, match=r"pip install 'taxi-mlops\[tracking\]'"):
        chosen_recorders(Settings(runs_dir=tmp_path), ["mlflow"])
    settings = Settings(runs_dir=tmp_path, mlflow_uri=SecretStr("http://localhost:5000"))
    (found,) = record(make_run(tmp_path / "run").folder, configured_recorders(settings)[1:], Observer())
    assert "pip install" in found.reason


@pytest.mark.skipif(not installed(), reason="MLflow is not installed: pip install 'taxi-mlops[tracking]'")
class TestMlflow:
    def test_a_record_that_breaks_off_leaves_what_was_there(self, tmp_path):
        from mlflow import MlflowClient

        url = ServiceUrl(f"sqlite:///{tmp_path}/mlflow.db")
        run = make_run(tmp_path / "run")
        artifacts = tmp_path / "artifacts"
        recorder = MlflowRecorder(url, "tests", artifacts, lambda comparison: comparison.run_id)
        assert record(run.folder, (recorder,), Observer())[0].reason is None
        client = MlflowClient(tracking_uri=url.reveal())
        experiment = client.get_experiment_by_name("tests").experiment_id
        before = {found.info.run_id for found in client.search_runs([experiment])}

        artifacts.rename(tmp_path / "moved")
        artifacts.write_text("in the way", encoding="utf-8")
        run.folder.report.write_text("<title>again</title>", encoding="utf-8")
        assert "artifacts" in record(run.folder, (recorder,), Observer())[0].reason
        assert {found.info.run_id for found in client.search_runs([experiment])} == before

        artifacts.unlink()
        assert record(run.folder, (recorder,), Observer())[0].reason is None
        assert len(client.search_runs([experiment])) == len(before)

    def test_the_page_has_what_it_needs(self, tmp_path):
        from mlflow import MlflowClient

        url = ServiceUrl(f"sqlite:///{tmp_path}/mlflow.db")
        run = make_run(tmp_path / "run")
        MlflowRecorder(url, "tests", tmp_path / "artifacts", "# {0.run_id}".format).record(run)
        client = MlflowClient(tracking_uri=url.reveal())
        experiment = client.get_experiment_by_name("tests")
        assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
        (parent,) = client.search_runs([experiment.experiment_id], "tags.kind = 'comparison'")
        (swift,) = client.search_runs([experiment.experiment_id], "tags.adapter = 'swift' and tags.verdict = 'equal'")
        assert swift.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert parent.data.tags["mlflow.note.content"] == f"# {run.run_id}"
        assert parent.info.start_time == run.header.created_at.timestamp() * 1000
        history = client.get_metric_history(swift.info.run_id, "repeats/fit_seconds")
        assert [(metric.step, metric.value) for metric in history] == [(1, 0.505), (2, 0.51), (3, 0.515)]
        (used,) = swift.inputs.dataset_inputs
        assert run.comparison.dataset.fingerprint.startswith(used.dataset.digest)
        assert [file.path for file in client.list_artifacts(swift.info.run_id, "labels")] == ["labels/swift.parquet"]
        stored = client.download_artifacts(parent.info.run_id, "report.html", str(tmp_path))
        assert stored.endswith("report.html")
        assert (tmp_path / "report.html").read_bytes() == run.folder.report.read_bytes()

    def test_nothing_is_written_to_the_terminal_and_nobody_is_called(self, tmp_path):
        """In a process of its own, as a user has it: pytest and a set-up MLflow would both hide something."""
        make_run(tmp_path / "run")
        program = (
            "import sys\n"
            "from pathlib import Path\n"
            "from taxi_mlops.recording.base import RecordedRun\n"
            "from taxi_mlops.recording.mlflow_recorder import MlflowRecorder\n"
            "from taxi_mlops.results.run_folder import RunFolder\n"
            "from taxi_mlops.service_urls import ServiceUrl\n"
            "assert 'mlflow' not in sys.modules\n"
            "recorder = MlflowRecorder(ServiceUrl('sqlite:///mlflow.db'), 'tests', Path('artifacts'), str)\n"
            "recorder.record(RecordedRun.read(RunFolder(Path('run'))))\n"
            "from mlflow.telemetry import get_telemetry_client\n"
            "assert get_telemetry_client() is None\n"
        )
        hidden = ("MLFLOW_", "DO_NOT_TRACK", "PYTEST_", "CI")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        finished = subprocess.run(
            [sys.executable, "-W", "default", "-c", program],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=250,
        )
        assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
        assert not list((tmp_path / "artifacts").rglob("*.pkl"))
