"""Every query of every panel and rule, asked of the real programs after a real run: each must return data."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import yaml
from pydantic import SecretStr

from taxi_mlops.clustering import Cluster
from taxi_mlops.monitoring.tracing import trace_id_of
from taxi_mlops.pipeline.cluster_run import cluster_into
from taxi_mlops.pipeline.compare import compare
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.record import configured_recorders
from taxi_mlops.recording.recordings import Recordings
from taxi_mlops.results.cluster_result import ClusterFolder
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.specification import Specification
from taxi_mlops.testing.sample_runs import make_run

DEPLOY = Path(__file__).parents[3] / "deploy"
DEPLOYMENT = "nightly"
WATCHERS = ("prometheus", "pushgateway", "alertmanager", "loki", "jaeger", "exporter")
WATCHED = ("node-exporter", "process-exporter", "postgres-exporter", "redis-exporter", "object-store", "prefect-server")
TYPED = "What a Person Typed, for 2026!"
WITHOUT_DATA = {"BackupMissing", "BackupNotVerified", "CertificateExpires"}
"""Alerts whose metrics may be absent: where nothing speaks TLS."""


@pytest.fixture(scope="module")
def services(start_services, shorten):
    with start_services().for_now(*WATCHERS, *WATCHED) as services:
        flow_runs(services.settings)
        shorten(services)
        yield services


def flow_runs(settings):
    """A deployment at Prefect's server that has failed, then completed a run, and has two to come; and a worker that
    said so. Beside them, another deployment and another pool, of names that are no labels.
    """
    user, password = settings.prefect_api_auth.get_secret_value().split(":")
    now = datetime.now(UTC)
    with httpx.Client(base_url=str(settings.prefect_api_url), auth=(user, password), timeout=30) as client:

        def post(path, **content):
            answer = client.post(path, json=content)
            assert answer.is_success, answer.text
            return answer.json() if answer.content else None

        for pool in (settings.prefect_work_pool, TYPED):
            if client.get(f"/work_pools/{pool}").status_code == 404:
                post("/work_pools/", name=pool, type="process", base_job_template={})
            post(f"/work_pools/{pool}/workers/heartbeat", name="one")
        flow = post("/flows/", name="compare")
        deployment, other = (
            post("/deployments/", name=name, flow_id=flow["id"], tags=["taxi"]) for name in (DEPLOYMENT, TYPED)
        )
        for of, end in ((other, "COMPLETED"), (deployment, "FAILED"), (deployment, "COMPLETED")):
            done = post(f"/deployments/{of['id']}/create_flow_run", state={"type": "SCHEDULED"})
            for kind in ("RUNNING", end):
                post(f"/flow_runs/{done['id']}/set_state", state={"type": kind}, force=True)
        for minutes in (10, 20):
            at = (now + timedelta(minutes=minutes)).isoformat()
            state = {"type": "SCHEDULED", "state_details": {"scheduled_time": at}}
            post(f"/deployments/{deployment['id']}/create_flow_run", state=state)


@pytest.fixture(scope="module")
def run(services, tmp_path_factory, ask, wait_until):
    """The folder of a real comparison, and two sample runs around it, so that counters have moved."""
    folder = tmp_path_factory.mktemp("watched")
    settings = services.settings.model_copy(
        update={
            "cache_dir": folder / "cache",
            "runs_dir": folder / "runs",
            "mlflow_uri": SecretStr("off"),
            "deployment": DEPLOYMENT,
        }
    )
    pushgateway = configured_recorders(settings)[-1]
    asked = ask(services)

    def counted(runs):
        [found] = asked.metrics(f'sum(taxi_runs_total{{deployment="{DEPLOYMENT}"}}) or vector(0)')
        return float(found["value"][1]) == runs

    pushgateway.record(make_run(folder / "before"))
    wait_until(lambda: counted(1), "the first push is scraped")
    specification = Specification.model_validate(
        {"dataset": {"synthetic_rows": 1500}, "trials": {"adapters": ["sklearn", "grid"], "repeats": 2}}
    )
    run = RunFolder(folder / "run")
    compare(specification, run, settings, Observer())
    pushgateway.record(make_run(folder / "after", "20260103T030405Z-000002"))
    trips = folder / "trips.csv"
    trips.write_text("latitude,longitude\n" + "".join(f"41.9,{-87.6 + 1e-4 * n}\n" for n in range(100)))
    document = Cluster().with_parameters({"data": str(trips), "eps": 50, "min_samples": 3, "on": "tiles", "threads": 1})
    cluster_into(document, ClusterFolder(folder / "tiles"), settings, Observer())
    wait_until(lambda: counted(3), "all pushes are scraped")
    return run


def panels():
    for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                yield pytest.param(panel["type"], target["expr"], id=f"{path.stem}: {panel['title']}")


def rules():
    for path in sorted((DEPLOY / "prometheus" / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


def test_the_run_said_nothing_was_missed(run):
    assert Recordings.read(run).failed == ()
    assert "not_sent" not in run.log.read_text(encoding="utf-8")


@pytest.mark.parametrize(("kind", "expression"), list(panels()))
def test_a_panel_has_data(run, services, ask, wait_until, kind, expression):
    query = expression.replace("$deployment", ".*")
    asked = ask(services)
    wait_until(lambda: asked.lines(query) if kind == "logs" else asked.metrics(query), query)


@pytest.mark.parametrize("rule", list(rules()), ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_rests_on_data(run, services, ask, wait_until, metrics_in, rule):
    asked = ask(services)
    for name in metrics_in(rule["expr"]) if rule.get("alert") not in WITHOUT_DATA else ():
        wait_until(lambda name=name: asked.metrics(name), name)


def test_every_rule_is_evaluated_without_an_error(services, ask, wait_until):
    def evaluated():
        found = ask(services).rules()
        assert not [rule for rule in found if rule.get("lastError")]
        return all(rule["health"] == "ok" for rule in found) and found

    found = wait_until(evaluated, "all rules are evaluated")
    assert {rule["name"] for rule in found} == {rule.get("alert") or rule["record"] for rule in rules()}


def test_what_a_person_typed_at_prefect_is_no_label(services, ask, wait_until):
    asked = ask(services)
    wait_until(lambda: asked.metrics('taxi_flow_runs{deployment="other", state="completed"} > 0'), "others are counted")
    assert {found["metric"]["pool"] for found in asked.metrics("taxi_workers")} == {services.settings.prefect_work_pool}
    assert asked.metrics(f'{{__name__=~"taxi_.+", deployment="{TYPED}"}}') == []


def test_a_worker_serves_its_metrics_at_the_given_address(services, wait_until, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {
        "PREFECT_HOME": str(tmp_path),
        "PREFECT_API_URL": str(services.settings.prefect_api_url),
        "PREFECT_API_AUTH_STRING": services.settings.prefect_api_auth.get_secret_value(),
    }
    command = ["worker", "start", "--pool", "of-this-test-alone", "--type", "process"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "taxi_mlops.flows.prefect_worker", address, *command],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def shown():
        try:
            return httpx.get(f"http://{address}/metrics").text
        except httpx.TransportError:
            return ""

    try:
        wait_until(lambda: "prefect_events_emitted_total{" in shown(), "the worker has counted an event")
    finally:
        worker.kill()
        worker.wait()


def test_nothing_is_said_to_be_down_on_a_stack_that_is_up(run, services, ask):
    firing = ask(services).metrics('ALERTS{alertstate="firing", area=~"services|stores"}')
    assert [alert["metric"] for alert in firing] == []


def test_from_the_metric_of_a_run_to_its_trace_and_its_log(run, services, ask, wait_until):
    asked, run_id = ask(services), json.loads(run.comparison.read_text(encoding="utf-8"))["run_id"]
    [shown] = wait_until(
        lambda: asked.metrics(f'last_over_time(taxi_last_run_info{{run_id="{run_id}"}}[1h])'), "the run's metric"
    )
    trace_id = shown["metric"]["trace_id"]
    assert trace_id == trace_id_of(run_id)
    spans = wait_until(lambda: asked.spans(trace_id), "the trace")
    names = [span["operationName"] for span in spans]
    assert names.count("trial") == 6
    assert {"compare", "load", "trial.fit", "record.store", "SQL INSERT", "PUT pushgateway"} <= set(names)
    tags = {tag["key"]: tag["value"] for span in spans if span["operationName"] == "trial" for tag in span["tags"]}
    assert {"taxi.adapter", "taxi.points", "taxi.eps_metres", "taxi.min_samples", "taxi.fingerprint"} <= set(tags)
    query = f'{{service_name="taxi-mlops"}} | trace_id="{trace_id}"'
    streams = wait_until(lambda: asked.lines(query), "the log")
    events = [stream["stream"]["event"] for stream in streams for _ in stream["values"]]
    assert events.count("trial_finished") == 6
    assert {"run_started", "points_loaded", "audited", "run_finished", "run_recorded"} <= set(events)
    assert {stream["stream"]["taxi_run_id"] for stream in streams} == {run_id}
    assert asked.labels_of_lines() == ["service_name"]
