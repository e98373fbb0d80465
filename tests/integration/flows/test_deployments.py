"""Deployments on a real Prefect server and its workers, and what happens when these die."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import psutil
import pytest

from taxi_mlops.audit.caller import system_user
from taxi_mlops.data.objects import ObjectStore
from taxi_mlops.data.synthetic import write_parquet
from taxi_mlops.domain import TrialStatus
from taxi_mlops.features import online_values, open_online
from taxi_mlops.features.store import FeatureStore
from taxi_mlops.flows import prefect_environment
from taxi_mlops.parameters import parameters_of
from taxi_mlops.results.journal import Journal
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.settings import Settings
from taxi_mlops.specification import Specification
from taxi_mlops.stack.services.postgresql import database_password
from taxi_mlops.stack.services.prefect import PrefectServer
from taxi_mlops.stack.services.redis import DOCKET, MESSAGES, redis_url
from taxi_mlops.sweep import Sweep
from taxi_mlops.versions import history

pytestmark = pytest.mark.skipif(not prefect_environment.is_installed(), reason="Prefect is not installed")


@pytest.fixture(scope="module")
def deployed(prefect):
    finished = prefect.taxi("deploy")
    assert finished.returncode == 0, finished.stderr
    return prefect


@pytest.fixture(scope="module")
def ask(trips, tmp_path_factory):
    """A short comparison as a file on the worker, and the parameter that names it."""

    def ask(*adapters, repeats, source=trips):
        path = tmp_path_factory.mktemp("asked") / "specification.toml"
        dataset = f"[dataset]\nsource = '{source}'\nlatitude_column = 'north'\nlongitude_column = 'east'\n"
        parameters = "[parameters]\neps_metres = 60.0\nmin_samples = 5\n"
        trials = f"[trials]\nadapters = {list(adapters)}\nrepeats = {repeats}\n"
        path.write_text(dataset + parameters + trials, encoding="utf-8")
        return f"spec={path}"

    return ask


def journal_of(prefect, folder, lines):
    """The journal of the only run in a folder of runs, once it has so many lines."""
    path = folder / "trials.jsonl"
    prefect.wait_for(lambda: path.is_file() and path.read_bytes().count(b"\n") >= lines, f"{lines} lines of {path}")
    return path


@pytest.fixture(scope="module", autouse=True)
def lost(deployed, ask):
    """A run whose host dies mid-trial, worker and all. What becomes of it is seen at the end of this module."""
    worker = deployed.start_worker("lost")
    folder = deployed.folder / "lost"
    flow_run_id = deployed.started("compare", ask("light-exact", "light-slow", repeats=3), f"output={folder}")
    journal = journal_of(deployed, folder, 3)
    running = deployed.processes_of(flow_run_id)
    assert running
    for process in (psutil.Process(worker.pid), *running):
        process.kill()
    worker.wait()
    psutil.wait_procs(running)
    finished = journal.read_bytes()
    deployed.start_worker("next")
    return SimpleNamespace(id=flow_run_id, folder=folder, finished=finished[: finished.rfind(b"\n") + 1])


def our_deployments(prefect):
    """Those of `taxi deploy`; other tests on the same server make their own, for no pool or another."""
    return {one["name"]: one for one in prefect.ask("deployments") if one["work_pool_name"] == prefect.pool}


def schedules(prefect):
    found = {}
    for deployment in our_deployments(prefect).values():
        for schedule in deployment["schedules"]:
            found[deployment["name"]] = (schedule["id"], schedule["schedule"]["cron"], schedule["schedule"]["timezone"])
    return found


def timed_trials(prefect):
    return [one for one in prefect.ask("v2/concurrency_limits") if one["name"].startswith("taxi-timed-trials")]


def test_deploying_again_changes_nothing(deployed):
    before, automations, limits = schedules(deployed), deployed.ask("automations"), timed_trials(deployed)
    assert [(limit["name"], limit["limit"]) for limit in limits] == [(f"taxi-timed-trials-{socket.gethostname()}", 1)]
    assert {name: (cron, zone) for name, (_, cron, zone) in before.items()} == {
        "daily-comparison": ("0 2 * * *", deployed.zone),
        "weekly-sweep": ("0 3 * * 1", deployed.zone),
        "aggregate-results": ("0 4 * * *", deployed.zone),
    }
    deployments = our_deployments(deployed)
    assert deployments.keys() == before.keys() | {
        "compare",
        "cluster",
        "sweep",
        "tune",
        "train",
        "promote-if-better",
        "monthly-training",
        "commit-month",
        "materialize-features",
    }
    again = deployed.answered("deploy")
    assert again.returncode == 0, again.stderr
    assert schedules(deployed) == before
    ids = {name: deployment["id"] for name, deployment in deployments.items()}
    assert {name: deployment["id"] for name, deployment in our_deployments(deployed).items()} == ids
    assert [automation["id"] for automation in deployed.ask("automations")] == [one["id"] for one in automations]
    assert [limit["id"] for limit in timed_trials(deployed)] == [limit["id"] for limit in limits]
    for deployment in deployments.values():
        assert deployment["description"]
        assert "taxi" in deployment["tags"]
        form = deployment["parameter_openapi_schema"]["properties"]
        assert all(parameter.get("description") for parameter in form.values())
        assert all("default" in parameter for parameter in form.values())
    form = deployments["compare"]["parameter_openapi_schema"]["properties"]
    assert form["points"]["enum"] == ["pickup", "dropoff"]
    assert (form["repeats"]["type"], form["repeats"]["minimum"], form["repeats"]["default"]) == ("integer", 0, 5)
    assert (form["adapters"]["type"], form["adapters"]["items"]["type"]) == ("array", "string")
    for name, document in (("compare", Specification), ("sweep", Sweep)):
        form = deployments[name]["parameter_openapi_schema"]["properties"]
        fields = sorted(form, key=lambda name: form[name]["position"])
        declared = list(parameters_of(document))
        assert fields[: len(declared)] == declared


def test_scheduled_runs_are_created(deployed):
    def upcoming():
        return deployed.ask("flow_runs", flow_runs={"state": {"type": {"any_": ["SCHEDULED"]}}})

    runs = deployed.wait_for(lambda: [run for run in upcoming() if run["auto_scheduled"]], "runs that schedules make")
    starts = {datetime.fromisoformat(run["expected_start_time"]).astimezone(ZoneInfo(deployed.zone)) for run in runs}
    assert {f"{start:%H:%M}" for start in starts} <= {"02:00", "03:00", "04:00"}


def test_a_run_that_died_while_the_server_was_away_is_still_seen_to_be_silent(deployed):
    """By what the server is started with: by default Prefect forgets after a minute whom it was waiting for."""
    program = (
        "from prefect.settings import get_current_settings\n"
        "from taxi_mlops.flows.deployments import MAX_RUN_DURATION\n"
        "assert get_current_settings().server.events.expired_bucket_buffer >= MAX_RUN_DURATION\n"
    )
    environment = deployed.environment | PrefectServer().program(deployed.stack.folder).environment
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=deployed.patience_seconds)


def results_of(settings):
    """What flows returned, as Prefect keeps it in the object store."""
    client = ObjectStore(settings).client
    for found in client.list_objects_v2(Bucket="taxi-data", Prefix="prefect-results/")["Contents"]:
        yield client.get_object(Bucket="taxi-data", Key=found["Key"])["Body"].read()


def test_a_run_that_fails_sets_the_exit_code(deployed):
    finished = deployed.answered("run", "compare", "spec=nowhere.toml", "--watch")
    assert finished.returncode == 1
    assert "cannot read the specification nowhere.toml" in finished.stdout.splitlines()[-1]


MISTAKES = [
    (("compare", "colour=3"), r"no parameter 'colour'; available: data, points"),
    (("compare", "latitude=north"), r"no parameter 'latitude'; did you mean 'lat'\?"),
    (("compare", "folder=x"), r"no parameter 'folder'; did you mean 'output'\?"),
    (("compare", "repeats=-2"), r"repeats = '-2': .*greater than or equal to 0"),
    (("compare", "bbox=1,2"), r"bbox = '1,2': .*min_lat,min_lon,max_lat,max_lon"),
    (("sweep", "eps=10,far"), r"eps = 'far': .*number"),
    (("sweep", "helpers=101"), r"helpers = '101': .*less than or equal to 100"),
    (("compare", "spec=x.toml", "repeats=3"), r"spec names a whole document: leave out repeats"),
    (("compare", "eps"), r"'eps' is not a parameter; write key=value"),
    (("compares",), r"no deployment 'compares'; available: compare, cluster, sweep"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES)
def test_a_mistake_is_one_line_before_anything_is_started(deployed, words, message):
    finished = deployed.answered("run", *words)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert re.fullmatch(rf"error: .*{message}.*\n", finished.stderr)


def test_workers_share_a_sweep(deployed, trips):
    path = trips.with_name("sweep.toml")
    grid = "[grid]\neps_metres = [40.0, 80.0]\nmin_samples = [5]\n[trials]\nrepeats = 0\nadapters = ['light-exact']\n"
    dataset = f"[dataset]\nsource = '{trips}'\nlatitude_column = 'north'\nlongitude_column = 'east'\n"
    path.write_text(dataset + grid, encoding="utf-8")
    folder = deployed.folder / "shared-sweep"
    flow_run_id = deployed.started("sweep", f"spec={path}", f"output={folder}", "helpers=1")
    run = deployed.wait_until(flow_run_id, "COMPLETED", "FAILED", "CRASHED")
    assert run["state"]["type"] == "COMPLETED", run["state"]["message"]

    def sharers():
        runs = deployed.ask("flow_runs", flow_runs={"parent_task_run_id": {"is_null_": True}})
        ours = [one for one in runs if one["parameters"].get("output") == str(folder)]
        return len(ours) == 2 and all(one["state"]["type"] == "COMPLETED" for one in ours) and ours

    deployed.wait_for(sharers, "the helper of the sweep")
    journals = [Journal.read(found) for found in folder.glob("cells/*/trials.jsonl")]
    assert [len(journal.outcomes) for journal in journals] == [1, 1]
    cells = [one["name"] for one in deployed.ask("flow_runs") if one["name"].startswith("n300-eps")]
    assert sorted(cells) == ["n300-eps40-min5", "n300-eps80-min5"]
    shown = {one["key"]: one for one in deployed.ask("artifacts")}
    assert "eps, metres" in shown["best"]["data"]


@pytest.fixture
def unsteady(trips):
    """The address of the trips at a server that is overloaded when it is first asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if len(asked) == 1:
                self.send_error(503)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(trips.read_bytes())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/trips.csv"
        server.shutdown()
        thread.join()


