"""The clusters of the stack: only who has their key or token may use them; Dask only from this machine."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import httpx
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from haversine_dbscan.clustering import dbscan
from taxi_mlops.errors import ServiceError
from taxi_mlops.scale.clusters import connect
from taxi_mlops.stack.services.dask import DaskScheduler, DaskWorkers, worker_addresses
from taxi_mlops.stack.services.prometheus import Prometheus
from taxi_mlops.stack.services.ray import Ray, folder_of_ray
from taxi_mlops.trials.clusterings import canonical_labels

dask = pytest.importorskip("dask", reason="the extra dask is not installed")
WORKERS = 2


@pytest.fixture
def cluster(own_services):
    services = own_services()
    services.stack.folder.make()
    services.stack.folder.write_workers(WORKERS)
    services.up("dask")
    return services


def listening(stack):
    """The addresses at which processes of the stack listen."""
    found = set()
    for status in stack.status():
        for process in (psutil.Process(status.pid), *psutil.Process(status.pid).children(recursive=True)):
            found |= {one.laddr.ip for one in process.net_connections("tcp") if one.status == psutil.CONN_LISTEN}
    return found


def test_workers_compute_for_those_who_have_the_key(cluster):
    stack = cluster.stack
    scheduler, workers = stack.status()
    assert (scheduler.name, workers.name) == ("dask-scheduler", "dask")
    assert (scheduler.up, workers.up) == (True, True)
    assert workers.address.startswith("tls://127.0.0.1:")
    assert scheduler.address == workers.address
    assert "Dask" in httpx.get(f"{scheduler.dashboard}/status", timeout=30).text
    configuration = yaml.safe_load((stack.folder.data("dask-scheduler") / "dask.yaml").read_text())
    for address in (scheduler.dashboard, f"http://{worker_addresses(stack.folder)[1]}"):
        assert "dask_" in httpx.get(f"{address}/metrics", timeout=30).text
    tls = configuration["distributed"]["comm"]["tls"]
    client = {f"distributed.comm.tls.client.{key}": value for key, value in tls["client"].items()}
    with (
        dask.config.set({"distributed.comm.tls.ca-file": tls["ca-file"], **client}),
        connect(workers.address) as executor,
    ):
        assert executor.workers == WORKERS
        assert dict(executor.run(math.sqrt, [4.0, 9.0])) == {0: 2.0, 1: 3.0}
    with pytest.raises(ServiceError, match=workers.address):
        connect(workers.address).__enter__()
    assert listening(stack) == {"127.0.0.1"}
    command_lines = " ".join(psutil.Process(workers.pid).cmdline())
    assert "PRIVATE KEY" not in command_lines
    assert stack.folder.secret_file("dask_key.pem").stat().st_mode & 0o777 == 0o600


def test_a_worker_that_dies_is_started_again(cluster, wait_until):
    stack = cluster.stack
    (_, status) = stack.status()

    def workers():
        # A process that just died is a zombie without a command line, which `process_iter` reads as None.
        found = [one.info for one in psutil.process_iter(["pid", "ppid", "cmdline"])]
        children = [one for one in found if one["ppid"] == status.pid]
        return {one["pid"] for one in children if "spawn_main" in " ".join(one["cmdline"] or [])}

    before = workers()
    assert len(before) == WORKERS
    os.kill(min(before), 9)
    wait_until(lambda: len(workers() - {min(before)}) == WORKERS, "there are two workers again", within_seconds=60)
    wait_until(lambda: stack.status()[1].up, "both answer", within_seconds=60)


SQUARE_ROOT = """
import math, sys
from taxi_mlops.errors import ServiceError
from taxi_mlops.scale.clusters import connect

try:
    with connect(sys.argv[1]) as executor:
        print(executor.workers, dict(sorted(executor.run(math.sqrt, [4.0, 9.0]))))
except ServiceError as error:
    print(error)
    print("refused")
