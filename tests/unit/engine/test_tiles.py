"""Tiles: every point has one owner, halos hold all neighbours, budgets are kept."""

import numpy as np
import pytest

from haversine_dbscan.geodesy import great_circle_distance
from haversine_dbscan.tiles import estimate_neighbours, split
from taxi_mlops.testing.cases import around

EPS = 50.0
PLACES = [(-33.45, -70.66), (-17.0, 180.0), (70.0, 20.0), (-70.0, 180.0), (90.0, 0.0)]


def random_walk(n, place):
    metres = np.cumsum(np.random.default_rng(0).normal(0.0, 30.0, (n, 2)), axis=0)
    points = around(metres[:, 0], metres[:, 1], place)
    return points.latitude, points.longitude


def assert_halos_hold_all_neighbours(latitude, longitude, tiles, eps):
    np.testing.assert_array_equal(np.sort(np.concatenate([tile.owned for tile in tiles])), np.arange(len(latitude)))
    for tile in tiles:
        distances = great_circle_distance(
            latitude[:, None], longitude[:, None], latitude[tile.owned], longitude[tile.owned]
        ).min(axis=1)
        needed = np.setdiff1d(np.flatnonzero(distances <= eps), tile.owned)
        assert np.isin(needed, tile.halo).all()
        assert not np.isin(tile.owned, tile.halo).any()
        assert len(np.unique(tile.halo)) == len(tile.halo)


@pytest.mark.parametrize("place", PLACES)
def test_every_point_has_one_owner_and_halos_reach_eps(place):
    latitude, longitude = random_walk(1_000, place)
    tiles = split(latitude, longitude, estimate_neighbours(latitude, longitude, EPS), EPS, budget=400.0)
    assert len(tiles) > 10
    assert_halos_hold_all_neighbours(latitude, longitude, tiles, EPS)


@pytest.mark.parametrize("eps", [1e3, 1.5e5, 2e5, 2.5e6, 1e7])
def test_tiles_all_over_the_world(eps):
    random = np.random.default_rng(1)
    latitude, longitude = np.degrees(np.arcsin(random.uniform(-1, 1, 1_000))), random.uniform(-180, 180, 1_000)
    tiles = split(latitude, longitude, estimate_neighbours(latitude, longitude, eps), eps, budget=100.0)
    assert_halos_hold_all_neighbours(latitude, longitude, tiles, eps)


def test_tiles_that_are_small_against_eps_are_not_halved():
    latitude, longitude = np.linspace(0.0, 1e-4, 500), np.zeros(500)
    tiles = split(latitude, longitude, estimate_neighbours(latitude, longitude, EPS), EPS, budget=1.0)
    assert [len(tile.owned) for tile in tiles] == [500]


def test_a_budget_bounds_the_tiles():
    random = np.random.default_rng(1)
    points = around(random.uniform(0, 20_000, 20_000), random.uniform(0, 20_000, 20_000))
    neighbours = estimate_neighbours(points.latitude, points.longitude, EPS)
    for tile in split(points.latitude, points.longitude, neighbours, EPS, budget=5_000.0):
        assert neighbours[tile.owned].sum() <= 5_000.0


@pytest.mark.parametrize("place", PLACES)
def test_neighbours_are_guessed_within_a_factor(place):
    random = np.random.default_rng(2)
    points = around(random.uniform(0, 2_000, 2_000), random.uniform(0, 2_000, 2_000), place)
    latitude, longitude = points.latitude, points.longitude
    true = (great_circle_distance(latitude[:, None], longitude[:, None], latitude, longitude) <= EPS).sum()
    assert true / 2 < estimate_neighbours(latitude, longitude, EPS).sum() < true * 2
