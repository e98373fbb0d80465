"""In a small patch the indices are those of the plane, by scikit-learn; on the globe, by distances on the globe."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from haversine_dbscan.geodesy import great_circle_distance
from taxi_mlops.domain import Clustering
from taxi_mlops.evaluation.quality import silhouette as silhouette_module
from taxi_mlops.evaluation.quality.measure import measure_quality
from taxi_mlops.evaluation.quality.metrics import Estimate
from taxi_mlops.evaluation.quality.silhouette import silhouette

STABLE = Estimate(1.0)


def measure(points, labels):
    return measure_quality(points, Clustering(np.asarray(labels, np.int32)), "dbscan", STABLE, seed=0)


def sizes_of(labels):
    return np.bincount(labels[labels >= 0]).astype(np.int64)


def matrix(points):
    return great_circle_distance(points.latitude[:, None], points.longitude[:, None], points.latitude, points.longitude)


@pytest.mark.parametrize("seed", range(3))
def test_a_patch_of_the_globe_is_a_plane(patch, seed: int) -> None:
    points, labels, metres = patch(seed)
    found = measure(points, labels)
    clustered = labels >= 0
    plane, its = metres[clustered], labels[clustered]
    assert found.silhouette.value == pytest.approx(metrics.silhouette_score(plane, its), rel=1e-3)
    assert found.davies_bouldin.value == pytest.approx(metrics.davies_bouldin_score(plane, its), rel=1e-3)
    assert found.calinski_harabasz.value == pytest.approx(metrics.calinski_harabasz_score(plane, its), rel=1e-3)
    assert found.noise_ratio == pytest.approx(60 / 300)
    assert found.silhouette.interval is None  # every point was used
    assert found.silhouette.points == found.davies_bouldin.points == 240


@pytest.mark.parametrize(("latitude", "longitude"), [(0.0, 180.0), (89.9, 10.0)])
def test_nothing_happens_at_the_antimeridian_and_near_a_pole(patch, latitude: float, longitude: float) -> None:
    points, labels, metres = patch(7, latitude=latitude, longitude=longitude)
    found = measure(points, labels)
    clustered = labels >= 0
    plane, its = metres[clustered], labels[clustered]
    distances = matrix(points)[np.ix_(clustered, clustered)]
    assert found.silhouette.value == pytest.approx(metrics.silhouette_score(distances, its, metric="precomputed"))
    assert found.davies_bouldin.value == pytest.approx(metrics.davies_bouldin_score(plane, its), rel=1e-2)


def test_clusters_all_over_the_globe(make_points) -> None:
    """Few clusters may be passed over here, where chords are far shorter than arcs."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 6, 300)
    points = make_points(np.degrees(np.arcsin(rng.uniform(-1, 1, 300))), rng.uniform(-180, 180, 300))
    expected = metrics.silhouette_score(matrix(points), labels, metric="precomputed")
    assert measure(points, labels).silhouette.value == pytest.approx(expected)


def test_names_and_gaps_of_labels_do_not_matter(patch) -> None:
    points, labels, _ = patch(1)
    renamed = np.where(labels < 0, -1, 100 - 7 * labels)
    found, again = measure(points, labels), measure(points, renamed)
    assert again.davies_bouldin.value == pytest.approx(found.davies_bouldin.value)
    assert again.dbcv.value == pytest.approx(found.dbcv.value)
    assert again.sizes == found.sizes


def test_a_point_alone_in_its_cluster_counts_nothing(make_points) -> None:
    points = make_points([0.0, 0.0001, 0.001, 0.01], [0.0] * 4)
    labels = [0, 0, 1, 2]
    expected = metrics.silhouette_score(matrix(points), labels, metric="precomputed")
    assert measure(points, labels).silhouette.value == pytest.approx(expected)


def test_the_interval_of_a_sampled_silhouette_covers_the_whole(patch, monkeypatch) -> None:
    points, labels, _ = patch(2, members=400)
    arguments = points.latitude, points.longitude, labels, sizes_of(labels)
    whole = silhouette(*arguments, seed=0).value
    monkeypatch.setattr(silhouette_module, "POINTS_SAMPLED", 200)
    samples = [silhouette(*arguments, seed) for seed in range(300)]
    covered = np.mean([sample.interval.low <= whole <= sample.interval.high for sample in samples])
    assert all(sample.points == 200 for sample in samples)
    assert covered == pytest.approx(0.95, abs=0.04)


def test_sampled_members_change_little(patch, monkeypatch) -> None:
    points, labels, _ = patch(3, members=1000)
    arguments = points.latitude, points.longitude, labels, sizes_of(labels)
    whole = silhouette(*arguments, seed=0).value
    monkeypatch.setattr(silhouette_module, "MEMBERS_SAMPLED", 200)
    assert silhouette(*arguments, seed=1).value == pytest.approx(whole, abs=0.02)


@pytest.mark.parametrize(("labels", "reason"), [([-1] * 4, "there are none"), ([0, 0, 0, -1], "there is one")])
def test_fewer_than_two_clusters_have_no_indices(make_points, labels: list[int], reason: str) -> None:
    found = measure(make_points(np.linspace(0, 1, 4), np.zeros(4)), labels)
    for estimate in (found.silhouette, found.davies_bouldin, found.calinski_harabasz, found.dbcv):
        assert estimate == Estimate(None, reason=f"needs two clusters, and {reason}")
    assert found.stability == STABLE
    assert (found.sizes is None) == (max(labels) < 0)


def test_no_points_have_no_quality(make_points) -> None:
    found = measure(make_points([], []), [])
    assert (found.noise_ratio, found.sizes, found.silhouette.value) == (None, None, None)


def test_coincident_members_leave_some_indices_undefined(make_points) -> None:
    found = measure(make_points([0.0, 0.0, 1.0, 1.0], [0.0] * 4), [0, 0, 1, 1])
    assert found.calinski_harabasz.value is None
    assert "coincide" in str(found.calinski_harabasz.reason)
    assert found.davies_bouldin.value == 0.0
    assert found.silhouette.value == 1.0
    same = measure(make_points([1.0, -1.0, 1.0, -1.0], [0.0] * 4), [0, 0, 1, 1])
    assert same.davies_bouldin == Estimate(None, reason="two clusters have the same centroid")


def test_sizes(make_points) -> None:
    labels = np.repeat([0, 1, 2, 3, -1], [1, 2, 3, 14, 5])
    found = measure(make_points(np.linspace(0, 1, 25), np.zeros(25)), labels)
    assert found.sizes is not None
    assert (found.sizes.clusters, found.sizes.smallest, found.sizes.largest) == (4, 1, 14)
    assert found.sizes.quantiles[2] == 2.5
    assert found.sizes.mean == 5.0
    assert found.sizes.largest_share == 14 / 20
    differences = [abs(a - b) for a in (1, 2, 3, 14) for b in (1, 2, 3, 14)]
    assert found.sizes.gini == pytest.approx(np.mean(differences) / 2 / 5.0)
    assert found.noise_ratio == pytest.approx(5 / 25)
