"""Clusters measured as places, held against shapes whose size is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from haversine_dbscan.geodesy import EARTH_RADIUS_METRES
from taxi_mlops.reports.geojson import to_geojson
from taxi_mlops.reports.hotspots import MAX_HOTSPOTS, find_hotspots
from taxi_mlops.reports.labels import Frame, LabelledPoints

METRES = np.degrees(1.0 / EARTH_RADIUS_METRES)
EPS = 100.0


def labelled(*clusters, weight=None):
    """Points of clusters given as (latitude, longitude) arrays, and one noise point beside the first."""
    first = clusters[0]
    latitude = np.concatenate([*(cluster[0] for cluster in clusters), [first[0][0] + 0.2]])
    longitude = np.concatenate([*(cluster[1] for cluster in clusters), [first[1][0]]])
    labels = np.concatenate([*(np.full(len(cluster[0]), i) for i, cluster in enumerate(clusters)), [-1]])
    return LabelledPoints("adapter", latitude, longitude, labels.astype(np.int32), weight)


def square(latitude, longitude, metres, n=30):
    """A lattice of n × n points that spans a square around a place; longitudes as devices write them."""
    steps = np.linspace(-metres / 2, metres / 2, n) * METRES
    north, east = np.meshgrid(steps, steps)
    turned = longitude + east.ravel() / np.cos(np.radians(latitude))
    return latitude + north.ravel(), (turned + 180.0) % 360.0 - 180.0


def hotspots_of(points):
    return find_hotspots(points, Frame.around(points.latitude, points.longitude), EPS)


def features_of(points):
    return json.loads(to_geojson(hotspots_of(points), "adapter", {"run_id": "run"}))


@pytest.mark.parametrize("place", [(-33.45, -70.66), (59.9, 10.75), (0.0, 0.0), (-16.8, 179.99999)])
def test_a_square_is_measured_as_the_square_that_it_is(place):
    hotspots = hotspots_of(labelled(square(*place, 2000.0), square(place[0] + 0.1, place[1], 500.0, n=10)))
    assert hotspots.size.tolist() == [900, 100]
    assert hotspots.area_km2 == pytest.approx([4.0, 0.25], rel=0.01)
    assert hotspots.density == pytest.approx([225.0, 400.0], rel=0.01)
    assert hotspots.latitude == pytest.approx([place[0], place[0] + 0.1], abs=1e-6)
    assert (hotspots.longitude - place[1] + 180.0) % 360.0 - 180.0 == pytest.approx([0.0, 0.0], abs=1e-6)


def test_the_largest_cluster_comes_first_whatever_its_label():
    small, large = square(40.7, -74.0, 300.0, n=5), square(40.8, -74.0, 900.0, n=20)
    hotspots = hotspots_of(labelled(small, large))
    assert hotspots.label.tolist() == [1, 0]
    assert hotspots.n_clusters == 2


def test_weights_are_summed_beside_the_number_of_points():
    points = labelled(square(40.7, -74.0, 300.0, n=2), weight=np.array([1.5, 2.0, 2.5, 3.0, 100.0]))
    assert hotspots_of(points).weight.tolist() == [9.0]
    assert features_of(points)["features"][0]["properties"]["weight"] == 9.0
    unweighted = features_of(labelled(square(40.7, -74.0, 300.0, n=2)))
    assert "weight" not in unweighted["features"][0]["properties"]


@pytest.mark.parametrize(
    ("east_metres", "kind"),
    [([0.0], "Point"), ([0.0] * 50, "Point"), ([0.0, 40.0], "LineString"), ([0.0, 90.0, 45.0, 10.0], "LineString")],
)
def test_a_cluster_without_breadth_has_no_area_and_no_density(east_metres, kind):
    east = np.array(east_metres) * METRES
    properties, geometry = (
        features_of(labelled((np.full(len(east), 0.0), 20.0 + east)))["features"][0][key]
        for key in ("properties", "geometry")
    )
    assert geometry["type"] == kind
    assert properties["size"] == len(east)
    assert (properties["area_km2"], properties["density_per_km2"]) == (0.0, None)


def test_points_in_an_oblique_line_of_rounded_degrees_are_a_line():
    """Four decimals put them on a line but for rounding, from which a hull of no area must not come."""
    steps = np.arange(6)
    cluster = (np.round(-33.3824 + 3e-4 * steps, 4), np.round(-70.7761 + 3e-4 * steps, 4))
    assert features_of(labelled(cluster))["features"][0]["geometry"]["type"] == "LineString"


def test_every_cluster_noise_is_an_empty_collection():
    points = LabelledPoints("adapter", np.zeros(3), np.zeros(3), np.full(3, -1, dtype=np.int32))
    collection = features_of(points)
    assert (collection["features"], collection["clusters"]) == ([], 0)
    assert "bbox" not in collection


def test_at_most_the_limit_is_kept_and_all_are_counted():
    n = MAX_HOTSPOTS + 5
    latitude, longitude = np.divmod(np.arange(n), 200)
    points = LabelledPoints(
        "adapter",
        np.repeat(latitude * 0.01, 2),
        np.repeat(longitude * 0.01, 2),
        np.repeat(np.arange(n), 2).astype("i4"),
    )
    hotspots = hotspots_of(points)
    assert (len(hotspots), hotspots.n_clusters) == (MAX_HOTSPOTS, n)


def test_the_document_follows_rfc_7946():
    collection = features_of(labelled(square(-33.45, -70.66, 2000.0), square(-33.4, -70.6, 500.0, n=10)))
    assert collection["type"] == "FeatureCollection"
    assert (collection["adapter"], collection["run_id"]) == ("adapter", "run")
    west, south, east, north = collection["bbox"]
    assert -70.68 < west < east < -70.59
    assert -33.47 < south < north < -33.39
    for rank, feature in enumerate(collection["features"], start=1):
        assert feature["properties"]["rank"] == rank
        geometry = shapely.geometry.shape(feature["geometry"])
        assert geometry.is_valid
        assert geometry.exterior.is_ccw
        assert feature["bbox"] == pytest.approx(geometry.bounds)
        decimals = [len(repr(value).partition(".")[2]) for place in geometry.exterior.coords for value in place]
        assert max(decimals) <= 7


def test_a_cluster_on_the_antimeridian_is_cut_there():
    """Suva, Fiji, moved a little: half of the cluster is west of 180°, half east."""
    feature = features_of(labelled(square(-18.1, 180.0, 2000.0)))["features"][0]
    geometry = shapely.geometry.shape(feature["geometry"])
    assert geometry.geom_type == "MultiPolygon"
    assert sorted(round(part.area / geometry.area, 2) for part in geometry.geoms) == [0.5, 0.5]
    assert all(part.exterior.is_ccw for part in geometry.geoms)
    longitudes = shapely.get_coordinates(geometry)[:, 0]
    assert np.abs(longitudes).min() > 179.98
    assert np.abs(longitudes).max() == 180.0
    west, _, east, _ = feature["bbox"]
    assert (west > 179.98, east < -179.98) == (True, True)
    assert abs(feature["properties"]["centroid_longitude"]) == pytest.approx(180.0, abs=1e-6)


def test_a_cluster_beyond_the_antimeridian_keeps_its_longitudes():
    """Points on both sides, each cluster on one."""
    collection = features_of(labelled(square(-18.1, 179.9, 2000.0), square(-18.1, -179.9, 1000.0, n=10)))
    first, second = (shapely.geometry.shape(feature["geometry"]) for feature in collection["features"])
    assert first.bounds[0] == pytest.approx(179.89, abs=0.01)
    assert second.bounds[0] == pytest.approx(-179.905, abs=0.01)
    assert collection["bbox"][0] > collection["bbox"][2]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.floats(20.0, 4000.0), st.floats(-179.0, 179.0))
def test_no_point_is_far_outside_the_outline_of_its_cluster(seed, n, spread, longitude):
    generator = np.random.default_rng(seed)
    north, east = generator.normal(0.0, spread, (2, n)) * METRES
    points = LabelledPoints("adapter", 45.0 + north, longitude + east, np.zeros(n, dtype=np.int32))
    frame = Frame.around(points.latitude, points.longitude)
    outline = find_hotspots(points, frame, EPS).outlines[0]
    x, y = frame.to_metres(points.latitude, points.longitude)
    assert shapely.distance(outline, shapely.points(x, y)).max() <= EPS / 2
