"""Boxes, and the one that is found around a city."""

from __future__ import annotations

import numpy as np
import pytest

from taxi_mlops.data.regions import BoundingBox, robust_region


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
    "text", ["41,-74,40,-73", "40,-73,41,-74", "-91,0,0,0", "0,0,0,181", "1,2,3", "a,b,c,d", "nan,0,1,1"]
)
def test_refuses_what_is_no_box(text):
    with pytest.raises(ValueError, match=r"should be .*min_lat,min_lon,max_lat,max_lon"):
        BoundingBox.parse(text)


def test_reads_a_box():
    assert BoundingBox.parse("40.4,-74.4, 41.1,-73.4") == BoundingBox(40.4, -74.4, 41.1, -73.4)
    assert str(BoundingBox(40.4, -74.4, 41.1, -73.4)) == "40.4,-74.4,41.1,-73.4"
