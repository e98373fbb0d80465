"""Tiles on real clusters of this machine give the clusters of `dbscan`, whatever dies on the way."""

from __future__ import annotations

import builtins
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext, suppress
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haversine_dbscan.clustering import dbscan
from taxi_mlops.clustering import Cluster
from taxi_mlops.data.load import open_trips
from taxi_mlops.errors import ServiceError
from taxi_mlops.pipeline import tiles as steps
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.place import choose_place
from taxi_mlops.pipeline.tiled_files import write_tiled
from taxi_mlops.results.cluster_result import ClusterFolder
from taxi_mlops.scale import on_dask
from taxi_mlops.scale.clusters import connect, start
from taxi_mlops.scale.executors import WorkerDiedError
from taxi_mlops.scale.pieces import array_pieces
from taxi_mlops.scale.plan import make_plan
from taxi_mlops.scale.run import Limits, Tiling, survey_pieces
from taxi_mlops.scale.shared_folders import NotSharedError
from taxi_mlops.scale.spill import Spill
from taxi_mlops.settings import Settings
from taxi_mlops.testing.cases import around

EPS = 50.0
LIBRARIES = {"dask": "distributed", "ray": "ray"}
WORKERS = 2
TINY = Limits(points_of_a_tile=12, chunk_rows=60, smallest_gain=1.1)
run = builtins.eval


@pytest.fixture(scope="module", params=LIBRARIES)
def cluster(request):
    pytest.importorskip(LIBRARIES[request.param], reason=f"the extra {request.param} is not installed")
    with start(request.param, WORKERS, 2 * 10**9) as executor:
        yield executor


def workers_of(executor):
    """The processes of the workers that live."""
    if executor.name == "dask":
        return list(executor._client.run(os.getpid, on_error="ignore").values())
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            name = child.name()  # that of its task
            if name.startswith("ray::") and "Agent" not in name and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child.pid)
    return found


def kill_a_worker(executor):
    while not (found := workers_of(executor)):
        time.sleep(0.05)  # those killed before are started again
    with suppress(ProcessLookupError):
        os.kill(min(found), signal.SIGKILL)


def snake(seed, n, place=(-17.0, 180.0), step=0.5):
    """A random walk with steps of about so many eps: clusters wind through many tiles."""
    metres = np.cumsum(np.random.default_rng(seed).normal(0.0, step * EPS, (n, 2)), axis=0)
    points = around(metres[:, 0], metres[:, 1], place)
    return points.latitude, points.longitude


def assert_same(executor, latitude, longitude, min_samples, progress=lambda *_: None):
    """Label by label the clustering of `dbscan`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pieces = array_pieces(latitude, longitude, None, 40)
        survey = survey_pieces(pieces, EPS, TINY, executor, progress, len(latitude))
        plan = make_plan(survey.sketch, survey.box, EPS, TINY.points_of_a_tile, TINY.smallest_gain)
        (folder / "labels").mkdir()
        tiling = Tiling(plan, pieces, survey.rows, min_samples, TINY, Spill.at(folder / "spill"), executor, progress)
        parts = pa.concat_tables([pq.read_table(part) for part in tiling.run(folder / "labels").parts])
        assert not list(folder.rglob("*.part"))
    expected, core = dbscan(latitude, longitude, EPS, min_samples)
    np.testing.assert_array_equal(parts["row"], np.arange(len(latitude)))
    np.testing.assert_array_equal(parts["label"], expected)
    np.testing.assert_array_equal(parts["core"], core)


def test_workers_and_their_memory_are_known(cluster):
    assert cluster.bytes_of_a_worker == {"dask": 2 * 10**9, "ray": 10**9}[cluster.name]
    assert cluster.workers == WORKERS
    assert len(cluster.worker_names) == {"dask": WORKERS, "ray": 1}[cluster.name]  # the nodes of Ray


@pytest.mark.parametrize("cluster", ["dask"], indirect=True)
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 70), min_samples=st.integers(1, 8))
def test_random_walks(cluster, seed, n, min_samples):
    assert_same(cluster, *snake(seed, n), min_samples)


@pytest.mark.parametrize("cluster", ["dask"], indirect=True)
def test_one_worker_and_permuted_points(cluster):
    class One:
        def run(self, function, tasks, at_once=None):
            return cluster.run(function, tasks, 1)

    latitude, longitude = snake(5, 120)
    order = np.random.default_rng(1).permutation(120)
    assert_same(One(), latitude[order], longitude[order], 6)


def test_a_worker_killed_in_every_stage(cluster):
    killed = []

    def kill(stage, done, total):
        if 0 < done < total and stage not in killed:
            kill_a_worker(cluster)
            killed.append(stage)

    latitude, longitude = snake(3, 300)
    assert_same(cluster, latitude, longitude, 5, kill)
    assert killed == ["survey", "scatter", "cluster", "label"]


def test_trips_are_clustered_as_in_memory(cluster, tmp_path, monkeypatch):
    """From the document to the files; the paths of trips and results are relative."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("taxi_mlops.pipeline.workers.start", lambda *_: nullcontext(cluster))
    monkeypatch.setattr("taxi_mlops.pipeline.workers.Limits.of_memory", lambda _bytes: Limits(100, 1_000))
    latitude, longitude = snake(1, 500, (-33.45, -70.66))
    pq.write_table(pa.table({"lat": latitude, "lon": longitude}), "trips.parquet")
    document = Cluster().with_parameters({"data": "trips.parquet", "eps": EPS, "min_samples": 4, "on": cluster.name})
    options, observer = Settings(cache_dir=tmp_path / "cache"), Observer()
    place = choose_place(document, open_trips(document.dataset, options, observer.loading))
    folder = ClusterFolder(Path("out"))
    result = write_tiled(steps.cluster_in_tiles(document, place, options, observer, folder), observer)
    assert (result.place, result.tiles.on, result.tiles.workers) == ("tiles", cluster.name, WORKERS)
    np.testing.assert_array_equal(pq.read_table("out/labels")["core"], dbscan(latitude, longitude, EPS, 4)[1])
    assert not Path("out/work").exists()


