"""Services that die, hang or are full while a comparison runs: no finished trial is lost or doubled; it recovers."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from pydantic import HttpUrl, SecretStr

from taxi_mlops.errors import DownloadError, TaxiError
from taxi_mlops.pipeline.compare import compare, resume
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.record import record_again
from taxi_mlops.recording.recordings import Recordings, RecordingState
from taxi_mlops.results.journal import Journal
from taxi_mlops.results.run_folder import RunFolder


class Watching(Observer):
    """Keeps what the user is warned of."""

    def __init__(self):
        self.warnings = []

    def warning(self, text):
        self.warnings.append(text)


def trial_keys(folder):
    lines = [json.loads(line) for line in folder.journal.read_text(encoding="utf-8").splitlines()]
    return [f"{line['finished_at']} {line['outcome']['trial']}" for line in lines if line["kind"] == "trial"]


def assert_one_line(error):
    assert "\n" not in str(error)
    assert len(str(error)) < 500


def test_a_store_that_is_killed_while_trips_are_loaded(own_services, specify, trips, settings, tmp_path):
    pytest.importorskip("boto3", reason="boto3 is in the extra s3")
    from taxi_mlops.storage.objects import push

    services = own_services("object-store")

    def at_store():
        update = {"points_cache": False, "service_timeout_seconds": 5.0}
        names = ("object_store_url", "object_store_access_key", "object_store_secret_key")
        return settings.model_copy(update={**{name: getattr(services.settings, name) for name in names}, **update})

    for number in range(2):
        push(trips, f"s3://taxi-data/drill/{number}.csv", at_store())
    specification = specify("light-exact").with_parameters({"data": "s3://taxi-data/drill/*.csv"})

    class Killing(Observer):
        def loading(self, what, done, total):
            if done == 300:
                services.kill("object-store")

    folder = RunFolder(tmp_path / "run")
    with pytest.raises(DownloadError, match="cannot be reached") as caught:
        compare(specification, folder, at_store(), Killing())
    assert_one_line(caught.value)
    assert not folder.path.exists()
    services.up("object-store")
    comparison = compare(specification, folder, at_store(), Observer())
    assert comparison.dataset.rows_read == 600


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of its own with room for one run."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", path], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def fill(path):
    with path.open("wb") as file:
        try:
            while True:
                file.write(bytes(1 << 12))
                file.flush()
        except OSError:
            pass


@pytest.mark.parametrize("when", ["before a trial", "during a trial", "at the end"])
def test_a_full_disk(small_disk, specify, settings, tmp_path, when):
    filler = small_disk / "filler"

    class Filling(Watching):
        def trial_started(self, trial, number, total):
            if when == "before a trial" and number == 2:
                fill(filler)

        def trial_finished(self, outcome):
            if when == "during a trial" and outcome.trial.block == 1:
                fill(filler)

        def stage(self, text):
            if when == "at the end" and text == "Writing the labels":
                fill(filler)

    folder, observer = RunFolder(small_disk / "run"), Filling()
    with pytest.raises(TaxiError, match=r"is full; no finished trial is lost: .* taxi compare --resume") as caught:
        compare(specify("light-exact", "light-slow"), folder, settings, observer)
    assert_one_line(caught.value)
    finished = trial_keys(folder)
    filler.unlink()
    comparison = resume(folder, settings, Observer())
    assert all(result.status == "ok" for result in comparison.adapters)
    assert trial_keys(folder)[: len(finished)] == finished
    journal = Journal.read(folder.journal)
    assert len({outcome.trial.key for outcome in journal.outcomes}) == len(journal.outcomes) == 6
    assert folder.report.is_file()
    assert Recordings.read(folder).failed == ()


def test_services_that_take_connections_and_never_answer(specify, settings, tmp_path):
    pytest.importorskip("psycopg", reason="psycopg is in the extra postgresql")
    pytest.importorskip("redis", reason="redis is in the extra redis")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = f"127.0.0.1:{silent.getsockname()[1]}"
        hanging = settings.model_copy(
            update={
                "service_timeout_seconds": 0.5,
                "redis_url": SecretStr(f"redis://:s3cret@{there}/0"),
                "experiments_url": SecretStr(f"postgresql://taxi:s3cret@{there}/experiments"),
                "mlflow_uri": SecretStr(f"http://taxi:s3cret@{there}"),
                "pushgateway_url": HttpUrl(f"http://{there}"),
            }
        )
        folder, observer = RunFolder(tmp_path / "run"), Watching()
        comparison = compare(specify("light-exact"), folder, hanging, observer)
    assert comparison.adapters[0].status == "ok"
    (warning,) = observer.warnings
    assert "no answer for 0.5 s" in warning
    failed = Recordings.read(folder).failed
    assert {recording.recorder for recording in failed} >= {"store", "pushgateway"}
    for text in (warning, *(recording.reason for recording in failed)):
        assert_one_line(text)
        assert "s3cret" not in text
    assert "s3cret" not in folder.log.read_text(encoding="utf-8")
    finished = trial_keys(folder)
    recorded = record_again(folder, ["store"], settings, Observer())
    assert [recording.state for recording in recorded] == [RecordingState.RECORDED]
    assert trial_keys(folder) == finished


def test_a_store_that_is_killed_before_mlflow_stores_artifacts(own_services, specify, settings, tmp_path):
    pytest.importorskip("mlflow", reason="mlflow is in the extra tracking")
    services = own_services("mlflow")
    names = ("mlflow_uri", "mlflow_username", "mlflow_password")
    tracked = settings.model_copy(update={name: getattr(services.settings, name) for name in names})

    class Killing(Observer):
        def stage(self, text):
            if text == "Recording in mlflow":
                services.kill("object-store")

    folder = RunFolder(tmp_path / "run")
    compare(specify("light-exact"), folder, tracked, Killing())
    (failed,) = Recordings.read(folder).failed
    assert failed.recorder == "mlflow"
    assert_one_line(failed.reason)
    finished = trial_keys(folder)
    services.up("mlflow")
    for _ in range(2):
        recorded = record_again(folder, ["mlflow"], tracked, Observer())
        assert [recording.state for recording in recorded] == [RecordingState.RECORDED]
    assert trial_keys(folder) == finished
    assert recorded_in_mlflow(tracked, folder) == ["FINISHED", "FINISHED"]


def recorded_in_mlflow(settings, folder):
    """The states of what stands in MLflow for the run: one for the comparison, one for the adapter."""
    from mlflow import MlflowClient

    from taxi_mlops.recording.mlflow_recorder import MlflowAccess, temporary_environment

    run_id = Journal.read(folder.journal).header.run_id
    with temporary_environment(MlflowAccess.chosen_by(settings).variables()):
        client = MlflowClient(settings.mlflow_uri.get_secret_value())
        experiment = client.get_experiment_by_name(settings.mlflow_experiment)
        found = client.search_runs([experiment.experiment_id], f"tags.run_id = '{run_id}'")
        assert all(client.list_artifacts(run.info.run_id) for run in found)
        return [run.info.status for run in found]


def test_a_postgresql_that_is_killed_in_the_middle_of_a_record(own_services, specify, settings, tmp_path):
    """The run's rows are half written then: the record waits for the table of trials, which the test holds."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is in the extra postgresql")
    from taxi_mlops.service_urls import experiments_url
    from taxi_mlops.storage.database import Database

    services = own_services("postgresql")
    recorded = settings.model_copy(update={"experiments_url": services.settings.experiments_url})
    Database(experiments_url(recorded)).upgrade()
    address = services.administrator("experiments")

    def kill_once_it_waits():
        waiting = "SELECT 1 FROM pg_stat_activity WHERE usename = 'experiments' AND wait_event_type = 'Lock'"
        deadline = time.monotonic() + 60
        with psycopg.connect(address, autocommit=True) as connection:
            while connection.execute(waiting).fetchone() is None and time.monotonic() < deadline:
                time.sleep(0.05)
        services.kill("postgresql")

    folder, observer = RunFolder(tmp_path / "run"), Watching()
    killing = threading.Thread(target=kill_once_it_waits)
    held = psycopg.connect(address)
    held.execute("LOCK TABLE trials IN SHARE MODE")
    killing.start()
    try:
        comparison = compare(specify("light-exact"), folder, recorded, observer)
    finally:
        killing.join()
        held.close()
    assert comparison.adapters[0].status == "ok"
    (failed,) = Recordings.read(folder).failed
    assert failed.recorder == "store"
    assert "closed the connection" in failed.reason
    assert_one_line(failed.reason)
    finished = trial_keys(folder)

    services.up("postgresql")
    for _ in range(2):
        (again,) = record_again(folder, ["store"], recorded, Observer())
        assert again.state is RecordingState.RECORDED
    with psycopg.connect(address) as connection:
        rows = [connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("comparisons", "trials")]
    assert rows == [(1,), (len(finished),)]
    assert trial_keys(folder) == finished


