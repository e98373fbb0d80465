"""The comparison as a Prefect flow: on a server of the session, and on one of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import psutil
import pytest

from taxi_mlops.domain import Resources, Trial, TrialKind, TrialStatus
from taxi_mlops.errors import UsageError
from taxi_mlops.flows import prefect_run
from taxi_mlops.flows.prefect_server import start_server
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.recording.mlflow_recorder import MlflowRecorder
from taxi_mlops.recording.recordings import note
from taxi_mlops.results.journal import Journal
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.settings import Settings
from taxi_mlops.testing.sample_runs import make_run
from taxi_mlops.trials.runner import run_trial
from taxi_mlops.trials.workload_folder import write_workload

MEASURED = re.compile(
    "run_id|created_at|seconds|memory|speedup|slower_than|rank|tied|p_value|p_adjusted|a12|effect|efficiency|warnings"
)
needs_prefect = pytest.mark.skipif(not prefect_run.is_installed(), reason="Prefect is not installed")


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory):
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def server(prefect_home):
    """The address of a server that ends with the session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(prefect_home))
        return start_server()


@pytest.fixture
def taxi(prefect_home, tmp_path):
    """Start `taxi compare` with these options and environment."""
    started = []

    def taxi(*options, **environment):
        process = subprocess.Popen(
            [sys.executable, "-m", "taxi_mlops.cli", "compare", *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PREFECT_HOME": str(prefect_home)} | environment,
        )
        started.append(process)
        return process

    yield taxi
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def written(specification, path):
    path.write_text(specification.to_toml(), encoding="utf-8")
    return path


def not_measured(value):
    """A document without what no two runs have in common: times, memory, identifiers, and what follows from them."""
    if isinstance(value, dict):
        return {key: not_measured(item) for key, item in value.items() if not MEASURED.search(key)}
    return [not_measured(item) for item in value] if isinstance(value, list) else value


def keys(value, path=""):
    """Every place of a document where something stands."""
    if isinstance(value, dict):
        return {f"{path}.{key}" for key in value} | {
            k for key, item in value.items() for k in keys(item, f"{path}.{key}")
        }
    return {k for item in value for k in keys(item, f"{path}[]")} if isinstance(value, list) else set()


def wait_for_lines(folder, lines):
    deadline = time.monotonic() + 120
    while not folder.journal.is_file() or folder.journal.read_bytes().count(b"\n") < lines:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@needs_prefect
def test_the_flow_gives_the_same_comparison_as_the_plain_steps(specify, run, taxi, server, tmp_path):
    specification = specify("light-exact", "light-slow", "light-wrong", "light-raising")
    plain, flow = RunFolder(tmp_path / "plain"), RunFolder(tmp_path / "flow")
    run(specification, plain.path)
    process = taxi(
        "--spec", written(specification, tmp_path / "s.toml"), "--output", flow.path, "--json", PREFECT_API_URL=server
    )
    stdout, stderr = process.communicate(timeout=250)
    assert process.returncode == 0, stderr
    documents = [json.loads(folder.comparison.read_text(encoding="utf-8")) for folder in (plain, flow)]
    assert stdout == flow.comparison.read_text(encoding="utf-8")
    assert not_measured(documents[0]) == not_measured(documents[1])
    assert keys(documents[0]) == keys(documents[1])
    orders = [[outcome.trial.key for outcome in Journal.read(folder.journal).outcomes] for folder in (plain, flow)]
    assert orders[0] == orders[1]
    names = [{entry.name for entry in folder.path.iterdir()} for folder in (plain, flow)]
    assert names[0] == names[1]
    assert "Traceback" not in stderr
    assert "prefect." not in stderr

    trace = flow.trace.read_text(encoding="utf-8")
    assert len(set(re.findall(r'"traceId":"(\w+)"', trace))) == 1

    flow_runs = httpx.post(f"{server}/flow_runs/filter", json={}).json()
    [flow_run] = [found for found in flow_runs if found["parameters"]["folder"] == str(flow.path)]
    assert (flow_run["state"]["type"], flow_run["state"]["name"]) == ("COMPLETED", "Completed")
    tasks = httpx.post(f"{server}/task_runs/filter", json={"flow_runs": {"id": {"any_": [flow_run["id"]]}}}).json()
    assert {task["state"]["type"] for task in tasks} == {"COMPLETED"}
    trials = {task["name"] for task in tasks if "trial" in task["tags"]}
    assert trials == {f"trial {key}" for key in orders[1]}
    assert {task["name"] for task in tasks} - trials == {
        "load",
        "equivalence",
        "quality",
        "assemble",
        "labels",
        "report",
        "record",
    }
    [limit] = httpx.post(f"{server}/v2/concurrency_limits/filter", json={}).json()
    assert (limit["limit"], limit["active_slots"]) == (1, 0)
    artifacts = httpx.post(f"{server}/artifacts/filter", json={}).json()
    shown = {found["key"]: found for found in artifacts if found["flow_run_id"] == flow_run["id"]}
    assert shown.keys() == {"ranking", "comparison", "report"}
    ranking = json.loads(shown["ranking"]["data"])
    assert [row["adapter"] for row in ranking] == [entry["name"] for entry in documents[1]["ranking"]]
    assert "light-exact" in shown["comparison"]["data"]
    assert flow.report.as_uri() in shown["report"]["data"]


@needs_prefect
def test_the_run_in_mlflow_is_linked(server, prefect_home, tmp_path):
    """Where it is recorded at a server, which has pages. In a process of its own: Prefect reads settings on import."""
    run = make_run(tmp_path / "run")
    recorder = MlflowRecorder(
        ServiceUrl("http://tracking:5000"), "tests", tmp_path, lambda comparison: comparison.run_id
    )
    note(run, recorder, None, "#/experiments/1/runs/abc")
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from taxi_mlops.flows.prefect_artifacts import show_comparison\n"
        "from taxi_mlops.recording.base import RecordedRun\n"
        "from taxi_mlops.results.run_folder import RunFolder\n"
        "folder = RunFolder(Path(sys.argv[1]))\n"
        "show_comparison(RecordedRun.read(folder).comparison, folder)\n"
    )
    environment = os.environ | {"PREFECT_HOME": str(prefect_home), "PREFECT_API_URL": server}
    subprocess.run([sys.executable, "-c", program, run.folder.path], env=environment, check=True, timeout=250)
    wanted = {"artifacts": {"key": {"any_": ["mlflow-run"]}}}
    [shown] = httpx.post(f"{server}/artifacts/filter", json=wanted).json()
    assert "(http://tracking:5000/#/experiments/1/runs/abc)" in shown["data"]


