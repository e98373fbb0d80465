"""Distances of exactly eps: decided exactly in the plane; on the sphere, the verdict names what rounding decides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

from haversine_dbscan.clustering import dbscan, dbscan_plane
from haversine_dbscan.geodesy import EARTH_RADIUS_METRES, great_circle_distance
from taxi_mlops.domain import Clustering, Parameters
from taxi_mlops.evaluation.equivalence import Verdict, check_equivalence
from taxi_mlops.testing.cases import make_points


def of_scikit_learn(points, eps, min_samples):
    radians = np.radians(np.column_stack([points.latitude, points.longitude]))
    fitted = DBSCAN(eps=eps / EARTH_RADIUS_METRES, min_samples=min_samples, metric="haversine").fit(radians)
    core = np.zeros(len(points), dtype=bool)
    core[fitted.core_sample_indices_] = True
    return Clustering(fitted.labels_.astype(np.int32), core)


def test_a_pair_at_eps_within_rounding_is_named():
    """Pairs whose distance is eps to 1e-9: scikit-learn, in radians, finds some apart that are together in degrees."""
    rng = np.random.default_rng(0)
    verdicts = []
    for _ in range(60):
        latitude, longitude = rng.uniform([-60, -170], [60, 170])
        latitude, longitude = latitude + np.array([0.0, 5e-4]), longitude + np.array([0.0, 7e-4])
        eps = float(great_circle_distance(latitude[0], longitude[0], latitude[1], longitude[1]))
        points = make_points(latitude, longitude)
        reference = of_scikit_learn(points, eps, 2)
        candidate = Clustering(*dbscan(latitude, longitude, eps, 2))
        result = check_equivalence(points, Parameters(eps, 2), reference, candidate)
        verdicts.append(result.verdict)
        if result.verdict is not Verdict.EQUAL:
            assert all(abs(example.core_distance - eps) <= 1e-9 * eps for example in result.examples)
            assert all(example.within_rounding for example in result.examples)
    assert set(verdicts) == {Verdict.EQUAL, Verdict.EQUAL_WITHIN_ROUNDING}


@pytest.mark.parametrize(("away", "together"), [(-1e-6, True), (1e-6, False)])
def test_a_pair_just_off_eps_is_no_matter_of_rounding(away, together):
    latitude, longitude = np.array([10.0, 10.001]), np.array([20.0, 20.002])
    eps = float(great_circle_distance(latitude[0], longitude[0], latitude[1], longitude[1])) * (1.0 - away)
    labels, core = dbscan(latitude, longitude, eps, 2)
    assert core.all() == together
    points = make_points(latitude, longitude)
    result = check_equivalence(points, Parameters(eps, 2), of_scikit_learn(points, eps, 2), Clustering(labels, core))
    assert result.verdict is Verdict.EQUAL


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-6, 6), st.integers(-6, 6)), min_size=1, max_size=50),
    st.sampled_from([1.0, 2.0, 5.0]),
    st.integers(1, 6),
    st.tuples(st.integers(-1000, 1000), st.integers(-1000, 1000)),
    st.integers(-20, 20),
)
def test_moving_and_scaling_the_plane_changes_nothing(lattice, eps, min_samples, shift, exponent):
    """By whole numbers and powers of two, so that the lattice stays exact and its ties are ties."""
    points = np.array(lattice, dtype=np.float64)
    labels, core = dbscan_plane(*points.T, eps, min_samples)
    moved = (points + shift) * 2.0**exponent
    for one, two in zip(dbscan_plane(*moved.T, eps * 2.0**exponent, min_samples), (labels, core), strict=True):
        np.testing.assert_array_equal(one, two)
