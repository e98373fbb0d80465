"""Hotspots of real trips, whose coordinates have four decimals: points lie in lines, outlines touch themselves."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely

from haversine_dbscan.clustering import dbscan
from taxi_mlops.reports.geojson import to_geojson
from taxi_mlops.reports.hotspots import find_hotspots
from taxi_mlops.reports.labels import Frame, LabelledPoints


@pytest.mark.parametrize(("eps", "min_samples"), [(50.0, 10), (100.0, 50), (200.0, 20)])
def test_the_outlines_of_santiago_are_valid_and_hold_all_clusters(shared_data, eps, min_samples):
    columns = ["origin_latitude", "origin_longitude"]
    trips = pq.read_table(shared_data / "santiago_taxi_od.parquet", columns=columns)
    latitude, longitude = (trips.column(name).to_numpy() for name in columns)
    labels, _ = dbscan(latitude, longitude, eps, min_samples)
    points = LabelledPoints("grid", latitude, longitude, labels, None)
    hotspots = find_hotspots(points, Frame.around(latitude, longitude), eps)
    features = json.loads(to_geojson(hotspots, "grid", {}))["features"]
    assert [feature["properties"]["size"] for feature in features] == sorted(np.bincount(labels[labels >= 0]))[::-1]
    shapes = shapely.from_geojson([json.dumps(feature["geometry"]) for feature in features])
    assert shapely.is_valid(shapes).all()
    assert not shapely.is_empty(shapes).any()
