"""Few points are swept: which, and that labels are those of the cells. test_dbscan.py has the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haversine_dbscan import clustering
from haversine_dbscan.clustering import dbscan, dbscan_plane

SWEPT = 4096


@pytest.fixture(autouse=True)
def few_points(as_many_points, monkeypatch):
    monkeypatch.setattr("haversine_dbscan.clustering.MOST_SWEPT", SWEPT)


@pytest.fixture
def swept(monkeypatch):
    """How many points were swept, call by call; None where they were left to the cells."""
    calls = []

    def watch(name):
        sweep = getattr(clustering, name)

        def watched(x, *rest):
            found = sweep(x, *rest)
            calls.append(None if found is None else len(x))
            return found

        monkeypatch.setattr(clustering, name, watched)

    watch("sweep_sphere")
    watch("sweep_plane")
    return calls


def in_cells(function, *arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("haversine_dbscan.clustering.MOST_SWEPT", 0)
        return function(*arguments)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 600),
    st.sampled_from([1e-4, 1e-3, 0.1, 20.0]),
    st.sampled_from([30.0, 300.0, 20_000.0, 2_000_000.0]),
    st.integers(1, 20),
    st.sampled_from([np.float32, np.float64]),
)
def test_equals_the_cells(seed, n, spread, eps, min_samples, dtype):
    """Anywhere outside the poles, for any eps, in both precisions."""
    rng = np.random.default_rng(seed)
    latitude = np.clip(rng.uniform(-70, 70) + rng.normal(0, spread, n), -89, 89).astype(dtype)
    longitude = np.clip(rng.uniform(-150, 150) + rng.normal(0, spread, n), -179, 179).astype(dtype)
    labels, core = dbscan(latitude, longitude, eps, min_samples)
    expected, expected_core = in_cells(dbscan, latitude, longitude, eps, min_samples)
    np.testing.assert_array_equal(core, expected_core)
    np.testing.assert_array_equal(labels, expected)


def test_few_points_are_swept_and_more_are_not(swept):
    points = np.random.default_rng(0).uniform(0, 1, (2, SWEPT + 1))
    dbscan(*points, 500.0, 5)
    assert not swept
    dbscan(*points[:, 1:], 500.0, 5)
    dbscan_plane(*points[:, :10], 0.1, 5)
    assert swept == [SWEPT, 10]


@pytest.mark.parametrize(
    "points", [np.zeros((2, 500)), np.array([[0.0, 0.1, 60.0], [0.0, 0.1, 170.0]]), np.array([[86.0, 86.0], [0, 0]])]
)
def test_points_that_are_crowded_far_apart_or_close_to_a_pole_are_for_the_cells(points, swept):
    labels, core = dbscan(*points, 1.0, 2)
    assert swept == [None]
    expected, expected_core = in_cells(dbscan, *points, 1.0, 2)
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(core, expected_core)


def test_weights_are_for_the_cells(swept):
    dbscan(np.zeros(3), np.zeros(3), 1.0, 2, np.ones(3))
    assert not swept
