"""What a user does with the platform in containers. The tests build on each other, in the order of this file."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from platform_in_containers import Platform

pytestmark = pytest.mark.timeout(1800)

TRIPS = "s3://taxi-data/trips.parquet"
STORED = """
import json, os
from taxi_mlops.stack.administration import ARTIFACTS_BUCKET, object_store_client
client = object_store_client(os.environ['OBJECT_STORE_URL'], os.environ['OBJECT_STORE_ADMINISTRATOR_SECRET_KEY']).client
pages = client.get_paginator('list_objects_v2').paginate(Bucket=ARTIFACTS_BUCKET)
print(json.dumps(sorted(one['Key'] for page in pages for one in page.get('Contents', ()))))
"""


def mlflow_runs(platform: Platform) -> list[dict]:
    user = ("taxi", platform.secrets["MLFLOW_PASSWORD"])
    experiment = platform.ask(
        "MLFLOW", "/api/2.0/mlflow/experiments/get-by-name?experiment_name=dbscan-comparisons", user
    )["experiment"]
    asked = {"experiment_ids": [experiment["experiment_id"]]}
    return platform.ask("MLFLOW", "/api/2.0/mlflow/runs/search", user, **asked).get("runs", [])


def artifacts(platform: Platform) -> list[str]:
    return json.loads(platform.compose("run", "--rm", "--no-deps", "-T", "bucket-setup", "python", "-c", STORED))


def value(platform: Platform, query: str) -> float | None:
    found = platform.ask("PROMETHEUS", f"/api/v1/query?query={query}")["data"]["result"]
    return float(found[0]["value"][1]) if found else None


def test_every_service_is_healthy(platform: Platform) -> None:
    assert platform.problems()


def test_a_user_pushes_trips_and_compares_them(platform: Platform) -> None:
    platform.execute("prefect-worker", "taxi", "data", "synthesize", "/tmp/trips.parquet", "--rows", "20000")
    pushed = platform.execute("prefect-worker", "taxi", "data", "push", "/tmp/trips.parquet", TRIPS)
    assert "sent" in pushed
    asked = (f"data={TRIPS}", "adapters=grid,sklearn,dbscan", "repeats=2")
    followed = platform.execute("prefect-worker", "taxi", "run", "compare", *asked, "--watch", seconds=900)
    assert followed.splitlines()[-1].startswith("Completed"), followed


def test_the_run_is_in_mlflow_with_its_report_in_the_object_store(platform: Platform) -> None:
    runs = mlflow_runs(platform)
    assert {run["info"]["status"] for run in runs} == {"FINISHED"}
    assert len(runs) == 4  # the comparison, and each adapter
    assert any(key.endswith("/report.html") for key in artifacts(platform))


def test_prometheus_has_its_metrics_and_scrapes_every_service(platform: Platform) -> None:
    platform.wait(lambda: value(platform, "taxi_runs_total"), "the run is counted", 120)
    targets = platform.ask("PROMETHEUS", "/api/v1/targets?state=active")["data"]["activeTargets"]
    absent = {"loki", "jaeger", "grafana"} - platform.services.keys()
    down = {one["labels"]["job"]: one["lastError"] for one in targets if one["health"] != "up"}
    assert down.keys() <= absent, down


def test_an_alert_reaches_the_webhook(platform: Platform) -> None:
    webhook = platform.start_webhook()
    labels = {"alertname": "ContainersTested", "severity": "critical"}
    alert = {"labels": labels, "annotations": {"summary": "a test"}, "startsAt": datetime.now(UTC).isoformat()}
    import httpx

    url = f"http://127.0.0.1:{platform.ports['ALERTMANAGER']}/api/v2/alerts"
    httpx.post(url, json=[alert], timeout=30, trust_env=False).raise_for_status()
    platform.wait(lambda: "ContainersTested" in platform.podman.run("logs", webhook), "the alert arrives", 120)


def test_three_workers_share_a_sweep(platform: Platform) -> None:
    platform.up("--no-recreate", "--scale", "prefect-worker=3")
    asked = ("eps=100,200,300", "min_samples=5,10", "adapters=grid", "repeats=0", "helpers=2")
    command = ("taxi", "run", "sweep", f"data={TRIPS}", *asked, "--watch")
    followed = platform.execute("prefect-worker", *command, seconds=1200)
    assert followed.splitlines()[-1].startswith("Completed"), followed
    took_part = [number for number in (1, 2, 3) if "Beginning flow run" in platform.logs("prefect-worker", number)]
    assert len(took_part) >= 2, took_part
    workers = platform.ask("PREFECT", "/api/work_pools/taxi/workers/filter", prefect_user(platform), limit=10)
    assert len([worker for worker in workers if worker["status"] == "ONLINE"]) == 3


def test_down_and_up_again_loses_nothing(platform: Platform) -> None:
    before = mlflow_runs(platform), artifacts(platform), flow_runs(platform), runs_of(platform)
    assert all(before)
    platform.compose("down")
    assert not platform.podman.run("ps", "--all", "--quiet", "--filter=name=taxi-mlops-")
    platform.up()
    assert (mlflow_runs(platform), artifacts(platform), flow_runs(platform), runs_of(platform)) == before
    assert value(platform, "max_over_time(taxi_runs_total[1h])")


def prefect_user(platform: Platform) -> tuple[str, str]:
    return "taxi", platform.secrets["PREFECT_PASSWORD"]


def flow_runs(platform: Platform) -> list[str]:
    asked = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}, "limit": 200}
    found = platform.ask("PREFECT", "/api/flow_runs/filter", prefect_user(platform), **asked)
    return sorted(one["id"] for one in found)


def runs_of(platform: Platform) -> list[str]:
    """The runs in the experiment store and on the volume, as the command lists them."""
    return sorted(
        one["run_id"] for one in json.loads(platform.execute("prefect-worker", "taxi", "runs", "list", "--json"))
    )
