"""Boxes, and the one that is found around a city."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taxi_mlops.data.regions import BoundingBox, bounding_box, robust_region


def test_the_region_keeps_airports_and_drops_other_cities():
    rng = np.random.default_rng(0)
    latitude = rng.normal(40.755, 0.02, 10_000)
    longitude = rng.normal(-73.98, 0.02, 10_000)
    latitude[:1500] = rng.uniform(-60, 60, 1500)  # 15 % wild
    region = robust_region(latitude, longitude)
    newark, kennedy, westchester, philadelphia = (40.69, -74.175), (40.645, -73.785), (41.07, -73.71), (39.95, -75.17)
    places = np.array([newark, kennedy, westchester, philadelphia])
    assert region.contains(places[:, 0], places[:, 1]).tolist() == [True, True, True, False]


def test_the_region_of_coinciding_points_reaches_100_km():
    region = robust_region(np.full(5, 60.0), np.full(5, 20.0))
    assert region.max_latitude - 60.0 == pytest.approx(0.8993, abs=1e-4)
    assert region.max_longitude - 20.0 == pytest.approx(2 * 0.8993, abs=1e-3)  # a degree is half as long at 60° north


@pytest.mark.parametrize(
    "text",
    [
        "41,-74,40,-73",
        "40,-73,41,-74",
        "-91,0,0,0",
        "0,0,0,181",
        "0,-181,0,0",
        "0,10,1,-170",
        "1,2,3",
        "a,b,c,d",
        "nan,0,1,1",
    ],
)
def test_refuses_what_is_no_box(text):
    with pytest.raises(ValueError, match=r"should be .*min_lat,min_lon,max_lat,max_lon"):
        BoundingBox.parse(text)


def test_reads_a_box():
    assert BoundingBox.parse("40.4,-74.4, 41.1,-73.4") == BoundingBox(40.4, -74.4, 41.1, -73.4)
    assert str(BoundingBox(40.4, -74.4, 41.1, -73.4)) == "40.4,-74.4,41.1,-73.4"


def test_a_box_across_the_antimeridian_is_written_as_in_geojson():
    box = BoundingBox.parse("-17,179,-16,-179")
    assert box.crosses_antimeridian
    assert box.width == 2.0
    longitude = np.array([178.9, 179.0, 180.0, -180.0, -179.0, -178.9, 0.0])
    assert box.contains(np.full(7, -16.5), longitude).tolist() == [False, True, True, True, True, False, False]
    assert str(box) == "-17,179,-16,-179"


def test_east_and_west_exchanged_is_explained():
    with pytest.raises(ValueError, match="min_lon is east of max_lon"):
        BoundingBox.parse("40,-73,41,-74")


@given(
    st.lists(
        st.tuples(st.floats(-90, 90), st.one_of(st.floats(-180, 180), st.floats(179, 180), st.floats(-180, -179))),
        min_size=1,
    )
)
@example([(0.0, 1e-9), (0.0, 1e-9 - 180.0)])  # 180 degrees wide as soon as it is rounded
@example([(0.0, 1e-7), (0.0, -179.9999981)])
def test_the_box_around_points_can_be_given_back_and_holds_them_all(rows):
    latitude, longitude = np.array(rows).T
    box = bounding_box(latitude, longitude)
    assert box.contains(latitude, longitude).all()
    assert BoundingBox.parse(str(box)).contains(latitude, longitude).all()


def test_a_box_is_printed_with_no_more_digits_than_it_has():
    assert str(BoundingBox(48.815573, -0.1, 48.9, 100.0)) == "48.815573,-0.1,48.9,100"
    assert str(BoundingBox(37.7, -122.42025129, 37.8, -122.38)) == "37.7,-122.420252,37.8,-122.38"


def test_the_narrower_box_is_found_across_the_antimeridian():
    latitude = np.zeros(3)
    assert bounding_box(latitude, np.array([179.0, -179.0, 178.0])) == BoundingBox(0, 178, 0, -179)
    assert bounding_box(latitude, np.array([10.0, -10.0, 5.0])) == BoundingBox(0, -10, 0, 10)
    assert bounding_box(latitude, np.array([-120.0, 0.0, 120.0])) == BoundingBox(0, -120, 0, 120)


@pytest.mark.parametrize(("middle", "edges"), [(179.5, (178.6, -179.6)), (-179.5, (179.6, -178.6))])
def test_the_region_reaches_across_the_antimeridian(middle, edges):
    region = robust_region(np.zeros(4), np.full(4, middle))
    assert (region.min_longitude, region.max_longitude) == pytest.approx(edges, abs=1e-3)


def test_a_region_too_wide_to_cross_is_all_around():
    region = robust_region(np.zeros(4), np.array([100.0, 110.0, 130.0, 140.0]))
    assert (region.min_longitude, region.max_longitude) == (-180.0, 180.0)
