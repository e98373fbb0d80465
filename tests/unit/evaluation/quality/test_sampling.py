from __future__ import annotations

import numpy as np

from taxi_mlops.evaluation.quality.sampling import draw_members


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