def test_a_worker_runs_what_is_asked_for_and_shows_it(deployed, unsteady):
    """Not the first test: the run that was killed keeps the limit of timed trials for a minute."""
    columns = (f"data={unsteady}", "lat=north", "lon=east", "bbox=-34,-71,-33,-70")
    trials = ("eps=60", "min_samples=5", "sizes=all", "adapters=light-exact,light-twin", "repeats=2")
    finished = deployed.taxi("run", "compare", *columns, *trials, "--watch")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert re.search(r"503 .*Retry 1/2 will start 2", finished.stdout)
    assert re.search(r"^trial light-twin/memory/0: ok, [\d.]+ [MG]B \(\d of 6\)$", finished.stdout, re.M)
    assert re.search(r"^trial light-twin/timing/2: ok, [\d.]+ (µ|m|)s \(\d of 6\)$", finished.stdout, re.M)
    assert "Finished in state" not in finished.stdout
    assert finished.stdout.endswith("Completed\n")
    flow_run_id = re.search(r"flow-run/([0-9a-f-]{36})", finished.stdout)[1]
    tasks = deployed.ask("task_runs", flow_runs={"id": {"any_": [flow_run_id]}})
    assert {task["name"] for task in tasks if task["run_count"] > 1} == {"load"}
    [path] = (deployed.folder / "runs").glob(f"run-*-{flow_run_id[-12:]}")
    folder = RunFolder(path)
    specification = Specification.from_file(folder.specification)
    assert (specification.dataset.bbox, specification.workloads.sizes) == ((-34.0, -71.0, -33.0, -70.0), ("all",))
    comparison = json.loads(folder.comparison.read_text(encoding="utf-8"))
    shown = {one["key"]: one for one in deployed.ask("artifacts") if one["flow_run_id"] == flow_run_id}
    ranking = json.loads(shown["ranking"]["data"])
    assert [row["adapter"] for row in ranking] == [entry["name"] for entry in comparison["ranking"]]
    assert folder.report.as_uri() in shown["report"]["data"]
    assert comparison["run_id"].encode() in b"".join(results_of(deployed.settings))


