"""Rivals: each further cluster within eps of a border point, against the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haversine_dbscan.clustering import dbscan, dbscan_with_rivals
from haversine_dbscan.geodesy import great_circle_distance
from taxi_mlops.testing.cases import around

EPS = 50.0
PLACES = [(-33.45, -70.66), (-17.0, 180.0), (70.0, 20.0), (-70.0, 180.0), (90.0, 0.0)]


def expected_rivals(latitude, longitude, eps, labels, core):
    near = great_circle_distance(latitude[:, None], longitude[:, None], latitude, longitude) <= eps
    return {
        (int(point), int(label))
        for point in np.flatnonzero(~core)
        for label in np.unique(labels[near[point] & core])
        if label != labels[point]
    }


def assert_rivals(latitude, longitude, eps, min_samples, threads=1):
    labels, core, rivals = dbscan_with_rivals(latitude, longitude, eps, min_samples, threads=threads)
    for one, two in zip(dbscan(latitude, longitude, eps, min_samples), (labels, core), strict=True):
        np.testing.assert_array_equal(one, two)
    pairs = list(zip(rivals.point.tolist(), rivals.label.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert set(pairs) == expected_rivals(latitude, longitude, eps, labels, core)
    return pairs


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(PLACES),
    st.sampled_from([3, 4, 5, 8]),
    st.floats(2.0, 12.0),
    st.integers(1, 2),
)
def test_rivals_around_places(seed, place, min_samples, spread, threads):
    random = np.random.default_rng(seed)
    points = around(*random.uniform(0.0, spread * EPS, (2, random.integers(1, 150))), place)
    assert_rivals(points.latitude, points.longitude, EPS, min_samples, threads)


@pytest.mark.parametrize(("n", "eps", "min_samples"), [(600, 8e5, 5), (600, 1e6, 7), (40, 2.9e6, 4)])
def test_rivals_all_over_the_world(n, eps, min_samples):
    found = 0
    for seed in range(8):
        random = np.random.default_rng(seed)
        latitude, longitude = np.degrees(np.arcsin(random.uniform(-1, 1, n))), random.uniform(-180, 180, n)
        found += len(assert_rivals(latitude, longitude, eps, min_samples))
    assert found > 0


def test_a_border_point_between_four_clusters():
    """Its own cluster is the first; the three others are its rivals. It is no core point itself."""
    angle = np.radians([0, 90, 180, 270])
    arms = [(r * np.sin(a), r * np.cos(a)) for a in angle for r in (50.0, 90.0, 91.0, 92.0, 93.0)]
    east, north = np.array([*arms, (0.0, 0.0)]).T
    points = around(east * 0.999, north * 0.999)
    labels, core, rivals = dbscan_with_rivals(points.latitude, points.longitude, EPS, 6)
    assert not core[-1]
    assert labels[-1] == 0
    assert sorted(rivals.label[rivals.point == 20].tolist()) == [1, 2, 3]


def test_without_points():
    labels, core, rivals = dbscan_with_rivals([], [], EPS, 3)
    assert len(labels) == len(core) == len(rivals.point) == len(rivals.label) == 0
