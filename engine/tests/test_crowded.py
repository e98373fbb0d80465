"""Crowded cells, whose neighbours are counted in single precision: exact all the same, also at eps."""

import numpy as np
import pytest
from numba import njit
from sklearn.cluster import DBSCAN

from haversine_dbscan.clustering import dbscan, dbscan_plane
from haversine_dbscan.crowded import PADDING, Scale, enough_gathered
from haversine_dbscan.geodesy import EARTH_RADIUS_METRES


@njit
def enough(near_x, near_y, total, scale, wanted):
    return enough_gathered(near_x, near_y, np.uintp(total), scale, 0.0, 0.0, wanted)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("eps", "min_samples"), [(5.0, 150), (5.0, 190), (np.sqrt(8.0), 60), (10.0, 390)])
def test_lattice_with_many_points_at_exactly_eps(seed, eps, min_samples):
    points = np.random.default_rng(seed).integers(-10, 11, (1200, 2)).astype(float)
    expected = DBSCAN(eps=eps, min_samples=min_samples).fit(points)
    assert 0 < len(expected.core_sample_indices_) < len(points)
    labels, core = dbscan_plane(*points.T, eps, min_samples)
    np.testing.assert_array_equal(np.flatnonzero(core), expected.core_sample_indices_)
    np.testing.assert_array_equal(labels, expected.labels_)


@pytest.mark.parametrize("places", [2, 5, 60])
@pytest.mark.parametrize("min_samples", [60, 200, 700])
def test_duplicates_in_any_order(places, min_samples):
    rng = np.random.default_rng(places)
    points = rng.uniform(0, 2.5, (places, 2))[rng.integers(0, places, 1500)]
    expected = DBSCAN(eps=1.0, min_samples=min_samples).fit(points)
    labels, core = dbscan_plane(*points.T, 1.0, min_samples)
    np.testing.assert_array_equal(np.flatnonzero(core), expected.core_sample_indices_)
    np.testing.assert_array_equal(labels, expected.labels_)


@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_any_unit(unit):
    points = np.random.default_rng(0).normal(0, 3, (2000, 2))
    expected = DBSCAN(eps=1.0, min_samples=40).fit(points)
    labels, core = dbscan_plane(*(points * unit).T, unit, 40)
    np.testing.assert_array_equal(np.flatnonzero(core), expected.core_sample_indices_)
    np.testing.assert_array_equal(labels, expected.labels_)


@pytest.mark.parametrize("latitude", [0.0, 40.7, -66.0])
@pytest.mark.parametrize("eps", [120.0, 30_000.0])
def test_on_the_sphere(latitude, eps):
    rng = np.random.default_rng(1)
    spread = eps / 50_000.0
    points = np.stack([rng.normal(latitude, spread, 2500), rng.normal(7.0, spread * 2, 2500)], axis=1)
    for min_samples in (40, 120):
        expected = DBSCAN(eps=eps / EARTH_RADIUS_METRES, min_samples=min_samples, metric="haversine").fit(
            np.radians(points)
        )
        labels, core = dbscan(*points.T, eps, min_samples)
        np.testing.assert_array_equal(np.flatnonzero(core), expected.core_sample_indices_)
        np.testing.assert_array_equal(labels, expected.labels_)


def test_undecided_between_the_bounds():
    near_x = np.full(64 + PADDING, 1e9, np.float32)
    near_x[:20] = np.linspace(0.0, 0.95, 20)
    near_x[20:40] = 1.0
    near_y = np.where(near_x < 2, 0, near_x).astype(np.float32)
    scale = Scale(1.0, 1.0, np.float32(1.0 - 1e-5), np.float32(1.0 + 1e-5))
    verdicts = [enough(near_x, near_y, 40, scale, wanted) for wanted in (20, 21, 40, 41)]
    assert verdicts == [1, -1, -1, 0]
