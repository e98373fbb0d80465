"""A model of three hotspots on the equator, and trips between them."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

START = datetime(2016, 5, 2)  # a Monday
LONGITUDES = {7: 20.0, 3: 20.1, 12: 20.3}
"""Of the hotspots by id, in the order of the model; a degree is 111.2 km."""


@pytest.fixture(scope="session")
def model():
    from taxi_mlops.models.hotspot_model import HotspotModel

    k, east = len(LONGITUDES), np.array(list(LONGITUDES.values()))
    return HotspotModel(
        latitude=np.zeros(k),
        longitude=east,
        hotspot=np.arange(k, dtype=np.int32),
        ids=np.array(list(LONGITUDES), dtype=np.int64),
        centre=np.column_stack((np.zeros(k), east)),
        size=np.ones(k, dtype=np.int64),
        area_km2=np.ones(k),
        outlines=({"type": "Point", "coordinates": [0.0, 0.0]},) * k,
        eps_metres=100.0,
        min_samples=1,
    )


@pytest.fixture(scope="session")
def version(model):
    from taxi_mlops.features import Version

    return Version("city", "3", model)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    from taxi_mlops.settings import Settings

    monkeypatch.chdir(tmp_path)
    return Settings(cache_dir=tmp_path / "cache", features_dir=tmp_path / "features")


def written(path, trips, **more):
    """Write trips of (origin, destination, hours after the start, hours until its end) as Parquet; return the name."""
    begun = [START + timedelta(hours=begins) for _, _, begins, _ in trips]
    table = pa.table(
        {
            "pickup_latitude": np.zeros(len(trips)),
            "pickup_longitude": [LONGITUDES.get(one, 50.0) for one, *_ in trips],
            "dropoff_latitude": np.zeros(len(trips)),
            "dropoff_longitude": [LONGITUDES.get(one, 50.0) for _, one, *_ in trips],
            "pickup_datetime": pa.array(begun, pa.timestamp("us")),
            "dropoff_datetime": pa.array(
                [time + timedelta(hours=trip[3]) for time, trip in zip(begun, trips, strict=True)], pa.timestamp("us")
            ),
            **more,
        }
    )
    pq.write_table(table, path)
    return str(path)


@pytest.fixture
def trips_file(tmp_path):
    """Writes trips; see `written`."""
    return lambda trips, name="trips.parquet", **more: written(tmp_path / name, trips, **more)


@pytest.fixture(scope="session")
def many_trips():
    """Some 3,000 trips over six weeks, busier by day."""
    rng = np.random.default_rng(0)
    n = 3000
    ids = np.array([*LONGITUDES, 99])
    hour = rng.integers(0, 42, n) * 24 + rng.choice(24, n, p=np.arange(1, 25) / 300)
    return [
        (
            int(ids[rng.choice(4, p=[0.5, 0.3, 0.1, 0.1])]),
            int(ids[rng.integers(0, 4)]),
            float(h + rng.random()),
            float(d),
        )
        for h, d in zip(hour, rng.exponential(0.4, n), strict=True)
    ]
