"""What the adapters promise that are not exact, and how far the promise goes."""

from __future__ import annotations

import numpy as np
import pytest

from haversine_dbscan.geodesy import EARTH_RADIUS_METRES
from taxi_mlops.adapters.base import Adapter
from taxi_mlops.domain import NOISE, Clustering, Parameters, Points, Resources, Workload
from taxi_mlops.evaluation.equivalence import Verdict, check_equivalence
from taxi_mlops.testing.cases import around, make_points
from taxi_mlops.testing.oracle import brute_force_dbscan

PARAMETERS = Parameters(eps_metres=20.0, min_samples=10)


def uniform(seed: int) -> Points:
    random = np.random.default_rng(seed)
    return around(random.uniform(0, 500, 1_800), random.uniform(0, 500, 1_800))


def truth_of(points: Points, parameters: Parameters = PARAMETERS) -> Clustering:
    return brute_force_dbscan(points.latitude, points.longitude, parameters.eps_metres, parameters.min_samples)


def cluster(adapter: Adapter, points: Points, parameters: Parameters = PARAMETERS) -> Clustering:
    return adapter.fit(adapter.prepare(points, parameters, Resources(threads=1)))


class TestHdbscan:
    @pytest.mark.parametrize("min_samples", [1, 2, 3, 10])
    def test_is_dbscan_star_without_lone_core_points(self, min_samples: int) -> None:
        pytest.importorskip("hdbscan")
        from taxi_mlops.adapters.hdbscan import HdbscanAdapter

        points, parameters = uniform(0), Parameters(eps_metres=12.0 + min_samples, min_samples=min_samples)
        truth = truth_of(points, parameters)
        assert truth.core_mask is not None
        expected = np.where(truth.core_mask, truth.labels, NOISE)
        sizes = np.bincount(expected[truth.core_mask], minlength=truth.labels.max() + 1)
        if min_samples > 1:
            expected[truth.core_mask & (sizes[truth.labels] == 1)] = NOISE
        found = cluster(HdbscanAdapter(), points, parameters).labels
        np.testing.assert_array_equal(found == NOISE, expected == NOISE)
        clusters = np.unique(np.column_stack((found, expected)), axis=0)
        assert len(clusters) == len(np.unique(found)) == len(np.unique(expected))


class TestFastHdbscan:
    @pytest.mark.parametrize("min_samples", [1, 3, 10])
    def test_is_dbscan_star_without_small_clusters(self, min_samples: int) -> None:
        pytest.importorskip("fast_hdbscan")
        from taxi_mlops.adapters.fast_hdbscan import FastHdbscanAdapter

        points, parameters = uniform(0), Parameters(eps_metres=12.0 + min_samples, min_samples=min_samples)
        truth = truth_of(points, parameters)
        assert truth.core_mask is not None
        expected = np.where(truth.core_mask, truth.labels, NOISE)
        sizes = np.bincount(expected[truth.core_mask], minlength=truth.labels.max() + 1)
        expected[truth.core_mask & (sizes[truth.labels] < min_samples - 1)] = NOISE
        found = cluster(FastHdbscanAdapter(), points, parameters).labels
        np.testing.assert_array_equal(found == NOISE, expected == NOISE)
        clusters = np.unique(np.column_stack((found, expected)), axis=0)
        assert len(clusters) == len(np.unique(found)) == len(np.unique(expected))

    def test_with_two_samples_points_without_neighbours_are_clusters(self) -> None:
        pytest.importorskip("fast_hdbscan")
        from taxi_mlops.adapters.fast_hdbscan import FastHdbscanAdapter

        found = cluster(FastHdbscanAdapter(), around([0, 60], [0, 0]), Parameters(50.0, 2))
        assert sorted(found.labels.tolist()) == [0, 1], "by definition, both are noise"


class TestMlpack:
    def test_a_core_point_whose_neighbours_went_to_other_clusters_is_noise(self) -> None:
        """Three clusters, each with a border point that is within eps of the last point too, and nothing else is."""
        pytest.importorskip("mlpack")
        from taxi_mlops.adapters.mlpack import MlpackAdapter

        turn = np.radians([0.0, 120.0, 240.0])
        distance = np.repeat([90.0, 120.0, 120.0, 45.0, 0.0], [3, 3, 3, 3, 1])
        angle = np.append(np.tile(turn, 4), 0.0)
        points = around(distance * np.sin(angle), distance * np.cos(angle))
        parameters = Parameters(50.0, 4)
        truth = truth_of(points, parameters)
        assert truth.core_mask is not None
        assert truth.core_mask[-1]
        assert truth.labels[-1] == 3
        assert cluster(MlpackAdapter(), points, parameters).labels[-1] == NOISE


class TestDbscan:
    def test_never_invents_a_core_point_and_misses_some(self) -> None:
        pytest.importorskip("dbscan")
        from taxi_mlops.adapters.dbscan import DbscanAdapter

        missed = 0
        for seed in range(8):
            points = uniform(seed)
            truth, found = truth_of(points), cluster(DbscanAdapter(), points)
            assert truth.core_mask is not None
            assert found.core_mask is not None
            assert not (found.core_mask & ~truth.core_mask).any()
            missed += int((truth.core_mask & ~found.core_mask).sum())
        # Where this becomes 0, the library has been mended: say `exact` in its adapter.
        assert missed > 0

    def test_refuses_an_eps_that_its_grid_cannot_hold(self) -> None:
        from taxi_mlops.adapters.dbscan import DbscanAdapter

        points = around([0.0], [0.0])
        assert DbscanAdapter().unsupported(Workload(points, Parameters(0.011, 5))) is None
        reason = DbscanAdapter().unsupported(Workload(points, Parameters(0.01, 5)))
        assert reason == (
            "dbscan numbers its grid cells in 32 bits, which is too few for eps = 0.01 m (at least 0.0103 m)"
        )


class TestSklearnex:
    def test_pairs_near_eps_are_resolved_in_a_city(self) -> None:
        """On the unit sphere itself, oneDAL's dot products would decide these by chance."""
        pytest.importorskip("sklearnex")
        from taxi_mlops.adapters.sklearnex import SklearnexAdapter

        random = np.random.default_rng(0)
        latitude, longitude = random.uniform(-33.6, -33.3, 400), random.uniform(-70.8, -70.5, 400)
        apart = np.degrees(50.0 * (1 + np.repeat([1e-8, -1e-8], 200)) / EARTH_RADIUS_METRES)
        points = make_points(np.append(latitude, latitude + apart), np.append(longitude, longitude))
        parameters = Parameters(eps_metres=50.0, min_samples=2)
        result = check_equivalence(
            points, parameters, truth_of(points, parameters), cluster(SklearnexAdapter(), points, parameters)
        )
        assert result.verdict is Verdict.EQUAL
