"""The whole sphere: zones and their seams, poles, the antimeridian, tiny and huge eps; against the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haversine_dbscan import worldwide
from haversine_dbscan.clustering import dbscan
from haversine_dbscan.frame import UnframedError
from haversine_dbscan.geodesy import EARTH_RADIUS_METRES, great_circle_distance
from haversine_dbscan.nearest import NearestCore
from haversine_dbscan.reaching import has_neighbour_of_label
from haversine_dbscan.threads import workers
from haversine_dbscan.zones import zones_of
from taxi_mlops.domain import Clustering, Parameters
from taxi_mlops.evaluation.equivalence import Verdict, check_equivalence
from taxi_mlops.testing.cases import make_points
from taxi_mlops.testing.oracle import brute_force_dbscan

DEGREE = np.pi / 180 * EARTH_RADIUS_METRES
EPS = [1e-6, 1e-3, 10.0, 3e4, 1.6e5, 2e5, 1e6, 2.7e6, 3e6, 8e6, 1.9e7]
SEAMS = [-90.0, -70.0, -45.0, 0.0, 45.0, 70.0, 90.0]


def in_zones(latitude, longitude, eps, min_samples, weight=None, threads=1):
    with workers(threads) as run:
        return worldwide.cluster_worldwide(latitude, longitude, eps, min_samples, weight, run, threads)


def assert_right(latitude, longitude, eps, min_samples, labels, core, weight=None):
    """To the last label, but where a distance is eps within rounding: there the verdict says so."""
    truth = brute_force_dbscan(latitude, longitude, eps, min_samples, weight)
    if np.array_equal(core, truth.core_mask) and np.array_equal(labels, truth.labels):
        return
    points = make_points(latitude, longitude, weight)
    result = check_equivalence(points, Parameters(eps, min_samples), truth, Clustering(labels, core))
    assert result.verdict is Verdict.EQUAL_WITHIN_ROUNDING, result


def scattered(seed, n, eps, south=-90.0, north=90.0):
    """Points all over, two thirds of them within about eps of another, across seams and the antimeridian too."""
    rng = np.random.default_rng(seed)
    latitude = rng.uniform(south, north, n)
    latitude[: n // 3] = rng.choice(SEAMS, n // 3)
    longitude = rng.uniform(-180, 180, n)
    longitude[: n // 6] = rng.choice([-180.0, 180.0, 0.0], n // 6)
    near = rng.integers(0, n // 3, 2 * n // 3)
    away = rng.uniform(-1.2, 1.2, (2, len(near))) * eps / DEGREE
    latitude[n - len(near) :] = np.clip(latitude[near] + away[0], -90, 90)
    wider = away[1] / np.maximum(np.cos(np.radians(latitude[near])), 1e-3)
    longitude[n - len(near) :] = (longitude[near] + wider + 180.0) % 360.0 - 180.0
    return latitude, longitude


@pytest.mark.parametrize("eps", EPS)
@pytest.mark.parametrize("min_samples", [2, 4])
def test_all_over_the_world(eps, min_samples):
    latitude, longitude = scattered(int(eps) + min_samples, 300, eps)
    for threads in (1, 2):
        labels, core = dbscan(latitude, longitude, eps, min_samples, threads=threads)
        assert_right(latitude, longitude, eps, min_samples, labels, core)


@pytest.mark.parametrize("eps", [1e-6, 30.0, 1e5, 3e5, 2.5e6])
def test_zones_give_what_one_frame_gives(eps):
    """Points that one frame covers, in zones all the same."""
    latitude, longitude = scattered(7, 400, eps, -60.0, -40.0)
    longitude = longitude / 4.0
    labels, core = in_zones(latitude, longitude, eps, 3)
    assert_right(latitude, longitude, eps, 3, labels, core)


@st.composite
def seam_lattices(draw):
    """Points of a lattice of degrees around a place where zones, the antimeridian or a pole are, and an eps."""
    latitude, longitude = draw(st.sampled_from(SEAMS)), draw(st.sampled_from([0.0, 180.0]))
    step = 2.0 ** draw(st.integers(-24, 3))
    n = draw(st.integers(1, 40))
    offsets = np.array(draw(st.lists(st.tuples(*[st.integers(-5, 5)] * 2), min_size=n, max_size=n))) * step
    away = offsets[:, 1] * (1.0 if abs(latitude) < 90 else draw(st.sampled_from([1.0, 15.0 / step])))
    radius = draw(st.sampled_from([0.5, 1.0, 1.3, 2.0, 5.0]))
    return (
        np.clip(latitude + offsets[:, 0], -90, 90),
        (longitude + away + 180.0) % 360.0 - 180.0,
        min(radius * step * DEGREE, 1.9e7),
    )


@settings(max_examples=200, deadline=None)
@given(seam_lattices(), st.integers(1, 6), st.sampled_from([None, 0.5, 1.75]), st.integers(1, 2))
def test_lattices_on_seams(points, min_samples, weight, threads):
    latitude, longitude, eps = points
    weights = None if weight is None else weight * (1 + np.arange(len(latitude)) % 3)
    labels, core = dbscan(latitude, longitude, eps, min_samples, weights, threads)
    assert_right(latitude, longitude, eps, min_samples, labels, core, weights)


@settings(max_examples=100, deadline=None)
@given(seam_lattices(), st.integers(1, 6), st.randoms(use_true_random=False))
def test_permuting_points_permutes_clusters(points, min_samples, random):
    latitude, longitude, eps = points
    order = list(range(len(latitude)))
    random.shuffle(order)
    labels, core = dbscan(latitude, longitude, eps, min_samples)
    permuted, permuted_core = dbscan(latitude[order], longitude[order], eps, min_samples)
    np.testing.assert_array_equal(permuted_core, core[order])
    pairs = set(zip(permuted[permuted_core].tolist(), labels[order][permuted_core].tolist(), strict=True))
    assert len(pairs) == len(np.unique(labels[core])) == len(np.unique(permuted[permuted_core]))
    np.testing.assert_array_equal(permuted == -1, labels[order] == -1)


@settings(max_examples=100, deadline=None)
@given(seam_lattices(), st.integers(1, 6), st.sampled_from([45.0, 90.0, 135.0, 180.0]))
def test_turning_the_earth_changes_nothing(points, min_samples, turn):
    """Longitudes are multiples of a power of two, so that the turn is exact; eps is the distance of no two points."""
    latitude, longitude, eps = points
    labels, core = dbscan(latitude, longitude, eps * (1 + 1e-7), min_samples)
    turned = dbscan(latitude, (longitude + turn + 180.0) % 360.0 - 180.0, eps * (1 + 1e-7), min_samples)
    np.testing.assert_array_equal(turned[0], labels)
    np.testing.assert_array_equal(turned[1], core)


@settings(max_examples=100, deadline=None)
@given(seam_lattices(), st.integers(1, 8), st.data())
def test_a_weight_is_a_repetition(points, min_samples, data):
    latitude, longitude, eps = points
    times = np.array(data.draw(st.lists(st.integers(1, 4), min_size=len(latitude), max_size=len(latitude))))
    labels, core = dbscan(latitude, longitude, eps, min_samples, times.astype(float))
    repeated, repeated_core = dbscan(np.repeat(latitude, times), np.repeat(longitude, times), eps, min_samples)
    np.testing.assert_array_equal(repeated, np.repeat(labels, times))
    np.testing.assert_array_equal(repeated_core, np.repeat(core, times))


@pytest.mark.parametrize("eps", [10.0, 2e5, 2.7e6, 8e6])
def test_lookups_all_over_the_world(eps):
    """Predictions and the question of the equivalence check, with members and questions on both sides of seams."""
    rng = np.random.default_rng(3)
    latitude, longitude = scattered(4, 300, eps)
    member = rng.random(300) < 0.5
    labels = rng.integers(0, 3, 300).astype(np.int32)
    distances = great_circle_distance(
        latitude[:, None], longitude[:, None], latitude[member][None], longitude[member][None]
    )
    same = labels[:, None] == labels[member]
    found = has_neighbour_of_label(
        latitude[member], longitude[member], labels[member], eps, latitude, longitude, labels
    )
    np.testing.assert_array_equal(found, ((distances <= eps) & same).any(axis=1))
    clusters = dbscan(latitude[member], longitude[member], eps, 1)[0]
    predicted = NearestCore(longitude[member], latitude[member], clusters, eps, spherical=True).predict(
        longitude, latitude, 2
    )
    best = distances.min(axis=1)
    tied = np.where(distances <= best[:, None] * (1 + 1e-9), clusters, 2**31 - 1).min(axis=1)
    np.testing.assert_array_equal(predicted, np.where(best <= eps, tied, -1))


def test_every_point_has_one_zone():
    rng = np.random.default_rng(5)
    latitude = np.concatenate([rng.uniform(-90, 90, 500), SEAMS, np.nextafter(SEAMS, 0.0)])
    for eps in (1.0, 1e6):
        owners = np.sum([zone.owns(latitude) for zone in zones_of(eps)], axis=0)
        np.testing.assert_array_equal(owners, 1)
    with pytest.raises(UnframedError, match="too large for zones"):
        zones_of(3e6)


def test_single_precision_on_seams():
    latitude, longitude = scattered(8, 300, 3e4)
    latitude, longitude = latitude.astype(np.float32), longitude.astype(np.float32)
    wide = latitude.astype(np.float64), longitude.astype(np.float64)
    for one, two in zip(dbscan(latitude, longitude, 3e4, 3), dbscan(*wide, 3e4, 3), strict=True):
        np.testing.assert_array_equal(one, two)
