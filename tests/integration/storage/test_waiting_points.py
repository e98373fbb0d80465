"""Points of tiles that wait in a real object store: the labels of memory, and a store that dies on the way."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from haversine_dbscan.clustering import dbscan
from taxi_mlops.clustering import Cluster
from taxi_mlops.errors import DataError, RunFolderError, ServiceError
from taxi_mlops.pipeline import tiles as steps
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.place import ChosenPlace
from taxi_mlops.pipeline.spilling import open_spill
from taxi_mlops.pipeline.tiled_files import write_tiled
from taxi_mlops.pipeline.workers import Workers
from taxi_mlops.results.cluster_result import ClusterFolder
from taxi_mlops.scale.executors import Inline
from taxi_mlops.scale.run import Limits
from taxi_mlops.trials.clusterings import canonical_labels

EPS, MIN_SAMPLES, POINTS = 50.0, 5, 900
PLACE = ChosenPlace("tiles", "as --on tiles says", 2 * 10**9)


@pytest.fixture
def trips(tmp_path):
    """Trips along a winding way, their labels and core points."""
    steps_ = np.cumsum(np.random.default_rng(2).normal(0.0, 2e-4, (POINTS, 2)), axis=0)
    latitude, longitude = 48.85 + steps_[:, 0], 2.35 + steps_[:, 1]
    path = tmp_path / "trips.parquet"
    pq.write_table(pa.table({"lat": latitude, "lon": longitude}), path, row_group_size=200)
    label, core = dbscan(latitude, longitude, EPS, MIN_SAMPLES)
    return path, canonical_labels(label), core


@pytest.fixture
def small(monkeypatch):
    """Many tiles and chunks, though there are few points, one after the other in this process."""
    monkeypatch.setattr(steps, "open_workers", lambda *_: _here())


class _here:  # noqa: N801 - stands for a function
    def __enter__(self):
        return Workers(Inline(), Limits(200, 200, smallest_gain=1.1))

    def __exit__(self, *_):
        pass


def document(path):
    return Cluster().with_parameters(
        {"data": str(path), "eps": EPS, "min_samples": MIN_SAMPLES, "on": "tiles", "bbox": "-90,-180,90,180"}
    )


def assert_labels(folder, expected):
    _, label, core = expected
    found = pq.read_table(folder / "labels")
    np.testing.assert_array_equal(found["row"], np.arange(POINTS))
    np.testing.assert_array_equal(found["label"], label)
    np.testing.assert_array_equal(found["core"], core)


def names(bucket):
    listed = bucket.client.list_objects_v2(Bucket="taxi-data", Prefix=f"{bucket.prefix}/waiting/")
    return [item["Key"].split("/waiting/")[1] for item in listed.get("Contents", ())]


def test_workers_are_processes_that_connect_by_themselves(bucket, store_settings, start_services, trips, tmp_path):
    """With `taxi cluster`, as a user runs it."""
    environment = os.environ | {
        "TAXI_SETTINGS": str(start_services("object-store").stack.folder.settings_file),
        "TAXI_CACHE_DIR": str(tmp_path / "cache"),
    }
    options = ["--eps", "50", "--min-samples", "5", "--bbox=-90,-180,90,180", "--on", "tiles", "--threads", "2"]
    options += ["--spill", bucket.address("waiting"), "--quiet", "--output", str(tmp_path / "out")]
    called = subprocess.run(
        [sys.executable, "-m", "taxi_mlops.cli", "cluster", str(trips[0]), *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert called.returncode == 0, called.stderr
    assert_labels(tmp_path / "out", trips)
    assert names(bucket) == []


def test_a_store_that_fails_halfway_and_is_resumed(bucket, start_proxy, small, trips, tmp_path, monkeypatch):
    proxy = start_proxy(bucket.port)
    behind = bucket.by(proxy.port)
    folder = ClusterFolder(tmp_path / "out")

    def begin_or_resume():
        if folder.path.exists():
            steps.resume_tiles(folder, behind, Observer())
        else:
            steps.cluster_in_tiles(document(trips[0]), PLACE, behind, Observer(), folder, bucket.address("waiting"))

    scatter = steps.Tiling.scatter
    join = steps.Tiling.join
    for name, method in (("scatter", scatter), ("join", join)):
        proxy.cut_from_client = None

        def cut(tiling, method=method):
            proxy.cut_from_client = proxy.from_client + 3_000
            return method(tiling)

        monkeypatch.setattr(steps.Tiling, name, cut)
        with pytest.raises(ServiceError, match=r"the points that wait could not be .*resume with: taxi cluster"):
            begin_or_resume()
        monkeypatch.setattr(steps.Tiling, name, method)
    there = {name: bucket.client.head_object(**where(bucket, name))["LastModified"] for name in names(bucket)}
    assert any(name.startswith("tiles/") for name in there)
    proxy.cut_from_client = None
    found = steps.resume_tiles(folder, behind, Observer())
    for name, changed in there.items():
        if not name.startswith("joined"):
            assert bucket.client.head_object(**where(bucket, name))["LastModified"] == changed, name
    write_tiled(found, Observer())
    assert_labels(folder.path, trips)
    assert names(bucket) == []


def where(bucket, name):
    return {"Bucket": "taxi-data", "Key": f"{bucket.prefix}/waiting/{name}"}


def test_a_prefix_that_cannot_be_used_is_refused(bucket, small, trips, tmp_path):
    folder = ClusterFolder(tmp_path / "out")
    bucket.put("waiting/taken", b"x")
    for spill, error, message in (
        (bucket.address("waiting"), RunFolderError, "is not empty .*name a new prefix"),
        ("s3://taxi-data", DataError, "name a prefix in the bucket"),
        ("s3://no-such-bucket/waiting", ServiceError, "could not be read or written: s3://no-such-bucket/waiting/: "),
    ):
        with pytest.raises(error, match=message):
            steps.cluster_in_tiles(document(trips[0]), PLACE, bucket.settings, Observer(), folder, spill)
        assert not folder.path.exists()


def test_files_of_a_bucket(bucket):
    files = open_spill(bucket.address("waiting"), bucket.settings).files
    files.make()
    assert not files.exists("a/b")
    files.write("a/b", (b"head", np.arange(5, dtype=np.int32).data, np.empty(0).data))
    assert files.exists("a/b")
    assert files.bytes == 24
    with files.open("a/b") as reader:
        assert reader.size == 24
        values = reader.read(8, np.int32, 2)
        assert values.tolist() == [1, 2]
        values[0] = 7  # it is the caller's
        assert reader.rest(4, np.int32).tolist() == [0, 1, 2, 3, 4]
        with pytest.raises(DataError, match="ends too early"):
            reader.read(0, np.int64, 4)
    files.remove()
    assert not files.exists("a/b")
