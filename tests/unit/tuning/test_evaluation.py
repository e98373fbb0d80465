from __future__ import annotations

import numpy as np
import pytest

from haversine_dbscan import dbscan
from taxi_mlops.domain import NOISE
from taxi_mlops.evaluation.contingency import adjusted_rand_index, tabulate
from taxi_mlops.models.hotspot_model import HotspotModel
from taxi_mlops.models.judging import unseen_of, values_of
from taxi_mlops.tuning import evaluation
from taxi_mlops.tuning.evaluation import Evaluator, Trips, unseen_values

BOTH, ANY = ("unseen", "stability"), (0.0, 1.0)


@pytest.fixture
def trips():
    """Ten places with many trips, and some trips between them; judged on trips of the same kind."""
    rng = np.random.default_rng(0)

    def drawn(n):
        centres = np.random.default_rng(1).uniform([-33.5, -70.7], [-33.4, -70.6], (10, 2))
        points = centres[rng.integers(0, 10, n)] + rng.normal(0, 5e-4, (n, 2))
        points[: n // 5] = rng.uniform([-33.5, -70.7], [-33.4, -70.6], (n // 5, 2))
        return points.T.copy()

    (latitude, longitude), later = drawn(4000), drawn(1000)
    return Trips(latitude, longitude, unseen_of(*later, None, (latitude, longitude), 0), 0.8, 10_000)


def model_of(trips, labels, core, eps):
    size = np.bincount(labels[labels != NOISE])
    k = len(size)
    return HotspotModel(
        latitude=trips.latitude[core],
        longitude=trips.longitude[core],
        hotspot=labels[core],
        ids=np.arange(k),
        centre=np.zeros((k, 2)),
        size=size,
        area_km2=np.ones(k),
        outlines=({},) * k,
        eps_metres=eps,
        min_samples=8,
    )


def test_the_score_is_that_of_the_model(trips):
    labels, core = dbscan(trips.latitude, trips.longitude, 80.0, 8)
    expected = values_of(model_of(trips, labels, core, 80.0), trips.unseen)
    found = unseen_values(labels, core, trips, 80.0, 2)
    np.testing.assert_allclose(found.of_trip, expected.of_trip, rtol=0, atol=1e-12)
    assert found.share_inside == pytest.approx(expected.share_inside)


def test_only_the_largest_hotspots_are_judged_if_a_model_keeps_no_more(trips):
    labels, core = dbscan(trips.latitude, trips.longitude, 80.0, 8)
    few = Trips(trips.latitude, trips.longitude, trips.unseen, 1.0, 3)
    largest = np.argsort(-np.bincount(labels[labels != NOISE]), kind="stable")[:3]
    kept = np.where(np.isin(labels, largest), np.searchsorted(np.sort(largest), labels), NOISE).astype(np.int32)
    expected = values_of(model_of(trips, kept, core & (kept != NOISE), 80.0), trips.unseen)
    assert unseen_values(labels, core, few, 80.0, 1).of_trip.mean() == pytest.approx(expected.of_trip.mean())


def test_min_samples_is_a_share_of_the_points(trips):
    """Of four fifths of the points, four fifths of min_samples are wanted."""
    labels, _ = dbscan(trips.latitude, trips.longitude, 80.0, 8)
    worth = Evaluator(trips, 0).measure(80.0, 10, BOTH, ANY)
    assert worth.noise_ratio == pytest.approx(np.mean(labels == NOISE))
    assert worth.n_clusters == labels.max() + 1


def test_hotspots_where_the_trips_are_score_better_than_one_for_all(trips):
    evaluator = Evaluator(trips, 0)
    places, everything = evaluator.measure(80.0, 10, BOTH, ANY), evaluator.measure(5000.0, 5, BOTH, ANY)
    assert everything.unseen.value == pytest.approx(0.5, abs=0.01)
    assert places.unseen.value > 0.8
    assert places.unseen.low < places.unseen.value < places.unseen.high
    assert everything.stability.value == 1.0


def test_stability_is_the_index_between_points_and_resampled_points(trips, monkeypatch):
    monkeypatch.setattr(evaluation, "REPLICATES", 2)
    rng = np.random.default_rng(5)
    labels, _ = dbscan(trips.latitude, trips.longitude, 60.0, 16)
    found = []
    for _ in range(2):
        drawn = np.sort(rng.integers(0, len(trips), len(trips)))
        again, _ = dbscan(trips.latitude[drawn], trips.longitude[drawn], 60.0, 16)
        distinct, first = np.unique(drawn, return_index=True)
        found.append(adjusted_rand_index(tabulate(labels[distinct], again[first])))
    measured = Evaluator(trips, 5).measure(60.0, 20, ("stability",), ANY).stability
    assert measured.value == pytest.approx(np.mean(found))
    assert measured.low <= measured.value <= measured.high


def test_of_many_points_windows_are_resampled(trips, monkeypatch):
    monkeypatch.setattr(evaluation, "WINDOW_POINTS", 1500)
    whole = Evaluator(trips, 0).measure(80.0, 10, ("stability",), ANY).stability
    assert 0.5 < whole.value <= 1.0


def test_out_of_the_bounds_of_noise_nothing_else_is_measured(trips):
    worth = Evaluator(trips, 0).measure(1.0, 10, BOTH, (0.0, 0.5))
    assert worth.noise_ratio > 0.5
    assert (worth.unseen, worth.stability) == (None, None)


def test_the_order_of_questions_changes_nothing(trips):
    pairs = [(80.0, 10), (50.0, 5), (80.0, 10)]
    evaluator = Evaluator(trips, 0)
    found = [evaluator.measure(*pair, BOTH, ANY) for pair in pairs]
    assert found[0] == found[2]
    assert Evaluator(trips, 0).measure(*pairs[1], BOTH, ANY) == found[1]


def test_samples_are_part_of_larger_ones(trips):
    small, large = trips.sampled(500, 3), trips.sampled(2000, 3)
    assert (len(small), small.scale) == (500, pytest.approx(0.8 / 8))
    assert set(small.latitude) <= set(large.latitude)
    assert small.unseen is trips.unseen
