"""DBCV is that of its definition, computed here over all pairs, whatever the order of the points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.csgraph import minimum_spanning_tree

from haversine_dbscan.geodesy import great_circle_distance
from taxi_mlops.evaluation.quality import density_validity
from taxi_mlops.evaluation.quality.density_validity import dbcv


def index_of(points, labels, seed=0):
    sizes = np.bincount(labels[labels >= 0]).astype(np.int64)
    return dbcv(points.latitude, points.longitude, labels, sizes, seed)


def by_definition(distances, labels) -> float:
    """Moulavi et al., definitions 2 to 8, in two dimensions. Ties of links go to closer points, by a tiny addition."""
    clusters = range(labels.max() + 1)
    core, inside, sparseness = {}, {}, {}
    for cluster in clusters:
        own = distances[np.ix_(labels == cluster, labels == cluster)]
        closeness = np.divide(1.0, own**2, out=np.zeros_like(own), where=own > 0)
        core[cluster] = (closeness.sum(axis=1) / (len(own) - 1)) ** -0.5
        reach = np.maximum(own, np.maximum.outer(core[cluster], core[cluster]))
        tree = minimum_spanning_tree(np.triu(reach + 1e-7 * own, 1)).tocoo()
        inside[cluster] = np.bincount(np.append(tree.row, tree.col)) > 1
        links = inside[cluster][tree.row] & inside[cluster][tree.col]
        sparseness[cluster] = reach[tree.row, tree.col][links].max()
    value = 0.0
    for cluster in clusters:
        separation = np.inf
        for other in set(clusters) - {cluster}:
            between = distances[np.ix_(labels == cluster, labels == other)]
            reach = np.maximum(between, np.maximum.outer(core[cluster], core[other]))
            separation = min(separation, reach[np.ix_(inside[cluster], inside[other])].min())
        validity = (separation - sparseness[cluster]) / max(separation, sparseness[cluster])
        value += np.mean(labels == cluster) * validity
    return value


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("clusters", [2, 7])
def test_that_of_the_definition_in_any_order(patch, make_points, seed: int, clusters: int) -> None:
    points, labels, _ = patch(seed, members=25, clusters=clusters)
    distances = great_circle_distance(
        points.latitude[:, None], points.longitude[:, None], points.latitude, points.longitude
    )
    found = index_of(points, labels).value
    assert found == pytest.approx(by_definition(distances, labels), abs=1e-9)
    order = np.random.default_rng(seed).permutation(len(points))
    shuffled = make_points(points.latitude[order], points.longitude[order])
    assert index_of(shuffled, labels[order]).value == pytest.approx(found, abs=1e-9)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning", "ignore::FutureWarning")
def test_clusters_of_three_have_the_index_of_the_hdbscan_library(make_points) -> None:
    """Three points have one member inside their tree and no link inside, so that little is left to choose."""
    validity = pytest.importorskip("hdbscan.validity")
    points = make_points([0.0, 1e-4, 3e-4, 1e-2, 1.01e-2, 1.04e-2], [0.0] * 6)
    labels = np.repeat([0, 1], 3).astype(np.int32)
    distances = great_circle_distance(points.latitude[:, None], points.longitude[:, None], points.latitude, 0.0)
    expected = validity.validity_index(distances, labels, metric="precomputed", d=2)
    assert index_of(points, labels).value == pytest.approx(expected)


def test_dense_clusters_far_apart_are_good_and_one_cut_in_two_is_not(make_points) -> None:
    rng = np.random.default_rng(0)
    latitude = np.repeat([0.0, 0.1], 100) + rng.normal(0, 1e-4, 200)
    points = make_points(latitude, rng.normal(0, 1e-4, 200))
    apart = np.repeat([0, 1], 100).astype(np.int32)
    cut = np.where(apart == 1, 2, points.longitude > 0).astype(np.int32)
    assert index_of(points, apart).value > 0.9
    assert index_of(points, cut).value < 0.3


def test_noise_counts_against_it(make_points, patch) -> None:
    points, labels, _ = patch(1)
    clean = labels >= 0
    without = index_of(make_points(points.latitude[clean], points.longitude[clean]), labels[clean])
    assert index_of(points, labels).value == pytest.approx(without.value * np.mean(clean))


def test_points_that_coincide_are_one(make_points, patch) -> None:
    points, labels, _ = patch(2)
    twice = make_points(np.repeat(points.latitude, 2), np.repeat(points.longitude, 2))
    assert index_of(twice, np.repeat(labels, 2)).value == pytest.approx(index_of(points, labels).value)


def test_a_cluster_in_one_place_is_as_dense_as_can_be(make_points) -> None:
    points = make_points([0.0] * 5 + [1.0] * 5, [0.0] * 10)
    assert index_of(points, np.repeat([0, 1], 5).astype(np.int32)).value == pytest.approx(1.0)


def test_points_on_both_sides_of_the_antimeridian_may_coincide(make_points) -> None:
    points = make_points([0.0, 0.0, 1e-4, 1.0, 1.0 + 1e-4, 1.0 + 2e-4], [-180.0, 180.0, 180.0, 0.0, 0.0, 0.0])
    assert 0.9 < index_of(points, np.repeat([0, 1], 3).astype(np.int32)).value <= 1.0


def test_large_clusters_are_sampled_and_it_says_so(patch, monkeypatch) -> None:
    points, labels, _ = patch(3, members=300)
    whole = index_of(points, labels)
    assert whole.note is None
    monkeypatch.setattr(density_validity, "PAIRS_PER_DRAW", 4 * 200**2)
    sampled = index_of(points, labels)
    assert sampled.interval is None
    assert "3 draws of up to 200 members of each cluster gave" in str(sampled.note)
    assert sampled.points == 800
    assert sampled.value == pytest.approx(whole.value, abs=0.1)
    assert index_of(points, labels) == sampled  # seeded
