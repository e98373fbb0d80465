"""Counts of neighbours against the definition, and the clusters that follow from them against `dbscan`."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import BallTree

from haversine_dbscan import GridDBSCAN, Neighbourhoods, count_neighbours, dbscan
from haversine_dbscan.geodesy import EARTH_RADIUS_METRES, great_circle_distance

DEGREE = np.pi / 180 * EARTH_RADIUS_METRES
PLACES = [(-33.45, -70.66), (0.0, 0.0), (12.0, 180.0), (-60.0, -180.0), (69.99, 10.0)]


def by_pairs(latitude, longitude, eps, weight=None):
    near = great_circle_distance(latitude[:, None], longitude[:, None], latitude[None], longitude[None]) <= eps
    return near.sum(axis=1) if weight is None else near @ weight


@st.composite
def point_sets(draw):
    """Points on a lattice of metres around a place, so that many coincide and many distances are equal."""
    latitude, longitude = draw(st.sampled_from(PLACES))
    step = draw(st.sampled_from([1.0, 10.0, 1000.0]))
    offsets = draw(arrays.arrays(np.int64, st.tuples(st.integers(0, 40), st.just(2)), elements=st.integers(-6, 6)))
    latitudes = latitude + offsets[:, 0] * step / DEGREE
    longitudes = longitude + offsets[:, 1] * step / (DEGREE * np.cos(np.radians(latitude)))
    return latitudes, (longitudes + 180.0) % 360.0 - 180.0, step


@settings(max_examples=200, deadline=None)
@given(point_sets(), st.sampled_from([0.5, 1.01, 1.5, 2.1, 3.7]), st.booleans(), st.integers(1, 2))
def test_counts_are_those_of_the_definition(points, radius, weighted, threads):
    latitude, longitude, step = points
    weight = np.arange(len(latitude)) % 3 - 0.5 if weighted else None
    counts = count_neighbours(latitude, longitude, radius * step, weight, threads)
    assert counts.dtype == (np.float64 if weighted else np.int64)
    np.testing.assert_array_equal(counts, by_pairs(latitude, longitude, radius * step, weight))


@settings(max_examples=150, deadline=None)
@given(point_sets(), st.sampled_from([0.5, 1.01, 2.1, 3.7]), st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_one_count_gives_the_clusters_of_every_min_samples(points, radius, wanted):
    latitude, longitude, step = points
    near = Neighbourhoods(latitude, longitude, radius * step)
    for min_samples in wanted:  # in any order: clustering leaves the neighbourhoods as they were
        expected, expected_core = dbscan(latitude, longitude, radius * step, min_samples)
        labels, core = near.cluster(min_samples)
        np.testing.assert_array_equal(core, expected_core)
        np.testing.assert_array_equal(labels, expected)
        np.testing.assert_array_equal(core, near.counts >= min_samples)


def crowd(n=6000):
    """A dense city, in which cells are fine, with places where many points coincide."""
    rng = np.random.default_rng(3)
    centres = rng.uniform([-33.5, -70.7], [-33.4, -70.6], (20, 2))
    points = centres[rng.integers(0, 20, n)] + rng.normal(0, 2e-3, (n, 2))
    points[: n // 4] = points[rng.integers(0, 50, n // 4)]
    return points.T.copy()


@pytest.mark.parametrize("eps", [20.0, 150.0, 2000.0])
def test_counts_of_scikit_learn(eps):
    latitude, longitude = crowd()
    radians = np.radians(np.column_stack([latitude, longitude]))
    counted = BallTree(radians, metric="haversine").query_radius(radians, eps / EARTH_RADIUS_METRES, count_only=True)
    np.testing.assert_array_equal(count_neighbours(latitude, longitude, eps), counted)


@pytest.mark.parametrize("eps", [20.0, 150.0, 2000.0])
def test_clusters_of_the_estimator(eps):
    latitude, longitude = crowd()
    near = Neighbourhoods(latitude, longitude, eps, threads=2)
    for min_samples in (2, 12.5, 300, 10_000):
        fitted = GridDBSCAN(eps=eps, min_samples=min_samples).fit(np.column_stack([latitude, longitude]))
        labels, core = near.cluster(min_samples)
        np.testing.assert_array_equal(labels, fitted.labels_)
        np.testing.assert_array_equal(np.flatnonzero(core), fitted.core_sample_indices_)


@pytest.mark.parametrize("eps", [1e3, 3e5, 2e6, 5e6])
def test_all_over_the_world(eps):
    """Zones, poles and the antimeridian; beyond them pair by pair."""
    rng = np.random.default_rng(int(eps))
    latitude, longitude = np.degrees(np.arcsin(rng.uniform(-1, 1, 400))), rng.uniform(-180, 180, 400)
    latitude[:100] = np.clip(latitude[100:200] + rng.normal(0, 0.5, 100) * eps / DEGREE, -90, 90)
    longitude[:100] = longitude[100:200]
    weight = rng.integers(1, 5, 400)
    near = Neighbourhoods(latitude, longitude, eps, threads=2)
    np.testing.assert_array_equal(near.counts, by_pairs(latitude, longitude, eps))
    np.testing.assert_array_equal(
        count_neighbours(latitude, longitude, eps, weight), by_pairs(latitude, longitude, eps, weight)
    )
    for min_samples in (2, 5):
        for one, other in zip(near.cluster(min_samples), dbscan(latitude, longitude, eps, min_samples), strict=True):
            np.testing.assert_array_equal(one, other)


def test_weights_decide_core_points():
    latitude, longitude = crowd(1000)
    weight = np.random.default_rng(4).integers(0, 4, 1000)
    near = Neighbourhoods(latitude, longitude, 100.0, weight)
    for one, other in zip(near.cluster(20), dbscan(latitude, longitude, 100.0, 20, weight), strict=True):
        np.testing.assert_array_equal(one, other)


def test_single_precision_and_lists():
    latitude, longitude = (values.astype(np.float32) for values in crowd(500))
    expected = by_pairs(latitude.astype(np.float64), longitude.astype(np.float64), 50.0)
    np.testing.assert_array_equal(count_neighbours(latitude, longitude, 50.0), expected)
    np.testing.assert_array_equal(count_neighbours(latitude.tolist(), longitude.tolist(), 50.0), expected)


def test_no_points():
    near = Neighbourhoods([], [], 50.0)
    assert near.counts.shape == near.cluster(3)[0].shape == (0,)


@pytest.mark.parametrize(
    ("points", "eps", "weight", "message"),
    [
        (([0.0], [0.0]), 0.0, None, "eps must be at least"),
        (([np.nan], [0.0]), 1.0, None, "latitude must be finite"),
        (([91.0], [0.0]), 1.0, None, "latitude must be in"),
        (([0.0, 1.0], [0.0]), 1.0, None, "must be of one length"),
        (([0.0], [0.0]), 1.0, [np.inf], "weight must be finite"),
    ],
)
def test_what_dbscan_refuses_is_refused(points, eps, weight, message):
    with pytest.raises(ValueError, match=message):
        count_neighbours(*points, eps, weight)