def test_the_server_is_on_postgresql_and_its_messages_and_work_are_in_redis(deployed):
    redis, psycopg = pytest.importorskip("redis"), pytest.importorskip("psycopg")
    folder = deployed.stack.folder
    with psycopg.connect(
        host="127.0.0.1",
        port=folder.port("postgresql"),
        user="prefect",
        password=database_password(folder, "prefect"),
        dbname="prefect",
    ) as connection:
        assert connection.execute("SELECT count(*) FROM flow_run").fetchone() > (0,)
    kinds = {}
    for database in (MESSAGES, DOCKET):
        with redis.Redis.from_url(redis_url(folder, database)) as client:
            kinds[database] = {client.type(name) for name in client.scan_iter()}
    assert b"stream" in kinds[MESSAGES]
    assert kinds[DOCKET]


def test_two_given_the_same_run_do_no_trial_twice(deployed, ask):
    folder = deployed.folder / "twice"
    words = (ask("light-exact", "light-slow", repeats=2), f"output={folder}")
    both = [deployed.started("compare", *words) for _ in range(2)]
    ends = [deployed.wait_until(one, "COMPLETED", "FAILED", "CRASHED")["state"] for one in both]
    assert "COMPLETED" in [state["type"] for state in ends]
    for state in ends:
        refused = re.search(f"{folder} (is in use by another taxi process|holds a run already)", state["message"] or "")
        assert state["type"] == "COMPLETED" or refused, state
    keys = [outcome.trial.key for outcome in Journal.read(RunFolder(folder).journal).outcomes]
    assert len(keys) == len(set(keys)) == 6


