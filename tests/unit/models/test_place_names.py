from __future__ import annotations

import json

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from taxi_mlops.errors import UsageError
from taxi_mlops.models.place_names import MAX_NAME, Places, names_of, read_places

METRES = 111_195.0


def point(longitude: float, latitude: float) -> dict:
    return {"type": "Point", "coordinates": [longitude, latitude]}


def written(path, *features: tuple[object, object]):
    content = [{"type": "Feature", "properties": {"name": name}, "geometry": geometry} for name, geometry in features]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": content}), encoding="utf-8")
    return path


def square(longitude: float, latitude: float, half: float) -> shapely.Polygon:
    return shapely.box(longitude - half, latitude - half, longitude + half, latitude + half)


def named(places: Places, longitude: float, latitude: float, half: float = 0.001) -> str | None:
    outlines = np.array([square(longitude, latitude, half)], dtype=object)
    (name,) = names_of(places, np.array([[latitude, longitude]]), outlines)
    return name


def test_places_are_read_and_those_without_a_name_left_out(tmp_path):
    path = written(
        tmp_path / "places.geojson",
        ("Estación  Central", point(1, 2)),
        ("", point(1, 2)),
        (7, point(1, 2)),
        ("nowhere", None),
        ("x" * 300, point(3, 4)),
    )
    places = read_places(path)
    assert places.names == ("Estación Central", "x" * MAX_NAME)
    assert shapely.get_coordinates(places.geometries).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no GeoJSON FeatureCollection"),
        ("[]", "no GeoJSON FeatureCollection"),
        ('{"features": 3}', "no GeoJSON FeatureCollection"),
        ('{"features": [3]}', "no GeoJSON FeatureCollection"),
        ('{"features": [{"properties": {"name": "a"}, "geometry": {"type": "Circle"}}]}', "no GeoJSON"),
        ('{"features": [{"properties": {"name": "a"}, "geometry": {"type": "Point", "coordinates": ["x", 1]}}]}', "no"),
        ('{"features": [{"properties": null, "geometry": null}]}', "none of its 1 features has a name"),
        ("[" * 100_000, "no GeoJSON FeatureCollection"),
    ],
)
def test_other_files_are_refused(tmp_path, text, said):
    path = tmp_path / "places.geojson"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        read_places(path)


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"--places .*nothing.geojson: cannot be read: No such file"):
        read_places(tmp_path / "nothing.geojson")


def test_the_nearest_place_gives_the_name():
    near, far = 300 / METRES, 700 / METRES
    places = Places(
        ("south", "east", "far"),
        np.array([shapely.Point(0, -near), shapely.Point(near / 2, 0), shapely.Point(10 + far, 0)], dtype=object),
    )
    assert named(places, 0.0, 0.0) == "east"
    assert named(places, 10.0, 0.0) is None  # 700 m are too far,
    assert named(places, 10.0, 0.0, half=0.01) == "far"  # unless the outline reaches there
    assert named(places, 50.0, 50.0) is None


def test_metres_count_and_not_degrees():
    """At 60 degrees north a degree of longitude has half as many metres."""
    up, across = 400 / METRES, 600 / METRES
    places = Places(("north", "east"), np.array([shapely.Point(0, 60 + up), shapely.Point(across, 60)], dtype=object))
    assert named(places, 0.0, 60.0, half=1e-6) == "east"  # 300 m


def test_of_areas_around_the_centre_the_smallest_gives_the_name():
    areas = [square(0, 0, 0.5), square(0, 0, 0.1), square(0.15, 0, 0.1)]
    places = Places(("city", "district", "beside"), np.array(areas, dtype=object))
    assert named(places, 0.0, 0.0) == "district"
    assert named(places, 0.3, 0.3) == "city"


@given(st.permutations(range(4)))
def test_the_order_of_the_file_changes_nothing(order):
    names = ("b", "a", "c", "d")
    spots = [shapely.Point(0.001, 0), shapely.Point(-0.001, 0), shapely.Point(0, 0.002), shapely.Point(1, 1)]
    places = Places(tuple(names[i] for i in order), np.array([spots[i] for i in order], dtype=object))
    assert named(places, 0.0, 0.0) == "a"


def test_no_hotspots_have_no_names():
    places = Places(("a",), np.array([shapely.Point(0, 0)], dtype=object))
    assert names_of(places, np.empty((0, 2)), np.empty(0, dtype=object)) == ()
