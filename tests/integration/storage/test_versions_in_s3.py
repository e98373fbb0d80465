"""Tables of trips in a real object store."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_mlops.data.load import load_points
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.errors import DataError
from taxi_mlops.storage.objects import push
from taxi_mlops.versions import AlreadyCommittedError, adopt, commit, history, tag

pytest.importorskip("deltalake", reason="deltalake is in the extra delta")

ROWS = 50


@pytest.fixture
def trips(tmp_path):
    """Returns the name of a new file of trips, and its latitudes."""

    def write(seed):
        rng = np.random.default_rng(seed)
        latitude = rng.uniform(48.8, 48.9, ROWS)
        path = tmp_path / f"{seed}.parquet"
        pq.write_table(pa.table({"latitude": latitude, "longitude": rng.uniform(2.3, 2.4, ROWS)}), path)
        return str(path), latitude

    return write


def test_versions_are_made_and_read(bucket, trips):
    table = bucket.address("trips")
    (one, first), (other, second) = trips(1), trips(2)
    assert commit([one], table, bucket.settings, month="2016-05", message="first").version == 0
    assert commit([other], table, bucket.settings, month="2016-06").version == 1
    assert tag(f"{table}@0", "training", bucket.settings) == 0
    with pytest.raises(DataError, match="the tag training is on version 0 already"):
        tag(f"{table}@1", "training", bucket.settings)
    assert [one.tags for one in history(table, bucket.settings)] == [(), ("training",)]
    for version, latitude in (("@training", first), ("@0", first), ("", np.r_[first, second])):
        points = load_points(LoadRequest(source=f"delta:{table}{version}"), bucket.settings)
        assert np.array_equal(points.latitude, latitude)
    with pytest.raises(DataError, match="there is no Delta table"):
        load_points(LoadRequest(source=f"delta:{bucket.address('nothing')}"), bucket.settings)


def test_of_two_commits_at_once_none_is_lost(bucket, trips):
    table = bucket.address("trips")
    files = [trips(seed)[0] for seed in range(4)]
    commit(files[:1], table, bucket.settings)
    refused = []

    def add(file):
        try:
            commit([file], table, bucket.settings)
        except DataError as error:
            refused.append(error)

    threads = [threading.Thread(target=add, args=(file,)) for file in files[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    points = load_points(LoadRequest(source=f"delta:{table}"), bucket.settings)
    assert len(points) == ROWS * (4 - len(refused))


def test_objects_are_adopted_where_they_are(bucket, trips):
    files = {f"raw/trips-2016-0{seed}.parquet": trips(seed) for seed in (5, 6)}
    for key, (file, _) in files.items():
        push(Path(file), bucket.address(key), bucket.settings)
    done = adopt([bucket.address("raw/*.parquet")], bucket.settings, month="names")
    table = bucket.address("raw")
    assert (done.table, done.in_place) == (f"delta:{table}", ("trips-2016-05.parquet", "trips-2016-06.parquet"))
    assert done.months == ("2016-05", "2016-06")
    whole = np.concatenate([latitude for _, latitude in files.values()])
    points = load_points(LoadRequest(source=f"delta:{table}"), bucket.settings)
    assert np.array_equal(points.latitude, whole)
    with pytest.raises(AlreadyCommittedError, match="has all 2 files already"):
        adopt([bucket.address("raw/*.parquet")], bucket.settings, month="names")
