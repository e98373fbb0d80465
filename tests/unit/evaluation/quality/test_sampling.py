"""Samples of clusters and of their members, on which the quality indices are computed."""

from __future__ import annotations

import numpy as np
import pytest

from taxi_mlops.evaluation.quality.sampling import MIN_CLUSTERS, draw_clusters, draw_members, mean_over_clusters


def test_small_clusters_are_taken_whole_and_large_ones_drawn() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([-1, 0, 1, 2], [50, 3, 40, 500])).astype(np.int32)
    latitude = np.linspace(-80, 80, len(labels))
    members = draw_members(latitude, latitude / 2, labels, np.array([3, 40, 500]), 40, seed=1)
    assert np.diff(members.start).tolist() == [3, 40, 40]
    for cluster in range(3):
        own = members.indices[members.start[cluster] : members.start[cluster + 1]]
        assert len(set(own.tolist())) == len(own)
        assert np.all(labels[own] == cluster)
    assert np.array_equal(members.latitude, latitude[members.indices])
    assert np.allclose(members.cosine, np.cos(np.radians(members.latitude)))


def test_every_member_is_as_likely() -> None:
    labels = np.zeros(100, dtype=np.int32)
    zeros = np.zeros(100)
    drawn = np.zeros(100)
    for seed in range(3000):
        drawn[draw_members(zeros, zeros, labels, np.array([100]), 10, seed).indices] += 1
    expected = 300.0
    statistic = np.sum((drawn - expected) ** 2 / (expected * 0.9))
    assert 60 < statistic < 145  # chi-squared of 99 degrees of freedom, between its 0.1 % and 99.8 % quantiles


def test_few_clusters_are_all_chosen():
    sizes = np.arange(1, 41)
    sample = draw_clusters(sizes, pairs=40 * 40, seed=0)
    assert sample.chosen.tolist() == list(range(40))
    assert sample.note is None
    values = np.linspace(0.0, 1.0, 40)
    assert mean_over_clusters(values, sizes / sizes.sum(), sample) == (
        pytest.approx(float(np.average(values, weights=sizes))),
        None,
    )


def test_of_many_clusters_the_largest_are_chosen_and_others_at_random():
    sizes = np.random.default_rng(0).permutation(np.arange(1, 5001))
    sample = draw_clusters(sizes, pairs=1, seed=0)
    assert len(sample.chosen) == len(set(sample.chosen.tolist())) == MIN_CLUSTERS
    assert set(sizes[sample.chosen[: MIN_CLUSTERS // 2]]) == set(range(4751, 5001))
    assert sample.note == "over 500 of 5,000 clusters: the largest, and as many at random"


def test_the_mean_over_drawn_clusters_lies_in_its_interval_as_often_as_it_says():
    generator = np.random.default_rng(1)
    sizes = np.ceil(generator.pareto(1.5, 5000) * 10 + 5).astype(np.int64)
    values = np.tanh(generator.normal(0.2, 0.5, 5000) + np.log(sizes) / 20)
    weights = sizes / sizes.sum()
    truth, inside = float(np.sum(values * weights)), 0
    for seed in range(300):
        sample = draw_clusters(sizes, 1, seed)
        _, interval = mean_over_clusters(values[sample.chosen], weights, sample)
        inside += interval.low <= truth <= interval.high
    assert abs(inside / 300 - 0.95) <= 3 * np.sqrt(0.95 * 0.05 / 300)
