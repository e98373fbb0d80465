"""Zone numbers become weighted points inside the zones, and nothing is lost uncounted."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import shapely

from taxi_mlops.data.load import LoadRequest, load_points
from taxi_mlops.data.zones import Zones, count_by_zone, read_zones
from taxi_mlops.errors import DataError

pyproj = pytest.importorskip("pyproj")
shapefile = pytest.importorskip("shapefile")

# Zone 1: a C whose centroid is outside; zone 2: two squares under one number; zone 4: a square with a hole.
C_SHAPE = [[0, 0], [0, 900], [900, 900], [900, 800], [100, 800], [100, 100], [900, 100], [900, 0], [0, 0]]
RECORDS = [
    (1, [C_SHAPE]),
    (2, [[[2000, 0], [2000, 100], [2100, 100], [2100, 0], [2000, 0]]]),
    (2, [[[3000, 0], [3000, 500], [3500, 500], [3500, 0], [3000, 0]]]),
    (
        4,
        [
            [[5000, 0], [5000, 900], [5900, 900], [5900, 0], [5000, 0]],
            [[5100, 100], [5800, 100], [5800, 800], [5100, 800], [5100, 100]],
        ],
    ),
]
ORIGIN = (980_000, 195_000)  # in EPSG:2263, feet: Manhattan


def write_zip(path: Path, field: str = "LocationID", epsg: int = 2263, leave_out: str = "", folder: str = "") -> Path:
    parts = {suffix: io.BytesIO() for suffix in ("shp", "shx", "dbf")}
    with shapefile.Writer(**parts, shapeType=shapefile.POLYGON) as writer:
        writer.field(field, "N")
        for number, rings in RECORDS:
            writer.poly([[(x + ORIGIN[0], y + ORIGIN[1]) for x, y in ring] for ring in rings])
            writer.record(number)
    with zipfile.ZipFile(path, "w") as archive:
        for suffix, content in parts.items():
            if suffix != leave_out:
                archive.writestr(f"{folder}zones.{suffix}", content.getvalue())
        if leave_out != "prj":
            archive.writestr(f"{folder}zones.prj", pyproj.CRS.from_epsg(epsg).to_wkt("WKT1_ESRI"))
    return path


def test_each_zone_is_one_point_inside_its_polygon(tmp_path):
    zones = read_zones(write_zip(tmp_path / "zones.zip", folder="taxi_zones/"))
    assert zones.number.tolist() == [1, 2, 4]
    back = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:2263", always_xy=True)
    x, y = back.transform(zones.longitude, zones.latitude)
    for number, point_x, point_y in zip(zones.number, x - ORIGIN[0], y - ORIGIN[1], strict=True):
        polygons = [shapely.Polygon(rings[0], rings[1:]) for found, rings in RECORDS if found == number]
        assert shapely.union_all(polygons).contains(shapely.Point(point_x, point_y))
    assert np.all((zones.latitude > 40.6) & (zones.latitude < 40.8))
    assert np.all((zones.longitude > -74.1) & (zones.longitude < -73.9))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"field": "zone"}, "no field LocationID among zone"),
        ({"leave_out": "prj"}, r"zones\.prj is missing"),
        ({"leave_out": "dbf"}, r"zones\.dbf is missing"),
        ({"leave_out": "shp"}, "must hold one shapefile, found 0"),
    ],
)
def test_says_what_a_zones_file_lacks(tmp_path, options, said):
    with pytest.raises(DataError, match=said):
        read_zones(write_zip(tmp_path / "zones.zip", **options))


def test_bad_zones_files_are_one_clear_error(tmp_path, monkeypatch):
    path = tmp_path / "zones.zip"
    with pytest.raises(DataError, match="not a readable zip file"):
        read_zones(path)
    path.write_text("no zip")
    with pytest.raises(DataError, match="not a readable zip file"):
        read_zones(path)
    with zipfile.ZipFile(path, "w") as archive:
        for suffix in ("shp", "shx", "dbf", "prj"):
            archive.writestr(f"z.{suffix}", b"garbage")
    with pytest.raises(DataError, match="not a readable shapefile"):
        read_zones(path)
    write_zip(path)
    monkeypatch.setattr("taxi_mlops.data.zones._LARGEST_MEMBER_BYTES", 100)
    with pytest.raises(DataError, match=r"zones\.shp is larger than"):
        read_zones(path)


def test_points_are_no_zones(tmp_path):
    path = tmp_path / "zones.zip"
    parts = {suffix: io.BytesIO() for suffix in ("shp", "shx", "dbf")}
    with shapefile.Writer(**parts, shapeType=shapefile.POINT) as writer:
        writer.field("LocationID", "N")
        writer.point(1, 2)
        writer.record(1)
    with zipfile.ZipFile(path, "w") as archive:
        for suffix, content in parts.items():
            archive.writestr(f"z.{suffix}", content.getvalue())
        archive.writestr("z.prj", pyproj.CRS.from_epsg(4326).to_wkt("WKT1_ESRI"))
    with pytest.raises(DataError, match="zones must be polygons, found Point"):
        read_zones(path)


ZONES = Zones(np.array([1, 2, 4]), np.array([40.0, 41.0, 42.0]), np.array([-74.0, -73.0, -72.0]))
TRIPS = [np.array([1.0, 4.0, 4.0, np.nan]), np.array([264.0, 265.0, 3.0, 1.5, 4.0, 99.0])]


def test_trips_are_counted_by_zone():
    counted = count_by_zone(TRIPS, ZONES, None)
    assert counted.latitude.tolist() == [40.0, 42.0]
    assert counted.longitude.tolist() == [-74.0, -72.0]
    assert counted.weight.tolist() == [1.0, 3.0]
    assert counted.dropped == {"missing": 1, "unknown_zone": 2, "zone_not_in_file": 3, "outside_region": 0}
    assert (counted.rows_read, counted.rows_used) == (10, 4)


def test_a_box_drops_the_trips_of_zones_outside():
    from taxi_mlops.data.regions import BoundingBox

    counted = count_by_zone(TRIPS, ZONES, BoundingBox(41.5, -80.0, 43.0, -70.0))
    assert counted.weight.tolist() == [3.0]
    assert counted.dropped["outside_region"] == 1
    assert counted.rows_used == 3


@pytest.fixture
def request_for_zones(tmp_path: Path) -> LoadRequest:
    trips = tmp_path / "trips.csv"
    trips.write_text("PULocationID,DOLocationID\n" + "1,2\n" * 700 + "2,4\n" * 300 + "264,1\n,1\n")
    return LoadRequest(source=str(trips), zones=str(write_zip(tmp_path / "zones.zip")))


def test_weighted_points_say_what_they_mean(request_for_zones, settings):
    points = load_points(request_for_zones, settings)
    assert points.weight.tolist() == [700.0, 300.0]
    assert points.provenance.rows_used == 1000
    assert points.provenance.schema == "zones"
    assert "one place inside each zone, weighted by the number of trips" in points.provenance.notes[0]


def test_a_sample_of_zone_trips_is_drawn_trip_by_trip(request_for_zones, settings):
    points = load_points(request_for_zones.model_copy(update={"sample": 100}), settings)
    assert points.weight.sum() == 100 == points.provenance.rows_used
    assert 50 < points.weight[0] < 90
    assert points.provenance.dropped["not_sampled"] == 900


def test_a_zones_file_needs_zone_columns(request_for_zones, settings, tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("origin_latitude,origin_longitude,destination_latitude,destination_longitude\n1,2,3,4\n")
    with pytest.raises(DataError, match="leave out --zones: there are no zone columns"):
        load_points(request_for_zones.model_copy(update={"source": str(path)}), settings)
