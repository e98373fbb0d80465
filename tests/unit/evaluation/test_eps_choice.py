"""Eps comes off the curve at its knee; where there is none, it says so."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter

from haversine_dbscan.geodesy import great_circle_distance
from taxi_mlops.domain import Points, Provenance
from taxi_mlops.errors import DataError
from taxi_mlops.evaluation import eps_choice as module
from taxi_mlops.evaluation.eps_choice import EpsChoice, choose_eps, find_knee, neighbour_distances


def make_points(latitude, longitude, weight=None) -> Points:
    provenance = Provenance("memory:", "test", "1", len(latitude), len(latitude))
    return Points(np.asarray(latitude, float), np.asarray(longitude, float), weight, "0" * 64, provenance)


def stands_in_noise(seed: int = 0) -> Points:
    """2,000 points at 4 stands of some 30 m, and 200 over 10 km."""
    rng = np.random.default_rng(seed)
    stands = rng.uniform(-0.05, 0.05, (4, 2))[rng.integers(0, 4, 2000)] + rng.normal(0, 3e-4, (2000, 2))
    return make_points(*np.concatenate([stands, rng.uniform(-0.05, 0.05, (200, 2))]).T)


def test_distances_are_those_of_brute_force() -> None:
    points = stands_in_noise()
    found = np.sort(neighbour_distances(points.latitude, points.longitude, 7, seed=0))
    latitude, longitude = points.latitude, points.longitude
    distances = great_circle_distance(latitude[:, None], longitude[:, None], latitude, longitude)
    assert found == pytest.approx(np.sort(np.sort(distances, axis=1)[:, 6]), abs=1e-6)


def test_a_sample_is_compared_with_all_points(monkeypatch) -> None:
    points = stands_in_noise()
    whole = neighbour_distances(points.latitude, points.longitude, 7, seed=0)
    monkeypatch.setattr(module, "POINTS_SAMPLED", 500)
    sample = neighbour_distances(points.latitude, points.longitude, 7, seed=0)
    assert len(sample) == 500
    assert np.median(sample) == pytest.approx(np.median(whole), rel=0.1)


def test_eps_parts_stands_from_noise() -> None:
    choice = choose_eps(stands_in_noise(), 10, seed=0)
    assert 10.0 < choice.eps_metres < 300.0
    assert choice.k == 10
    assert choice.sampled == 2200
    assert 0.8 < choice.knee_share < 0.97
    assert len(choice.share) == len(choice.distance_metres) <= module.POINTS_STORED + 1
    assert list(choice.distance_metres) == sorted(choice.distance_metres)
    assert choice.share[-1] == pytest.approx(0.99)
    knee = choice.share.index(choice.knee_share)
    assert choice.distance_metres[knee] == pytest.approx(choice.eps_metres, rel=5e-3)  # three digits
    assert "--eps overrides" in str(choice)
    assert choose_eps(stands_in_noise(), 10, seed=0) == choice


def test_one_point_far_away_changes_nothing_much() -> None:
    points = stands_in_noise()
    far = make_points(np.append(points.latitude, 40.0), np.append(points.longitude, 90.0))
    assert choose_eps(far, 10, 0).eps_metres == pytest.approx(choose_eps(points, 10, 0).eps_metres, rel=0.1)


def test_the_choice_survives_json() -> None:
    choice = choose_eps(stands_in_noise(), 5, seed=0)
    adapter = TypeAdapter(EpsChoice)
    assert adapter.validate_json(adapter.dump_json(choice)) == choice


@pytest.mark.parametrize(
    ("points", "min_samples", "message"),
    [
        (make_points([0.0, 1.0], [0.0, 0.0], np.array([1.0, 2.0])), 2, "weighted points"),
        (make_points([0.0, 1.0], [0.0, 0.0]), 3, "there are 2 points and min_samples is 3"),
        (make_points(np.zeros(50), np.zeros(50)), 5, "100% of the points lie on one place; give --eps METRES"),
        (make_points(np.append(np.zeros(96), [1, 2, 3, 4]), np.zeros(100)), 3, "96% of the points lie on one place"),
        (make_points(np.repeat(np.arange(20) / 1000, 9), np.zeros(180)), 5, "have no knee"),
    ],
)
def test_where_nothing_can_be_chosen_it_says_why(points: Points, min_samples: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        choose_eps(points, min_samples, seed=0)


def stations(apart: float, count: int, noise: int = 0) -> Points:
    """20 points on each station of a row, so many degrees of latitude apart, and others along it."""
    rng = np.random.default_rng(0)
    latitude = np.append(np.repeat(apart * np.arange(count), 20), rng.uniform(0, apart * count, noise))
    return make_points(latitude, np.zeros(latitude.size))


@pytest.mark.parametrize("noise", [0, 300])
def test_of_points_on_stations_eps_is_the_distance_between_them(noise: int) -> None:
    choice = choose_eps(stations(0.01, 50, noise), 5, seed=0)
    assert choice.places == 50
    assert choice.eps_metres == pytest.approx(1111.95, rel=5e-3)
    assert choice.k == 5
    assert str(choice).startswith("eps 1110 m is about the distance between places: most points lie on 50 of them")
    assert TypeAdapter(EpsChoice).validate_json(TypeAdapter(EpsChoice).dump_json(choice)) == choice


def test_stations_that_are_close_are_joined_and_a_far_one_is_not() -> None:
    rows = [stations(0.001, 40), stations(0.001, 40)]
    far = np.repeat([1.0, 2.0, 3.0], 20)
    latitude = np.concatenate([rows[0].latitude, rows[1].latitude + 0.5, far])
    choice = choose_eps(make_points(latitude, np.zeros(latitude.size)), 5, seed=0)
    assert choice.eps_metres == pytest.approx(111.2, rel=0.01)


def test_a_knee_is_the_corner() -> None:
    x = np.linspace(0.0, 1.0, 11)
    assert find_knee(x, np.where(x <= 0.7, 0.1 * x, 0.07 + 5 * (x - 0.7))) == 7
    assert find_knee(x, np.ones(11)) is None
    assert find_knee(x, np.sqrt(x)) is None