def test_a_clustering_in_tiles(deployed, trips):
    folder = deployed.folder / "clustered"
    words = (f"data={trips}", "lat=north", "lon=east", "eps=60", "min_samples=5", "on=tiles", f"output={folder}")
    flow_run_id = deployed.started("cluster", *words)
    state = deployed.wait_until(flow_run_id, "COMPLETED", "FAILED", "CRASHED")["state"]
    assert state["type"] == "COMPLETED", state
    result = json.loads((folder / "cluster.json").read_text(encoding="utf-8"))
    assert (result["place"], result["place_reason"]) == ("tiles", "as --on tiles says")
    assert (folder / "labels" / "part-00000.parquet").is_file()
    assert not (folder / "work").exists()


def test_the_trips_of_a_month_are_committed(deployed):
    pytest.importorskip("deltalake", reason="deltalake is in the extra delta")
    table = deployed.folder / "table"
    write_parquet(deployed.folder / "2024-01.parquet", 500)
    words = (f"data={deployed.folder}/{{month}}.parquet", f"table={table}", "month=2024-01")
    state = deployed.wait_until(deployed.started("commit-month", *words), "COMPLETED", "FAILED", "CRASHED")["state"]
    assert state["type"] == "COMPLETED", state
    (version,) = history(str(table), Settings())
    assert (version.month, version.rows, version.message) == ("2024-01", 500, "commit-month")
    (act,) = json.loads(deployed.taxi("audit", "--action", "data", "--json").stdout)
    assert (act["subject"], act["outcome"], act["details"]["rows"]) == (f"delta:{table}@0", "done", 500)
    assert (act["actor"], act["origin"]) == (f"{system_user()}@{socket.gethostname()}", "deployment commit-month")


def test_features_are_built_and_materialized(deployed):
    """Workers of these tests have no MLflow: the run itself gets a registry, in which a model was trained before."""
    for library, extra in (("polars", "features"), ("mlflow", "tracking")):
        pytest.importorskip(library, reason=f"{library} is in the extra {extra}")
    folder, source = deployed.folder / "hourly", "synthetic:rows=4000,seed=1"
    folder.mkdir()
    environment = {
        "TAXI_MLFLOW_URI": f"sqlite:///{folder / 'registry.db'}",
        "TAXI_FEATURES_DIR": str(folder / "features"),
    }
    training = ("train", source, "--eps", "150", "--min-samples", "4", "--adapter", "grid", "--name", "hourly")
    deployed.ends_well(deployed.start("-m", "taxi_mlops.cli", *training, **environment))
    deployment = our_deployments(deployed)["materialize-features"]["id"]
    asked = {
        "state": {"type": "SCHEDULED"},
        "parameters": {"data": source, "model": "hourly@challenger"},
        "job_variables": {"env": environment},
    }
    created = deployed.client.post(f"{deployed.url}/deployments/{deployment}/create_flow_run", json=asked)
    assert created.status_code == 201, created.text
    state = deployed.wait_until(created.json()["id"], "COMPLETED", "FAILED", "CRASHED")["state"]
    assert state["type"] == "COMPLETED", state
    settings = Settings(features_dir=folder / "features")
    contents = FeatureStore(settings, "hourly").contents()
    assert (contents.model_version, contents.trips.source, contents.timezone) == ("1", source, deployed.zone)
    found = online_values(open_online(settings, "hourly"), "hourly", 1, now=contents.last)
    assert (found.at, found.stale) == (contents.last, False)