def end_of(process):
    """When it ends."""
    process.wait(timeout=250)
    return time.monotonic()


def test_a_stack_that_is_stopped_during_a_run_ends_it_and_it_is_resumed(own_services, specify, settings, tmp_path):
    """The run is in a session of its own, as those of Prefect's worker, which no signal of the stack reaches."""
    from taxi_mlops.stack.service import Program
    from taxi_mlops.stack.services.redis import Redis
    from taxi_mlops.stack.supervision import Supervisor

    services, folder = own_services("redis"), RunFolder(tmp_path / "run")
    stack = services.stack
    specification = tmp_path / "specification.toml"
    specification.write_text(specify("light-exact", "light-slow").to_toml(), encoding="utf-8")
    start = "import signal, subprocess, sys; subprocess.Popen(sys.argv[1:], start_new_session=True); signal.pause()"
    taxi = (sys.executable, "-m", "taxi_mlops.cli")
    run = (*taxi, "compare", "--spec", str(specification), "--output", str(folder.path))
    handed_on = {name: value for name, value in os.environ.items() if name.startswith(("TAXI_", "PYTHONPATH"))}
    worker = Program(command=(sys.executable, "-c", start, *run), environment=handed_on)
    supervisor = Supervisor(stack.folder)
    supervisor.configure({"redis": Redis().program(stack.folder), "worker": worker})
    supervisor.start("worker")
    deadline = time.monotonic() + 60
    while not folder.journal.is_file() or folder.journal.read_bytes().count(b"\n") < 3:
        assert time.monotonic() < deadline, stack.folder.log("worker").read_text(encoding="utf-8")
        time.sleep(0.02)
    pids = {name: process.pid for name, process in supervisor.processes().items()}
    (in_its_session,) = psutil.Process(pids["worker"]).children()
    with ThreadPoolExecutor() as watching:
        ends = [watching.submit(end_of, process) for process in (in_its_session, psutil.Process(pids["redis"]))]
        stack.down()
    assert ends[0].result() < ends[1].result(), "the run goes before the services that it needs"
    running = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert [line for line in running if str(folder.path) in line or str(stack.folder.path) in line] == []
    finished = trial_keys(folder)
    resume(folder, settings, Observer())
    assert trial_keys(folder)[: len(finished)] == finished
    outcomes = Journal.read(folder.journal).outcomes
    assert len({outcome.trial.key for outcome in outcomes}) == len(outcomes) == 6
