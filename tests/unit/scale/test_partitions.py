"""Partitions in memory give the clusters of `dbscan`, label by label, however the points are cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haversine_dbscan.clustering import dbscan
from taxi_mlops.scale import partitions as steps
from taxi_mlops.scale.partitions import Cutting
from taxi_mlops.testing.cases import around
from taxi_mlops.trials.clusterings import canonical_labels

EPS = 50.0
PLACES = [(-33.45, -70.66), (-17.0, 180.0), (69.999, 20.0), (90.0, 0.0), (-89.9995, 77.0)]


def clustered(parts, cutting):
    """Label and core of each part, pairs of latitude and longitude; and the layout."""
    points = [steps.points_of(*part) for part in parts]
    layout = steps.lay_out(steps.merge([steps.count(one, cutting) for one in points]), cutting)
    chunks = [steps.scatter(one, layout) for one in points]
    slots = range(cutting.slots)
    found = [steps.cluster_slot(layout, slot, [steps.part_for(one, layout, slot) for one in chunks]) for slot in slots]
    joined = steps.join_slots([steps.share(one) for one in found])
    labels = [steps.label_slot(one, numbers, len(parts)) for one, numbers in zip(found, joined, strict=True)]
    answers = [steps.gather([slot[number] for slot in labels], layout.rows[number]) for number in range(len(parts))]
    return answers, layout


def assert_same(latitude, longitude, cuts, cutting):
    """Cut rows into parts at some places, and compare; rows that are no points are noise."""
    parts = list(zip(np.split(latitude, cuts), np.split(longitude, cuts), strict=True))
    answers, layout = clustered(parts, cutting)
    label, core = (np.concatenate(values) for values in zip(*answers, strict=True))
    here = (np.abs(latitude) <= 90.0) & (np.abs(longitude) <= 180.0)
    expected, expected_core = dbscan(latitude[here], longitude[here], cutting.eps_metres, cutting.min_samples)
    np.testing.assert_array_equal(core[here], expected_core)
    np.testing.assert_array_equal(label[here], canonical_labels(expected))
    assert (label[~here] == -1).all()
    assert not core[~here].any()
    assert (label.dtype, core.dtype) == (np.int32, np.bool_)
    return layout


def snake(seed, n, place, step=0.5):
    random = np.random.default_rng(seed)
    metres = np.cumsum(random.normal(0.0, step * EPS, (n, 2)), axis=0)
    metres[random.integers(0, n, n // 10)] = metres[random.integers(0, n, n // 10)]
    points = around(metres[:, 0], metres[:, 1], place)
    return points.latitude.copy(), points.longitude.copy()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 70),
    place=st.sampled_from(PLACES),
    step=st.sampled_from([0.1, 0.5, 0.8]),
    min_samples=st.integers(1, 8),
    slots=st.integers(1, 6),
    smallest_tile=st.sampled_from([2, 12, 1000]),
    cuts=st.lists(st.integers(0, 70), max_size=4).map(sorted),
    missing=st.lists(st.integers(0, 69), max_size=5),
)
def test_random_walks(seed, n, place, step, min_samples, slots, smallest_tile, cuts, missing):
    latitude, longitude = snake(seed, n, place, step)
    latitude[[row for row in missing if row < n]] = np.nan
    cutting = Cutting(EPS, min_samples, slots, smallest_tile=smallest_tile, smallest_gain=1.1)
    assert_same(latitude, longitude, [min(cut, n) for cut in cuts], cutting)


def test_clusters_wind_through_dozens_of_tiles_of_few_slots():
    latitude, longitude = snake(3, 400, PLACES[1])
    layout = assert_same(latitude, longitude, [100, 100, 250], Cutting(EPS, 5, 40, smallest_tile=8, smallest_gain=1.1))
    assert len(layout.plan.tiles) > 30
    assert (np.diff(layout.slot) >= 0).all()
    assert layout.slot[-1] < 40


def test_permuted_points():
    latitude, longitude = snake(5, 200, PLACES[0])
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(200)
        cutting = Cutting(EPS, 6, 3, smallest_tile=20, smallest_gain=1.1)
        assert_same(latitude[order], longitude[order], [50, 120], cutting)


@pytest.mark.parametrize("latitude", [[], [np.nan, 91.0, np.inf, 0.0]])
def test_no_points(latitude):
    longitude = np.where(np.array(latitude, dtype=np.float64) == 0.0, np.nan, 0.0)
    assert_same(np.array(latitude, dtype=np.float64), longitude, [0], Cutting(EPS, 1, 2))


def test_slots_are_as_many_as_partitions_until_they_are_too_many_tasks():
    assert [steps.slots_for(count) for count in (0, 1, 2, 256, 512, 1 << 20)] == [1, 1, 2, 256, 128, 1]