def test_a_folder_that_is_not_shared_is_refused(cluster, tmp_path, monkeypatch):
    cluster.require_shared([tmp_path])
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("taxi_mlops.scale.shared_folders.Marker.__enter__", lambda marker: marker)
    monkeypatch.setattr("taxi_mlops.scale.shared_folders._SECONDS", 0.0)
    with pytest.raises(NotSharedError, match=r"worker .* does not share .* with this machine; choose folders"):
        cluster.require_shared([tmp_path])


def test_what_a_task_raises_is_raised(cluster):
    with pytest.raises(ZeroDivisionError):
        list(cluster.run(run, ["0", "1 / 0"]))
    with pytest.raises(TimeoutError):
        list(cluster.run(run, ["(_ for _ in ()).throw(TimeoutError)"]))
    with pytest.raises(WorkerDiedError, match=r"bytearray.*: there is not enough memory"):
        list(cluster.run(run, ["bytearray(1 << 60)"]))


def test_a_task_that_always_kills_its_worker_is_named(cluster):
    with pytest.raises(WorkerDiedError, match=r"_exit\(9\): every worker that worked on it died"):
        list(cluster.run(run, ["0", "__import__('os')._exit(9)", "0"]))
    assert dict(cluster.run(math.sqrt, [4.0])) == {0: 2.0}


@pytest.mark.parametrize("cluster", ["dask"], indirect=True)
def test_a_task_whose_worker_is_short_of_memory_is_run_again(cluster, tmp_path):
    """Dask kills a worker that has taken nearly all of its memory."""
    path = f"__import__('pathlib').Path({str(tmp_path / 'begun')!r})"
    hungry = f"(b'x' * {21 * 10**8}, __import__('time').sleep(120))"
    once = f"{path}.exists() or ({path}.touch(), {hungry})"
    assert dict(cluster.run(run, ["0", once, "0"])) == {0: 0, 1: True, 2: 0}


@pytest.mark.parametrize("cluster", ["dask"], indirect=True)
def test_tls_with_the_certificates_of_dasks_configuration(cluster, tmp_path):
    import dask

    security, tls = cluster._client.security, {}
    for key, name in {"ca-file": "ca_file", "client.cert": "client_cert", "client.key": "client_key"}.items():
        (tmp_path / name).write_text(getattr(security, f"tls_{name}"))
        tls[f"distributed.comm.tls.{key}"] = str(tmp_path / name)
    address = cluster._client.scheduler.address
    with dask.config.set(tls), connect(address) as other:
        assert other.name == address
        assert dict(other.run(math.sqrt, [4.0])) == {0: 2.0}
    with pytest.raises(ServiceError, match=f"{address}: "):
        connect(address).__enter__()


def test_no_scheduler_there(monkeypatch):
    monkeypatch.setattr(on_dask, "_CONNECT_SECONDS", 0.2)
    for address, problem in {
        "dask://127.0.0.1:9": "no Dask scheduler answers there; start one with",
        "ray://127.0.0.1:9": "no Ray cluster answers there; start one with",
    }.items():
        pytest.importorskip(LIBRARIES[address[: address.index(":")]])
        with pytest.raises(ServiceError, match=f"{address}: {problem}"):
            connect(address).__enter__()


@pytest.mark.parametrize("cluster", ["dask"], indirect=True)
def test_zz_a_scheduler_that_dies_is_an_error(cluster):
    """The last test of this cluster."""
    scheduler = cluster._client.run_on_scheduler(os.getpid)
    answers = cluster.run(run, ["0", f"__import__('os').kill({scheduler}, 9) or __import__('time').sleep(60)"])
    with pytest.raises(ServiceError, match="dask: the connection to the Dask scheduler was lost"):
        list(answers)


LEFT_BY_RAY = """
import math
from pathlib import Path

import psutil

from taxi_mlops.scale import on_ray

with on_ray.ray_here(1, 10**9) as executor:
    assert dict(executor.run(math.sqrt, [4.0])) == {0: 2.0}
    folder = Path(executor._ray._private.worker._global_node.get_session_dir_path()).parent
    processes = on_ray._processes_of_ray(str(folder))
running = [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
print(len(processes) > 3, running, folder.exists())
"""


def test_a_ray_cluster_leaves_no_process_and_no_folder():
    """In a process of its own, since this one may have a session."""
    pytest.importorskip("ray", reason="the extra ray is not installed")
    called = subprocess.run(
        [sys.executable, "-c", LEFT_BY_RAY], capture_output=True, text=True, timeout=250, check=False
    )
    assert called.stdout == "True [] False\n", called.stderr
