"""The engine against the definition, and against scikit-learn label by label."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

from haversine_dbscan.clustering import dbscan, dbscan_plane
from haversine_dbscan.geodesy import EARTH_RADIUS_METRES
from haversine_dbscan.resolution import COARSE, FINE
from taxi_mlops.testing.oracle import brute_force_dbscan

DEGREE = np.pi / 180 * EARTH_RADIUS_METRES

# A centre, and a step of the lattice around it in metres: cities, both sides of the antimeridian, and the poles.
PLACES = [(-33.45, -70.66), (0.0, 0.0), (12.0, 180.0), (-60.0, -180.0), (90.0, 0.0), (-89.9999, 45.0)]

WAYS = st.sampled_from([0, 4096])
"""The most points that are swept: few enough points go either way."""


@st.composite
def point_sets(draw):
    """Points on a lattice of metres around a place, so that many coincide and many distances are equal."""
    latitude, longitude = draw(st.sampled_from(PLACES))
    step = draw(st.sampled_from([1.0, 10.0, 1000.0]))
    offsets = draw(arrays.arrays(np.int64, st.tuples(st.integers(0, 40), st.just(2)), elements=st.integers(-6, 6)))
    if abs(latitude) > 89:
        latitudes = latitude - np.sign(latitude) * np.abs(offsets[:, 0]) * step / DEGREE
        longitudes = longitude + offsets[:, 1] * 20.0
    else:
        latitudes = latitude + offsets[:, 0] * step / DEGREE
        longitudes = longitude + offsets[:, 1] * step / (DEGREE * np.cos(np.radians(latitude)))
    return latitudes, (longitudes + 180.0) % 360.0 - 180.0, step


@settings(max_examples=300, deadline=None)
@given(point_sets(), st.sampled_from([0.5, 1.01, 1.5, 2.1, 3.7]), st.integers(1, 8), st.booleans(), WAYS)
def test_equals_the_definition(points, radius, min_samples, weighted, most_swept):
    latitude, longitude, step = points
    weight = np.arange(len(latitude)) % 3 + 0.5 if weighted else None
    truth = brute_force_dbscan(latitude, longitude, radius * step, min_samples, weight)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("haversine_dbscan.clustering.MOST_SWEPT", most_swept)
        labels, core = dbscan(latitude, longitude, radius * step, min_samples, weight)
    np.testing.assert_array_equal(core, truth.core_mask)
    np.testing.assert_array_equal(labels, truth.labels)


@pytest.mark.parametrize(("eps", "min_samples"), [(30, 3), (100, 10), (1000, 60), (5e6, 1), (3e7, 10_000)])
def test_labels_of_scikit_learn(eps, min_samples):
    rng = np.random.default_rng(1)
    centres = rng.uniform([-33.6, -70.8], [-33.3, -70.5], (30, 2))
    points = centres[rng.integers(0, 30, 3000)] + rng.normal(0, 1e-3, (3000, 2))
    expected = DBSCAN(eps=eps / EARTH_RADIUS_METRES, min_samples=min_samples, metric="haversine").fit(
        np.radians(points)
    )
    labels, core = dbscan(points[:, 0], points[:, 1], eps, min_samples)
    np.testing.assert_array_equal(labels, expected.labels_)
    np.testing.assert_array_equal(np.flatnonzero(core), expected.core_sample_indices_)


def test_points_all_over_the_world_need_no_dense_grid():
    rng = np.random.default_rng(2)
    latitude, longitude = rng.uniform(-90, 90, 2000), rng.uniform(-180, 180, 2000)
    latitude[1000:], longitude[1000:] = latitude[:1000], longitude[:1000]
    latitude[1500:] = np.clip(latitude[1500:] + 9.0 / DEGREE, -90, 90)
    labels, core = dbscan(latitude, longitude, 10.0, 2)
    assert core.all()
    assert labels.max() == 999
    np.testing.assert_array_equal(labels[:1000], labels[1000:])


@pytest.mark.parametrize("eps", [0.0, -1.0, np.nan, 1e-7])
def test_eps_must_be_a_length(eps):
    with pytest.raises(ValueError, match="eps must be at least"):
        dbscan(np.zeros(1), np.zeros(1), eps, 1)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_coordinates_must_be_finite(wrong):
    with pytest.raises(ValueError, match=r"latitude must be finite, got .* at 1"):
        dbscan(np.array([0.0, wrong]), np.zeros(2), 1.0, 1)
    with pytest.raises(ValueError, match=r"x must be finite, got .* at 1"):
        dbscan_plane(np.array([0.0, wrong]), np.zeros(2), 1.0, 1)


def test_coordinates_must_be_degrees():
    with pytest.raises(ValueError, match=r"latitude must be in \[-90, 90\] degrees, got 90.1"):
        dbscan(np.array([0.0, 90.1]), np.zeros(2), 1.0, 1)
    with pytest.raises(ValueError, match=r"longitude must be in \[-180, 180\] degrees, got -190"):
        dbscan(np.zeros(2), np.array([0.0, -190]), 1.0, 1)


@pytest.mark.parametrize("n", [0, 1])
def test_hardly_any_points(n):
    labels, core = dbscan(np.zeros(n), np.zeros(n), 1.0, 1)
    np.testing.assert_array_equal(labels, np.arange(n))
    assert core.all()


@settings(max_examples=200, deadline=None)
@given(
    arrays.arrays(np.int64, st.tuples(st.integers(0, 60), st.just(2)), elements=st.integers(-6, 6)),
    st.sampled_from([1, 1.5, 2, 2.25, 5]),
    st.integers(1, 8),
    st.booleans(),
    st.integers(1, 3),
    WAYS,
)
def test_plane_equals_the_definition_on_ties(points, eps, min_samples, weighted, threads, most_swept):
    """Lattice distances of exactly eps are exact in floating point, and inclusive."""
    x, y = points.astype(np.float64).T
    weight = np.arange(len(x)) % 3 - 0.5 if weighted else None
    neighbours = (x[:, None] - x) ** 2 + (y[:, None] - y) ** 2 <= eps**2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("haversine_dbscan.clustering.MOST_SWEPT", most_swept)
        labels, core = dbscan_plane(x, y, eps, min_samples, weight, threads)
    expected = neighbours @ (np.ones(len(x)) if weight is None else weight) >= min_samples
    np.testing.assert_array_equal(core, expected)
    if len(x):
        fitted = DBSCAN(eps=eps, min_samples=min_samples).fit(points, sample_weight=weight)
        np.testing.assert_array_equal(labels, fitted.labels_)


@pytest.mark.parametrize("make", [np.asfortranarray, np.float32, lambda points: np.repeat(points, 2, axis=0)[::2]])
def test_any_memory_layout(make):
    points = np.random.default_rng(3).normal(45.0, 1e-3, (500, 2))
    points = points.astype(np.float32).astype(np.float64)
    other = make(points)
    other.flags.writeable = False
    for one, two in zip(dbscan(*points.T, 30, 5), dbscan(*other.T, 30, 5), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_resolutions_and_threads_agree(threads, monkeypatch):
    rng = np.random.default_rng(4)
    points = np.concatenate([rng.normal(0, 20, (1500, 2)), rng.uniform(-200, 200, (1500, 2))])
    expected = DBSCAN(eps=6, min_samples=9).fit(points)
    for resolution in (COARSE, FINE, 3.0, 5.0):
        monkeypatch.setattr("haversine_dbscan.clustering.choose_resolution", lambda *_, chosen=resolution: chosen)
        labels, core = dbscan_plane(*points.T, 6, 9, threads=threads)
        np.testing.assert_array_equal(labels, expected.labels_)
        np.testing.assert_array_equal(np.flatnonzero(core), expected.core_sample_indices_)


@pytest.mark.parametrize("least", [-0.5, 0.0, 0.25])
@pytest.mark.parametrize("min_samples", [3, 9, 200])
def test_weights_decide_cells_of_any_size(least, min_samples, monkeypatch):
    """Cells are decided by sums of weights; where some are negative, by looking at all neighbours."""
    rng = np.random.default_rng(6)
    points = np.concatenate([rng.normal(0, 20, (800, 2)), rng.uniform(-200, 200, (800, 2))])
    weight = rng.integers(0, 8, 1600) / 4.0 + least
    expected = DBSCAN(eps=6, min_samples=min_samples).fit(points, sample_weight=weight)
    for resolution in (COARSE, 3.0, 5.0):
        monkeypatch.setattr("haversine_dbscan.clustering.choose_resolution", lambda *_, chosen=resolution: chosen)
        labels, core = dbscan_plane(*points.T, 6, min_samples, weight)
        np.testing.assert_array_equal(labels, expected.labels_)
        np.testing.assert_array_equal(np.flatnonzero(core), expected.core_sample_indices_)


def test_few_points_far_apart_leave_no_rows_between():
    x = np.array([0.0, 0.5, 1e6, 1e6 + 0.5, 5e5])
    labels, _ = dbscan_plane(x, x, 1.0, 2)
    np.testing.assert_array_equal(labels, [0, 0, 1, 1, -1])


def test_points_too_far_apart_for_float64_are_refused():
    with pytest.raises(ValueError, match="eps = 1 is too small for coordinates 1e"):
        dbscan_plane(np.array([0.0, 1e15]), np.zeros(2), 1.0, 1)


@pytest.mark.parametrize("spread", [1e3, 1e5, 1e9])
@pytest.mark.parametrize("height", [0.0, 3.0, 1e4])
def test_rows_of_points_far_apart(spread, height):
    """Rows with many more columns than points are sorted digit by digit."""
    rng = np.random.default_rng(5)
    points = np.stack([rng.uniform(0, spread, 500), rng.uniform(0, height, 500)], axis=1)
    points = np.concatenate([points, points + rng.uniform(0, 1, points.shape)])
    labels, _ = dbscan_plane(*points.T, 1.0, 2)
    np.testing.assert_array_equal(labels, DBSCAN(eps=1.0, min_samples=2).fit(points).labels_)