"""


@pytest.mark.timeout(800)
def test_ray_computes_for_those_who_have_the_token(own_services, tmp_path):
    """In processes of their own, since Ray reads its token when it is imported."""
    pytest.importorskip("ray", reason="the extra ray is not installed")
    services = own_services()
    stack = services.stack
    stack.folder.make()
    stack.folder.write_workers(WORKERS)
    services.up("ray")
    [status] = stack.status()
    assert status.up
    assert status.address.startswith("ray://127.0.0.1:")
    assert httpx.get(f"{status.dashboard}/api/version", timeout=30).status_code == 401
    assert "ray_" in httpx.get(f"http://{stack.folder.listens_at('ray', 'metrics')}/metrics", timeout=30).text
    wrong = tmp_path / "token"
    wrong.write_text("0" * 32)
    said = {}
    for token in (stack.folder.secret_file("ray_token"), wrong):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        environment["RAY_AUTH_TOKEN_PATH"] = str(token)
        if token is wrong:  # Ray tries again and again
            environment |= {"RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S": "5", "RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S": "5"}
        called = subprocess.run(
            [sys.executable, "-c", SQUARE_ROOT, status.address],
            env=environment,
            capture_output=True,
            text=True,
            timeout=250,
            check=True,
        )
        said[token] = called.stdout.splitlines()[-1]
        print(called.stdout)  # shown if the test fails
    assert list(said.values()) == [f"{WORKERS} {{0: 2.0, 1: 3.0}}", "refused"]
    assert_clusters_as_in_memory(status.address, stack.folder.secret_file("ray_token"), tmp_path)
    assert folder_of_ray(stack.folder).is_dir()
    stack.down()
    assert not folder_of_ray(stack.folder).exists()
    left = [one for one in psutil.process_iter(["cmdline"]) if stack.folder.identifier[:12] in str(one.info["cmdline"])]
    assert left == []


def assert_clusters_as_in_memory(address, token, folder):
    """`taxi cluster --on ray://…` has the labels of memory."""
    steps = np.cumsum(np.random.default_rng(4).normal(0.0, 2e-4, (2_000, 2)), axis=0)
    latitude, longitude = -33.45 + steps[:, 0], -70.66 + steps[:, 1]
    pq.write_table(pa.table({"lat": latitude, "lon": longitude}), folder / "trips.parquet")
    options = ["--eps", "50", "--min-samples", "6", "--bbox=-90,-180,90,180", "--quiet", "--on", address]
    called = subprocess.run(
        [sys.executable, "-m", "taxi_mlops.cli", "cluster", "trips.parquet", *options, "--output", "out"],
        env=os.environ | {"RAY_AUTH_TOKEN_PATH": str(token), "TAXI_CACHE_DIR": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=folder,
    )
    assert called.returncode == 0, called.stdout + called.stderr
    found = pq.read_table(folder / "out" / "labels")
    label, core = dbscan(latitude, longitude, 50.0, 6)
    np.testing.assert_array_equal(found["label"], canonical_labels(label))
    np.testing.assert_array_equal(found["core"], core)
    assert label.max() == 2
    assert not (folder / "out" / "work").exists()


def test_targets_are_the_scheduler_and_each_worker(tmp_path):
    from taxi_mlops.stack.folder import StackFolder

    folder = StackFolder(tmp_path / "stack")
    folder.make()
    folder.write_workers(3)
    folder.write_services(("dask-scheduler", "dask", "ray"))
    files = Prometheus().program(folder).files if not Prometheus().missing() else {}
    if not files:
        pytest.skip("prometheus is not installed")
    targets = yaml.safe_load(files["targets/services.yml"])
    found = [(len(one["targets"]), one["labels"]["job"]) for one in targets]
    assert found == [(1, "dask"), (3, "dask"), (1, "ray")]


def test_none_is_started_unless_it_is_named():
    assert not DaskScheduler.by_default
    assert not DaskWorkers.by_default
    assert not Ray.by_default
