"""Every real file loads as what it is."""

from __future__ import annotations

import pytest

from taxi_mlops.data.load import LoadRequest, load_points
from taxi_mlops.errors import DataError
from taxi_mlops.settings import Settings

# file, end of the trips, schema, rows read, rows used, rows dropped
EXPECTED = [
    ("santiago_taxi_od.parquet", "pickup", "santiago", 452_166, 452_166, {}),
    ("santiago_taxi_od.parquet", "dropoff", "santiago", 452_166, 452_166, {}),
    ("chicago_taxi_2013_2016_sample.csv", "pickup", "chicago", 15_002, 15_000, {"missing": 2}),
    ("chicago_taxi_2013_2016_sample.csv", "dropoff", "chicago", 15_002, 14_519, {"missing": 483}),
    ("yellow_tripdata_2016-06_sample.csv", "pickup", "yellow-2015-2016", 998, 983, {"zero": 15}),
    ("yellow_tripdata_2016-06_sample.csv", "dropoff", "yellow-2015-2016", 998, 984, {"zero": 14}),
]
BOXES = {
    "santiago": (-34, -71, -33, -70),
    "chicago": (41.6, -88, 42.1, -87.5),
    "yellow-2015-2016": (40.5, -74.4, 41, -73),
}


@pytest.mark.parametrize(("name", "end", "schema", "read", "used", "dropped"), EXPECTED)
def test_points_of_real_files(shared_data, name, end, schema, read, used, dropped):
    points = load_points(LoadRequest(source=str(shared_data / name), points=end), Settings())
    provenance = points.provenance
    assert (provenance.schema, provenance.rows_read, provenance.rows_used) == (schema, read, used)
    assert {rule: count for rule, count in provenance.dropped.items() if count} == dropped
    assert len(points) == used
    south, west, north, east = BOXES[schema]
    assert south < points.latitude.min() <= points.latitude.max() < north
    assert west < points.longitude.min() <= points.longitude.max() < east


def test_chicago_says_that_its_points_are_centroids(shared_data):
    source = str(shared_data / "chicago_taxi_2013_2016_sample.csv")
    points = load_points(LoadRequest(source=source), Settings())
    assert "centroid of the census tract" in points.provenance.notes[0]


def test_zone_trips_are_refused_and_with_polygons_weighted(shared_data):
    pytest.importorskip("shapefile")
    pytest.importorskip("pyproj")
    source = str(shared_data / "yellow_tripdata_2022-02_zones_sample.csv")
    with pytest.raises(DataError, match="centroids of zones are not points"):
        load_points(LoadRequest(source=source), Settings())
    points = load_points(LoadRequest(source=source, zones=str(shared_data / "taxi_zones.zip")), Settings())
    assert (points.provenance.rows_read, points.provenance.rows_used) == (1000, 988)
    assert points.provenance.dropped["unknown_zone"] == 12
    assert len(points) == 70
    assert points.weight.sum() == 988
    assert 40.49 < points.latitude.min() < points.latitude.max() < 40.92
    assert -74.26 < points.longitude.min() < points.longitude.max() < -73.70


def test_new_york_has_260_zones_in_the_city(shared_data):
    """Of 263 polygons, five share their number with another: two in Corona, three islands in the harbour."""
    pytest.importorskip("shapefile")
    pytest.importorskip("pyproj")
    from taxi_mlops.data.zones import read_zones

    zones = read_zones(shared_data / "taxi_zones.zip")
    assert zones.number.size == 260
    liberty_ellis_governors = zones.number.tolist().index(103)
    assert 40.68 < zones.latitude[liberty_ellis_governors] < 40.71
    kennedy = zones.number.tolist().index(132)
    assert 40.62 < zones.latitude[kennedy] < 40.67
    assert -73.83 < zones.longitude[kennedy] < -73.74