def test_a_tuning(deployed, trips):
    pytest.importorskip("optuna", reason="Optuna is in the extra tune")
    folder = deployed.folder / "tuned"
    words = (f"data={trips}", "lat=north", "lon=east", "trials=3", "noise=0,1", f"output={folder}")
    flow_run_id = deployed.started("tune", *words)
    state = deployed.wait_until(flow_run_id, "COMPLETED", "FAILED", "CRASHED")["state"]
    assert state["type"] == "COMPLETED", state
    assert len(json.loads((folder / "tune.json").read_text(encoding="utf-8"))["trials"]) == 3
    shown = {one["key"]: one for one in deployed.ask("artifacts") if one["flow_run_id"] == flow_run_id}
    assert shown.keys() >= {"front", "train", "tuning-report"}
    assert "taxi train" in shown["train"]["data"]


def test_trends_are_a_page_and_artifacts(deployed):
    flow_run_id = deployed.started("aggregate-results")
    assert deployed.wait_until(flow_run_id, "COMPLETED", "FAILED", "CRASHED")["state"]["type"] == "COMPLETED"
    assert "light-exact" in (deployed.folder / "runs" / "trends.html").read_text(encoding="utf-8")
    shown = {one["key"] for one in deployed.ask("artifacts") if one["flow_run_id"] == flow_run_id}
    assert shown >= {"regressions", "trends", "trends-report"}


@pytest.fixture
def watch(deployed, ask):
    """Asks for a run of some trials, watches it, and waits for the first of them to end."""

    def watch(folder, repeats):
        asked = ask("light-exact", "light-slow", repeats=repeats)
        watching = deployed.start("-m", "taxi_mlops.cli", "run", "compare", asked, f"output={folder}", "--watch")
        journal_of(deployed, folder, 2)
        return watching

    return watch


def test_a_server_that_is_restarted_costs_a_run_nothing(deployed, watch):
    folder = deployed.folder / "restarted"
    watching = watch(folder, repeats=3)
    deployed.restart("prefect-server")
    deployed.ends_well(watching)
    outcomes = Journal.read(RunFolder(folder).journal).outcomes
    assert [outcome.status for outcome in outcomes] == [TrialStatus.OK] * 8
    assert [limit["active_slots"] for limit in timed_trials(deployed)] == [0]


def test_a_database_and_a_redis_that_are_killed_beneath_the_server_cost_a_run_nothing(deployed, watch):
    folder = deployed.folder / "beneath"
    watching = watch(folder, repeats=0)
    for name in ("postgresql", "redis"):
        deployed.restart(name)
    deployed.ends_well(watching)
    outcomes = Journal.read(RunFolder(folder).journal).outcomes
    assert [outcome.status for outcome in outcomes] == [TrialStatus.OK] * 2


def test_a_run_whose_host_died_is_resumed_elsewhere(deployed, lost):
    run = deployed.wait_until(lost.id, "COMPLETED", "FAILED")
    assert run["state"]["type"] == "COMPLETED", run["state"]["message"]
    assert run["run_count"] == 2
    states = deployed.client.get(f"{deployed.url}/flow_run_states/", params={"flow_run_id": lost.id}).json()
    assert "AwaitingRetry" in [state["name"] for state in states]
    journal = RunFolder(lost.folder).journal
    assert journal.read_bytes().startswith(lost.finished)
    keys = [outcome.trial.key for outcome in Journal.read(journal).outcomes]
    assert len(keys) == len(set(keys)) == 8
