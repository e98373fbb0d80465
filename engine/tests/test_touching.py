"""Crowded cells: the search by halves finds what comparing every pair finds, and cells with many points connect."""

import numpy as np
import pytest
from numba import njit
from sklearn.cluster import DBSCAN

from haversine_dbscan.clustering import dbscan_plane
from haversine_dbscan.frame import Pair
from haversine_dbscan.touching import any_within


@njit
def touch(limit, pair, x, y, middle):
    """Whether one of the points before `middle` is within eps of one of the others."""
    middle = np.uintp(middle)
    return any_within(limit, pair, x, y, np.uintp(0), middle, middle, np.uintp(len(x)))


@pytest.mark.parametrize("seed", range(20))
def test_finds_a_pair_where_there_is_one(seed):
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.normal(0, 0.1, 80), rng.normal(1.2, 0.1, 80)])
    y = rng.normal(0, 0.1, 160)
    squared = (x[:80, None] - x[80:]) ** 2 + (y[:80, None] - y[80:]) ** 2
    before = x.copy()
    for eps_squared in (squared.min(), np.nextafter(squared.min(), 0)):
        pair = Pair(-1, 3, 1.0, eps_squared, eps_squared)
        assert touch(eps_squared, pair, x, y, 80) == (eps_squared == squared.min())
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("beyond", [0.0, 1e-6])
def test_piles_just_within_or_beyond_eps(beyond):
    points = np.zeros((400, 2))
    points[200:, 0] = 1.0 + beyond
    labels, _ = dbscan_plane(*points.T, 1.0, 5)
    np.testing.assert_array_equal(labels, np.repeat([0, 1 if beyond else 0], 200))


@pytest.mark.parametrize("min_samples", [5, 900, 1100, 2600])
def test_crowded_blobs_have_the_labels_of_scikit_learn(min_samples):
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(0, 0.25, (2500, 2)), rng.normal([1.7, 0], 0.25, (2500, 2))])
    expected = DBSCAN(eps=1.0, min_samples=min_samples).fit(points)
    labels, core = dbscan_plane(*points.T, 1.0, min_samples)
    np.testing.assert_array_equal(labels, expected.labels_)
    np.testing.assert_array_equal(np.flatnonzero(core), expected.core_sample_indices_)


@pytest.mark.parametrize("scale", [1.0, 0.36])
@pytest.mark.parametrize("turn", [0.0, 0.8, 2.5])
def test_arcs_that_follow_each_other_at_eps(scale, turn):
    rng = np.random.default_rng(2)
    angle = turn + rng.uniform(0.0, 0.5, 600)
    radius = np.repeat([0.7, 1.7], 300)
    x, y = radius * np.cos(angle) / np.sqrt(scale), radius * np.sin(angle)
    squared = scale * (x[:300, None] - x[300:]) ** 2 + (y[:300, None] - y[300:]) ** 2
    least = squared.min()
    for limit in (least, np.nextafter(least, 0), least * (1 - 1e-9), least * (1 - 1e-6)):
        pair = Pair(-1, 3, scale, limit, limit)
        expected = bool((squared <= limit).any())
        assert touch(-1.0, pair, x, y, 300) == expected
