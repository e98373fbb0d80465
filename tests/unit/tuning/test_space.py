from __future__ import annotations

import numpy as np
import pytest

from haversine_dbscan import count_neighbours
from taxi_mlops.training import Tune
from taxi_mlops.tuning.space import Space, space_of


def city(n=4000):
    rng = np.random.default_rng(0)
    return rng.normal(-33.45, 0.01, n), rng.normal(-70.66, 0.01, n)


def test_ranges_that_are_given_are_kept():
    document = Tune().with_parameters({"eps": "20,500", "min_samples": "5,80"})
    space = space_of(document, *city(100))
    assert (space.eps_metres, space.min_samples) == ((20.0, 500.0), (5, 80))
    assert all(20.0 <= eps <= 500.0 and 5 <= min_samples <= 80 for eps, min_samples in space.start)


def test_min_samples_goes_up_to_half_a_percent_of_the_points():
    assert space_of(Tune(), *city(10_000)).min_samples == (5, 50)
    assert space_of(Tune(), *city(100)).min_samples == (5, 20)


def test_eps_goes_from_close_neighbours_to_the_farthest():
    latitude, longitude = city()
    low, high = space_of(Tune(), latitude, longitude).eps_metres
    wider = space_of(Tune(), (latitude + 33.45) * 2 - 33.45, (longitude + 70.66) * 2 - 70.66).eps_metres
    assert wider == (pytest.approx(2 * low, rel=0.1), pytest.approx(2 * high, rel=0.1))
    assert 4 * low < high


def test_points_on_one_place_have_a_range_too():
    space = space_of(Tune(), np.full(100, -33.45), np.full(100, -70.66))
    assert (space.eps_metres, space.min_samples) == ((1.0, 4.0), (5, 20))


def test_the_first_pairs_have_neighbours_for_a_share_of_the_points():
    latitude, longitude = city()
    start = space_of(Tune(), latitude, longitude).start
    assert [min_samples for _, min_samples in start] == 2 * [5, 7, 10, 14, 20]
    for number, (eps, min_samples) in enumerate(start):
        enough = np.mean(count_neighbours(latitude, longitude, eps) >= min_samples)
        assert enough == pytest.approx(0.7 if number < 5 else 0.9, abs=0.03)


def test_eps_is_rounded_within_the_range():
    space = Space((10.05, 99.94), (5, 20))
    assert [space.rounded(eps) for eps in (10.051, 33.333, 99.94)] == [10.1, 33.3, 99.9]
    assert space.rounded(10.05) >= 10.05
