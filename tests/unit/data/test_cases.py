"""The failing inputs of users' reports have their right outcome; `test_tables.py` has those that only need reading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from taxi_mlops.data.inspect import inspect
from taxi_mlops.data.load import load_points
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.errors import DataError
from taxi_mlops.settings import Settings

NAMED = {"latitude_column": "lat", "longitude_column": "lon"}


@pytest.fixture
def case(shared_data: Path):
    """Returns a request for one of the cases."""

    def request(name: str, **parameters: object) -> LoadRequest:
        path = shared_data.parent / "cases" / name
        if not path.is_file():
            pytest.skip(f"no {path}")
        return LoadRequest.model_validate({"source": str(path), **parameters})

    return request


def test_two_points_at_one_place_have_a_map(case, settings: Settings) -> None:
    found = inspect(case("a1_two_at_one_place.csv", **NAMED), settings)
    assert found.map is not None
    assert "█" in "".join(found.map.lines)


def test_the_box_across_the_antimeridian(case, settings: Settings) -> None:
    name = "d1_antimeridian_4_to_1.csv"
    whole = load_points(case(name, **NAMED), settings)
    assert len(whole) == 120
    boxed = load_points(case(name, **NAMED, bbox="-17,179,-16,-179"), settings)
    assert boxed.fingerprint == whole.fingerprint


def test_the_end_of_the_trips_is_not_named_twice(case, settings: Settings) -> None:
    name = "d2_bikes_two_ends.csv"
    both = {"latitude_column": "start_lat", "longitude_column": "start_lng", "points": "dropoff"}
    with pytest.raises(DataError, match="--points dropoff goes without --lat and --lon, which name the columns"):
        load_points(case(name, **both), settings)
    assert load_points(case(name, points="dropoff"), settings).provenance.columns == ("end_lat", "end_lng")


def test_the_first_line_is_data(case, settings: Settings) -> None:
    with pytest.raises(DataError, match=r"the first line holds data, not names; .* --lat 4 --lon 3 \(around Paris"):
        load_points(case("d9_no_header.txt"), settings)
    points = load_points(case("d9_no_header.txt", latitude_column="4", longitude_column="3"), settings)
    assert (points.latitude[0], points.longitude[0]) == (48.860524, 2.361411)


def test_longitudes_from_0_to_360_are_kept(case, settings: Settings) -> None:
    points = load_points(case("d10_longitude_286.csv", **NAMED), settings)
    assert len(points) == 120
    assert -74 < points.longitude.min() <= points.longitude.max() < -73.9
    assert any(note.startswith("120 longitudes beyond ±180 degrees") for note in points.provenance.notes)


def test_geojson_is_read_and_a_web_page_is_named(case, settings: Settings) -> None:
    assert len(load_points(case("e2_points.geojson"), settings)) == 20
    with pytest.raises(DataError, match=r"this is a web page \(HTML\), not data"):
        load_points(case("e2_web_page.csv"), settings)


def test_trips_of_for_hire_vehicles_have_zones(case, settings: Settings, shared_data: Path) -> None:
    pytest.importorskip("shapefile", reason="pyshp is in the extra zones")
    refused = inspect(case("e4_fhv.csv"), settings)
    assert refused.schema == "zones-fhv"
    assert "only zone" in str(refused.refusal) or "zone numbers" in str(refused.refusal)
    counted = load_points(case("e4_fhv.csv", zones=str(shared_data / "taxi_zones.zip")), settings)
    assert (counted.provenance.rows_used, counted.provenance.dropped["zone_not_in_file"]) == (59, 1)
    assert counted.weight is not None
    assert counted.weight.sum() == 59


def test_the_box_that_is_shown_has_all_points(case, settings: Settings) -> None:
    name = "e8_san_francisco.csv"
    shown = inspect(case(name, **NAMED), settings).bounding_box
    assert len(load_points(case(name, **NAMED, bbox=str(shown)), settings)) == 120


@pytest.mark.parametrize("text", ["", "id"])
@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("digits", [0, 2])
def test_projected_metres_without_names_are_read_by_number(
    tmp_path: Path, settings: Settings, text: str, separator: str, digits: int
) -> None:
    north = np.array([6295718.92, 6294147.55, 6299457.45])
    east = np.array([353866.83, 347065.46, 342725.57])
    rows = [
        (f"{text}{row}", f"{y:.{digits}f}", f"{x:.{digits}f}")
        for row, (y, x) in enumerate(zip(north, east, strict=True))
    ]
    path = tmp_path / "trips.csv"
    path.write_text("".join(f"{separator.join(row)}\n" for row in rows))
    request = LoadRequest(source=str(path), latitude_column="2", longitude_column="3", crs="EPSG:32719")
    points = load_points(request, settings)
    assert points.latitude == pytest.approx([-33.46803, -33.48125, -33.43275], abs=1e-5)
    assert points.longitude == pytest.approx([-70.57261, -70.64605, -70.69181], abs=1e-5)
    with pytest.raises(DataError, match="convert them with --crs EPSG:32719"):
        load_points(request.model_copy(update={"crs": None}), settings)