@needs_prefect
def test_ctrl_c_stops_the_flow_at_once_and_it_is_resumed(specify, taxi, server, tmp_path):
    folder = RunFolder(tmp_path / "run")
    specification = written(specify("light-exact", "light-slow"), tmp_path / "s.toml")
    process = taxi("--spec", specification, "--output", folder.path, PREFECT_API_URL=server)
    wait_for_lines(folder, 2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=250)
    assert process.returncode == 130
    assert f"taxi compare --resume {folder.path}" in stderr
    assert "Traceback" not in stderr
    finished = folder.journal.read_bytes()

    process = taxi("--resume", folder.path, "--flow", PREFECT_API_URL=server)
    _, stderr = process.communicate(timeout=250)
    assert process.returncode == 0, stderr
    assert folder.journal.read_bytes().startswith(finished)
    assert len(Journal.read(folder.journal).outcomes) == 6


@needs_prefect
def test_a_host_that_is_taken_is_waited_for_no_longer_than_the_settings_say(specify, taxi, server, tmp_path):
    limit = f"taxi-timed-trials-{socket.gethostname()}"
    httpx.post(f"{server}/v2/concurrency_limits/", json={"name": limit, "limit": 1})
    slot = {"names": [limit], "slots": 1, "mode": "concurrency"}
    assert httpx.post(f"{server}/v2/concurrency_limits/increment", json=slot).is_success
    try:
        specification = written(specify("light-exact"), tmp_path / "s.toml")
        environment = {"PREFECT_API_URL": server, "TAXI_HOST_LOCK_TIMEOUT_SECONDS": "1"}
        process = taxi("--spec", specification, "--output", tmp_path / "run", "--quiet", **environment)
        _, stderr = process.communicate(timeout=250)
    finally:
        httpx.post(f"{server}/v2/concurrency_limits/decrement", json=slot)
    assert process.returncode == 1
    assert re.fullmatch(rf"error: .*{limit} has been taken for 1 s.*prefect gcl update {limit}.*\n", stderr)


