"""A Dask worker whose network is gone in the middle of a clustering: its tiles run elsewhere, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from haversine_dbscan.clustering import dbscan
from taxi_mlops.scale.clusters import connect
from taxi_mlops.scale.pieces import array_pieces
from taxi_mlops.scale.plan import make_plan
from taxi_mlops.scale.run import Limits, Tiling, survey_pieces
from taxi_mlops.scale.spill import Spill
from taxi_mlops.testing.cases import around

pytest.importorskip("distributed", reason="the extra dask is not installed")
EPS = 50.0
TINY = Limits(points_of_a_tile=12, chunk_rows=60, smallest_gain=1.1)
START_SECONDS = 120.0


def ip(*arguments):
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False, timeout=30)


class Network:
    """Two hosts behind a bridge of this one, each a network namespace. They share its disk."""

    def __init__(self, stack: ExitStack) -> None:
        if os.geteuid() or not shutil.which("ip"):
            pytest.skip("network namespaces are made by root, with ip")
        name = uuid4().hex[:6]
        self.address = f"10.{200 + int(name[:2], 16) % 50}.{int(name[2:4], 16)}"
        self.hosts = [f"taxi-{name}-{number}" for number in (1, 2)]
        self.links = [f"taxi{name}{number}" for number in (1, 2)]
        bridge = f"taxi{name}b"
        made = ip("link", "add", bridge, "type", "bridge")
        if made.returncode:
            pytest.skip(f"no bridge can be made here: {made.stderr.strip()}")
        stack.callback(ip, "link", "del", bridge)
        for arguments in (("addr", "add", f"{self.address}.1/24", "dev", bridge), ("link", "set", bridge, "up")):
            self.require(*arguments)
        for number, (host, link) in enumerate(zip(self.hosts, self.links, strict=True), start=2):
            self.require("netns", "add", host)
            stack.callback(ip, "netns", "del", host)  # its end of the link, and with it the other, goes too
            self.require("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", host)
            self.require("link", "set", link, "master", bridge, "up")
            inside = ("-n", host)
            self.require(*inside, "addr", "add", f"{self.address}.{number}/24", "dev", "eth0")
            self.require(*inside, "link", "set", "lo", "up")
            self.require(*inside, "link", "set", "eth0", "up")

    def require(self, *arguments):
        done = ip(*arguments)
        if done.returncode:
            pytest.skip(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


@pytest.fixture
def network():
    with ExitStack() as stack:
        yield Network(stack)


@pytest.fixture
def cluster(network, tmp_path):
    """The address of a scheduler on this host, with a worker on each of the two others."""
    # A connection without an answer is given up after twelve seconds, instead of half a minute.
    environment = os.environ | {
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s",
        "DASK_DISTRIBUTED__DIAGNOSTICS__NVML": "False",
        "DASK_TEMPORARY_DIRECTORY": str(tmp_path),
    }
    port = 20_000 + os.getpid() % 20_000
    address = f"{network.address}.1:{port}"
    scheduler = ["-m", "distributed.cli.dask_scheduler", "--host", f"{network.address}.1", "--port", str(port)]
    worker = ["-m", "distributed.cli.dask_worker", f"tcp://{address}", "--nthreads", "1", "--no-dashboard"]
    processes = []
    try:
        for inside, command in (
            ([], [*scheduler, "--no-dashboard"]),
            *((["ip", "netns", "exec", host], worker) for host in network.hosts),
        ):
            with (tmp_path / f"{len(processes)}.log").open("wb") as log:
                processes.append(
                    subprocess.Popen(
                        [*inside, sys.executable, *command],
                        env=environment,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
        yield f"dask://{address}"
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def workers_of(client):
    return len(client.scheduler_info(n_workers=-1)["workers"])


def test_the_link_of_a_worker_is_pulled(network, cluster, monkeypatch, tmp_path):
    monkeypatch.setattr("taxi_mlops.scale.on_dask._CONNECT_SECONDS", START_SECONDS)
    metres = np.cumsum(np.random.default_rng(3).normal(0.0, 0.5 * EPS, (300, 2)), axis=0)
    points = around(metres[:, 0], metres[:, 1], (-17.0, 180.0))
    latitude, longitude = points.latitude, points.longitude
    pulled = []

    def pull(stage, done, total):
        if stage == "cluster" and 0 < done < total and not pulled:
            pulled.append(done)
            assert ip("link", "set", network.links[0], "down").returncode == 0

    with connect(cluster) as executor, tempfile.TemporaryDirectory(dir=tmp_path) as name:
        executor._client.wait_for_workers(2, timeout=START_SECONDS)
        folder, pieces = Path(name), array_pieces(latitude, longitude, None, 40)
        survey = survey_pieces(pieces, EPS, TINY, executor, pull, len(latitude))
        plan = make_plan(survey.sketch, survey.box, EPS, TINY.points_of_a_tile, TINY.smallest_gain)
        (folder / "labels").mkdir()
        tiling = Tiling(plan, pieces, survey.rows, 5, TINY, Spill.at(folder / "spill"), executor, pull)
        parts = pa.concat_tables([pq.read_table(part) for part in tiling.run(folder / "labels").parts])
        assert pulled
        deadline = time.monotonic() + START_SECONDS
        while workers_of(executor._client) > 1:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    expected, core = dbscan(latitude, longitude, EPS, 5)
    np.testing.assert_array_equal(parts["row"], np.arange(len(latitude)))
    np.testing.assert_array_equal(parts["label"], expected)
    np.testing.assert_array_equal(parts["core"], core)
