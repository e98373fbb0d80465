"""What `taxi data inspect` reports."""

from __future__ import annotations

import numpy as np
import pytest

from taxi_mlops.data.inspect import inspect, text_map
from taxi_mlops.data.load import LoadRequest, load_points


def test_reports_what_loading_would_do(settings):
    request = LoadRequest(synthetic_rows=3000)
    inspection = inspect(request, settings)
    points = load_points(request, settings)
    assert inspection.schema == points.provenance.schema
    assert inspection.dropped == points.provenance.dropped
    assert (inspection.rows_read, inspection.rows_used) == (3000, len(points))
    assert inspection.share_missing == inspection.dropped["missing"] / 3000
    assert inspection.columns_read == ("pickup_latitude", "pickup_longitude")
    assert inspection.bounding_box.min_latitude == points.latitude.min()
    assert inspection.bounding_box.max_longitude == points.longitude.max()
    assert inspection.notes == points.provenance.notes
    assert inspection.refusal is None


@pytest.mark.parametrize(("place", "city"), [("-33.44,-70.64", "Santiago (CL)"), ("-50,-120", None)])
def test_names_the_city_that_the_points_lie_around(tmp_path, settings, place, city):
    path = tmp_path / "t.csv"
    path.write_text(f"lat,lon\n{place}\n{place}\n")
    assert inspect(LoadRequest(source=str(path)), settings).city == city


def test_reports_why_zones_are_refused(tmp_path, settings):
    path = tmp_path / "zones.csv"
    path.write_text("PULocationID,DOLocationID\n1,2\n3,4\n")
    inspection = inspect(LoadRequest(source=str(path)), settings)
    assert (inspection.schema, inspection.rows_read, inspection.rows_used) == ("zones", 2, None)
    assert "no points" in inspection.refusal
    assert inspection.map is None


def test_reports_when_nothing_would_be_left(tmp_path, settings):
    path = tmp_path / "t.csv"
    path.write_text("y,x\n0,0\n0,0\n")
    inspection = inspect(LoadRequest(source=str(path), latitude_column="y", longitude_column="x"), settings)
    assert (inspection.rows_used, inspection.bounding_box, inspection.map) == (0, None, None)


def test_the_map_has_north_at_the_top_and_west_at_the_left():
    latitude = np.repeat([1.0, 0.0, 0.0], [400, 50, 400])
    longitude = np.repeat([0.0, 0.0, 1.0], [400, 50, 400])
    drawn = text_map(latitude, longitude)
    assert drawn.lines[0].startswith("█")
    assert drawn.lines[-1][0] in "▒▓"
    assert drawn.lines[-1].endswith("█")
    assert all(line == "" for line in drawn.lines[1:-1])
    assert len(drawn.lines) == 24
    assert len(drawn.lines[-1]) == 48  # twice as many: a character is twice as high as wide


def test_darker_is_denser():
    longitude = np.repeat(np.arange(5) / 100, [1, 10, 100, 1000, 10_000])
    drawn = text_map(np.full(longitude.size, 10.0), longitude)
    shades = [shade for shade in drawn.lines[0] if shade != " "]
    assert shades == sorted(shades, key=" ░▒▓█".index)
    assert shades[-1] == "█"


def test_weights_count(settings):
    ends = np.array([0.0, 0.01])
    drawn = text_map(np.array([0.0, 0.0]), ends, np.array([1.0, 10_000.0]))
    assert drawn.lines[0][0] == "░"
    assert drawn.lines[0][-1] == "█"


@pytest.mark.parametrize("latitude", [0.0, 90.0, -90.0])
def test_one_point_is_one_character(latitude):
    assert text_map(np.array([latitude]), np.array([180.0])).lines == ("█",)


@pytest.mark.parametrize("points", [*range(1, 300), 10**6, 10**9])
def test_the_densest_cell_is_the_darkest_whatever_its_number(points):
    drawn = text_map(np.array([48.85]), np.array([2.35]), np.array([float(points)]))
    assert drawn.lines == ("█",)


def test_a_map_across_the_antimeridian_is_whole():
    drawn = text_map(np.array([-16.8, -16.8]), np.array([179.99, -179.99]))
    assert (drawn.lines[0][0], drawn.lines[0][-1]) == ("█", "█")
    assert len(drawn.lines[0]) == 64
    assert drawn.metres_per_column == pytest.approx(0.02 * 111_195 * 0.9573 / 64, rel=1e-3)
    assert drawn.box.crosses_antimeridian