@needs_prefect
def test_a_server_that_does_not_answer_is_one_line(taxi, tmp_path):
    """One that is not there, and one that takes connections and says nothing, which is asked but once."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        places = ("127.0.0.1:9", f"127.0.0.1:{silent.getsockname()[1]}")
        environments = [
            {"PREFECT_API_URL": f"http://{place}/api", "TAXI_SERVICE_TIMEOUT_SECONDS": "1"} for place in places
        ]
        processes = [taxi("--output", tmp_path / "run", **environment) for environment in environments]
        for place, process in zip(places, processes, strict=True):
            _, stderr = process.communicate(timeout=250)
            assert process.returncode == 1
            assert re.fullmatch(rf"error: no Prefect server answers at http://{place}/api.*--no-flow\n", stderr)


def wait_for_server(process):
    """The server that the process starts, once it listens."""
    deadline = time.monotonic() + 60
    while True:
        assert time.monotonic() < deadline
        for child in psutil.Process(process.pid).children():
            with suppress(psutil.NoSuchProcess):
                if "taxi_mlops.flows.prefect_server" in child.cmdline():
                    return child
        time.sleep(0.05)


@needs_prefect
def test_a_mistake_is_one_line_and_its_server_is_gone(taxi, tmp_path):
    process = taxi(tmp_path / "nowhere.csv", "--output", tmp_path / "run", "--flow", "--quiet")
    own = wait_for_server(process)
    addresses = {connection.laddr.ip for connection in own.net_connections() if connection.status == "LISTEN"}
    assert addresses == {"127.0.0.1"}
    stdout, stderr = process.communicate(timeout=250)
    assert (process.returncode, stdout) == (2, "")
    assert re.fullmatch(r"error: .*nowhere\.csv.*\n", stderr)
    assert not (tmp_path / "run").exists()
    assert not own.is_running()


@needs_prefect
def test_the_server_of_a_run_that_is_killed_is_gone_too(taxi, tmp_path):
    process = taxi("--output", tmp_path / "run", "--flow", "--quiet")
    own = wait_for_server(process)
    process.kill()
    process.communicate(timeout=250)
    psutil.wait_procs([own], timeout=250)
    assert not own.is_running()


def test_without_prefect_the_error_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setattr(prefect_run, "is_installed", lambda: False)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(UsageError, match=r"--flow was given, but .* pip install 'taxi-mlops\[flow\]'"):
        prefect_run.run_flow(None, tmp_path, Settings(), Observer(), verbose=False)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(UsageError, match="PREFECT_API_URL is set"):
        prefect_run.run_flow(None, tmp_path, Settings(), Observer(), verbose=False)


def test_a_trial_may_be_started_from_a_thread_that_is_not_the_main_one(specify, settings, tmp_path):
    """Its guardian hangs on a pipe that the process holds, not on the thread that started it."""
    from taxi_mlops.data.load import load_points

    specification = specify("light-slow")
    points = load_points(specification.dataset, settings, lambda *_: None)
    write_workload(points, specification.parameters.to_domain(), tmp_path / "points")

    def trial(block):
        assert threading.current_thread() is not threading.main_thread()
        return run_trial(
            Trial("light-slow", TrialKind.TIMING, block),
            run_id="20261123T000000Z-000000",
            workload=tmp_path / "points",
            resources=Resources(threads=1, timeout_seconds=60.0),
            scratch=tmp_path / "scratch",
            labels=tmp_path / "labels",
        )

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(trial, 1).result().status is TrialStatus.OK
