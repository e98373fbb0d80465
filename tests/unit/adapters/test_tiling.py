"""Tiles clustered apart, and their merge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxi_mlops.adapters.sklearn import SklearnAdapter
from taxi_mlops.adapters.sklearn_parallel import SklearnParallelAdapter
from taxi_mlops.adapters.tiling import collapse, number_by_first_core
from taxi_mlops.domain import Clustering, Parameters, Points, Resources
from taxi_mlops.evaluation.equivalence import Verdict, check_equivalence
from taxi_mlops.testing.cases import around
from taxi_mlops.testing.oracle import brute_force_dbscan

EPS = 50.0
PLACES = [(-33.45, -70.66), (0.0, 0.0), (51.5, 180.0), (-17.0, -180.0), (89.9999, 30.0), (-90.0 + 2e-4, 100.0)]


def in_tiles(points: Points, parameters: Parameters, threads: int = 1) -> Clustering:
    """In the smallest tiles and batches."""
    adapter = SklearnParallelAdapter(tiles_per_process=100_000, pairs_at_once=30)
    problem = adapter.prepare(points, parameters, Resources(threads=threads))
    adapter.warm_up(problem)
    try:
        return adapter.fit(problem)
    finally:
        adapter.close()


@st.composite
def lattice_workloads(draw: st.DrawFn) -> tuple[Points, Parameters]:
    """Points of a lattice whose spacing divides eps: ties at exactly eps, repetitions, chains across many tiles."""
    n = draw(st.integers(0, 90))
    cells = st.integers(0, draw(st.sampled_from([3, 12, 40])))
    east, north = (np.array(draw(st.lists(cells, min_size=n, max_size=n)), dtype=np.float64) for _ in range(2))
    spacing = EPS * draw(st.sampled_from([0.25, 0.5, 1.0, 1.01, 1.6]))
    weight = None
    if draw(st.booleans()):
        weight = np.array(draw(st.lists(st.integers(1, 12), min_size=n, max_size=n)), dtype=np.float64) / 4.0
    points = around(east * spacing, north * spacing, draw(st.sampled_from(PLACES)), weight)
    return points, Parameters(EPS, draw(st.integers(1, 8)))


@settings(max_examples=150, deadline=None)
@given(lattice_workloads())
def test_tiles_give_the_clustering_of_the_definition(workload: tuple[Points, Parameters]) -> None:
    points, parameters = workload
    truth = brute_force_dbscan(points.latitude, points.longitude, EPS, parameters.min_samples, points.weight)
    result = check_equivalence(points, parameters, truth, in_tiles(points, parameters))
    assert result.verdict in {Verdict.EQUAL, Verdict.EQUAL_WITHIN_ROUNDING}, result


def random_walk(n: int, place: tuple[float, float]) -> Points:
    metres = np.cumsum(np.random.default_rng(0).normal(0.0, 30.0, (n, 2)), axis=0)
    return around(metres[:, 0], metres[:, 1], place)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_cluster_across_many_tiles_is_one(place: tuple[float, float], threads: int) -> None:
    points, parameters = random_walk(1_000, place), Parameters(EPS, 3)
    adapter = SklearnAdapter()
    reference = adapter.fit(adapter.prepare(points, parameters, Resources(threads=1)))
    tiled = in_tiles(points, parameters, threads=threads)
    assert tiled.about["tiles"] > 50
    assert reference.core_mask is not None
    np.testing.assert_array_equal(tiled.core_mask, reference.core_mask)
    # Not only the same clusters, but the same numbers.
    np.testing.assert_array_equal(tiled.labels[reference.core_mask], reference.labels[reference.core_mask])
    assert check_equivalence(points, parameters, reference, tiled).verdict is Verdict.EQUAL


def test_coincident_points_are_collapsed_to_weights() -> None:
    radians = np.array([[0.5, 0.1], [0.5, 0.2], [0.5, 0.1], [0.4, 0.3], [0.5, 0.1]])
    distinct = collapse(radians, np.array([1.0, 2.0, 0.5, 4.0, 0.25]))
    np.testing.assert_array_equal(radians[distinct.first][distinct.inverse], radians)
    np.testing.assert_array_equal(distinct.weight, [4.0, 1.75, 2.0])
    np.testing.assert_array_equal(collapse(radians, None).weight, [1.0, 3.0, 1.0])


def test_clusters_are_numbered_by_their_first_core_point() -> None:
    clusters = np.array([7, -1, 3, 7, 3, 9, 9])
    core_mask = np.array([False, False, True, True, True, False, True])
    np.testing.assert_array_equal(number_by_first_core(clusters, core_mask), [1, -1, 0, 1, 0, 2, 2])
