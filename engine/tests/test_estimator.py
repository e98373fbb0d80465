"""The estimator: scikit-learn's own checks, predictions against brute force, models on disk."""

import pickle
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import DBSCAN
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks
from sklearn.utils.validation import validate_data

from haversine_dbscan.clustering import dbscan
from haversine_dbscan.estimator import GridDBSCAN
from haversine_dbscan.geodesy import great_circle_distance

OTHER_COLUMNS = "its data have 3 columns or more, and GridDBSCAN takes two coordinates"
OUT_OF_RANGE = "its data are no degrees"
ONE_SAMPLE = "it brings one point of 10 columns and wants an error that says so; one point of 2 columns is clustered"
FAILED_CHECKS = dict.fromkeys(
    [
        "check_all_zero_sample_weights_error",
        "check_dict_unchanged",
        "check_dont_overwrite_parameters",
        "check_dtype_object",
        "check_estimators_dtypes",
        "check_estimators_nan_inf",
        "check_estimators_pickle",
        "check_f_contiguous_array_estimator",
        "check_fit2d_predict1d",
        "check_fit_score_takes_y",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_n_features_in_after_fitting",
        "check_pipeline_consistency",
        "check_positive_only_tag_during_fit",
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weights_list",
    ],
    OTHER_COLUMNS,
) | {"check_fit2d_1sample": ONE_SAMPLE}
FAILED_ON_THE_SPHERE = FAILED_CHECKS | dict.fromkeys(
    ["check_fit_check_is_fitted", "check_fit_idempotent", "check_n_features_in"], OUT_OF_RANGE
)
"""Checks of scikit-learn that fail, and why. Those for other columns pass with `AnyColumns`."""


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (GridDBSCAN(eps=1.0, metric="euclidean"), FAILED_CHECKS),
        (GridDBSCAN(eps=111_000.0), FAILED_ON_THE_SPHERE),
    ],
)
def test_scikit_learn_finds_no_other_fault(estimator, expected):
    results = check_estimator(estimator, expected_failed_checks=expected, on_fail=None, on_skip=None)
    assert {found["check_name"] for found in results if found["status"] == "failed"} == set()
    assert {found["check_name"] for found in results if found["status"] == "xfail"} == expected.keys()
    unlike = r"takes 2 columns|must be in \[-90, 90\]|raised ValueError unexpectedly|should contain one of"
    assert all(re.search(unlike, str(found["exception"])) for found in results if found["status"] == "xfail")


class AnyColumns(GridDBSCAN):
    """The estimator on the first two columns of any data, which are what most checks of scikit-learn bring."""

    def _points(self, X, *, reset):  # noqa: N803
        points = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32])
        return np.ascontiguousarray(np.hstack([points, np.zeros_like(points)])[:, :2])


@parametrize_with_checks([AnyColumns(eps=1.0, metric="euclidean")])
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def blobs(seed, n=600):
    rng = np.random.default_rng(seed)
    centres = rng.uniform([-33.5, -70.7], [-33.4, -70.6], (8, 2))
    return centres[rng.integers(0, 8, n)] + rng.normal(0, 1e-3, (n, 2))


def nearest_by_brute_force(model, queries, distance):
    cores, labels = model.components_.astype(float), model.labels_[model.core_sample_indices_]
    distances = distance(queries, cores)
    best = distances.min(axis=1)
    lowest = np.where(distances == best[:, None], labels, np.iinfo(np.int32).max).min(axis=1)
    return np.where(best <= model.eps, lowest, -1)


def on_sphere(queries, cores):
    return great_circle_distance(queries[:, :1], queries[:, 1:], cores[:, 0], cores[:, 1])


def in_plane(queries, cores):
    return np.hypot(queries[:, :1] - cores[:, 0], queries[:, 1:] - cores[:, 1])


@pytest.mark.parametrize("shift", [0.0, 109.36, 250.66])
def test_predicts_the_nearest_core_point_on_the_sphere(shift):
    points = blobs(0)
    points[:, 1] = (points[:, 1] - shift + 180) % 360 - 180  # the second shift lies across the antimeridian
    model = GridDBSCAN(eps=80.0, min_samples=8).fit(points)
    assert model.labels_.max() > 2
    queries = np.random.default_rng(1).normal(points[::2], 5e-4)
    queries[:, 1] = (queries[:, 1] + 180) % 360 - 180
    predicted = model.predict(queries)
    np.testing.assert_array_equal(predicted, nearest_by_brute_force(model, queries, on_sphere))
    assert 0.05 < np.mean(predicted == -1) < 0.9
    np.testing.assert_array_equal(
        model.predict(points)[model.core_sample_indices_], model.labels_[model.core_sample_indices_]
    )


def test_predicts_the_nearest_core_point_all_over_the_world():
    rng = np.random.default_rng(2)
    points = np.stack([rng.uniform(-90, 90, 400), rng.uniform(-180, 180, 400)], axis=1)
    model = GridDBSCAN(eps=1_000_000.0, min_samples=8).fit(points)
    queries = np.stack([rng.uniform(-90, 90, 300), rng.uniform(-180, 180, 300)], axis=1)
    np.testing.assert_array_equal(model.predict(queries), nearest_by_brute_force(model, queries, on_sphere))


def test_predicts_the_nearest_core_point_in_the_plane():
    points = np.random.default_rng(3).integers(0, 40, (500, 2)).astype(float)
    model = GridDBSCAN(eps=2.0, min_samples=6, metric="euclidean").fit(points)
    queries = np.random.default_rng(4).integers(-5, 45, (400, 2)).astype(float)
    np.testing.assert_array_equal(model.predict(queries), nearest_by_brute_force(model, queries, in_plane))


def test_nothing_is_near_where_there_are_no_core_points():
    model = GridDBSCAN(eps=1.0, min_samples=5).fit([[0.0, 0.0], [10.0, 10.0]])
    np.testing.assert_array_equal(model.predict([[0.0, 0.0]]), [-1])


def test_sample_weight_is_repetition():
    points = np.random.default_rng(5).integers(0, 12, (200, 2)).astype(float)
    weight = np.random.default_rng(6).integers(1, 4, 200)
    weighted = GridDBSCAN(eps=1.5, min_samples=9, metric="euclidean").fit(points, sample_weight=weight)
    repeated = DBSCAN(eps=1.5, min_samples=9).fit(np.repeat(points, weight, axis=0))
    np.testing.assert_array_equal(np.repeat(weighted.labels_, weight), repeated.labels_)


@pytest.mark.parametrize("metric", ["great_circle", "euclidean"])
def test_a_saved_model_predicts_the_same(tmp_path, metric):
    points = blobs(7)
    model = GridDBSCAN(eps=80.0 if metric == "great_circle" else 1e-3, min_samples=8, metric=metric).fit(points)
    model.save(tmp_path / "model.npz")
    loaded = GridDBSCAN.load(tmp_path / "model.npz", n_jobs=2)
    np.testing.assert_array_equal(loaded.predict(points), model.predict(points))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(points), model.predict(points))
    assert clone(loaded).get_params() == {"eps": model.eps, "min_samples": 8.0, "metric": metric, "n_jobs": 2}


def test_single_precision_stays_single():
    model = GridDBSCAN(eps=80.0, min_samples=8).fit(blobs(8).astype(np.float32))
    assert model.components_.dtype == np.float32
    assert model.predict(model.components_).min() >= 0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"metric": "manhattan"}, "metric must be 'great_circle' or 'euclidean', got 'manhattan'"),
        ({"min_samples": 0}, "min_samples must be positive, got 0"),
        ({"eps": -1.0}, "eps must be at least"),
        ({"eps": -1.0, "metric": "euclidean"}, "eps must be a positive number"),
    ],
)
def test_parameters_are_checked(parameters, message):
    with pytest.raises(ValueError, match=message):
        GridDBSCAN(**parameters).fit([[0.0, 0.0]])


def test_only_two_columns():
    with pytest.raises(ValueError, match="takes 2 columns"):
        GridDBSCAN().fit([[0.0, 0.0, 0.0]])


@pytest.mark.parametrize("weight", [[np.nan, 1, 1], [np.inf, 1, 1], [1, 1], [None, 1, 1], ["a", 1, 1]])
def test_bad_weights_are_refused(weight):
    with pytest.raises(ValueError, match="weight"):
        dbscan([1.0, 1.0, 2.0], [1.0, 1.0, 2.0], 100, 2, weight)


@pytest.mark.parametrize("place", [(-33.45, -70.66), (48.86, 2.35), (51.51, -0.13), (1.35, 103.82), (12.13, 15.06)])
def test_radians_are_warned_of(place):
    points = np.random.default_rng(0).normal(place, 0.01, (50, 2))
    GridDBSCAN(100, 5).fit(points)
    with pytest.warns(UserWarning, match="look like radians"):
        GridDBSCAN(100, 5).fit(np.radians(points))


def test_what_was_fitted_counts_after_set_params(tmp_path):
    points = blobs(9)
    model = GridDBSCAN(eps=80.0, min_samples=8).fit(points)
    before = model.predict(points)
    model.set_params(eps=1.0, min_samples=2, metric="euclidean").save(tmp_path / "model.npz")
    loaded = GridDBSCAN.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(model.predict(points), before)
    np.testing.assert_array_equal(loaded.predict(points), before)
    assert (loaded.eps, loaded.min_samples, loaded.metric) == (80.0, 8.0, "great_circle")


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "model.npz"
    np.savez(path, a=np.zeros(3))
    with pytest.raises(ValueError, match=r"model\.npz is not a saved model: it has no components, eps, labels"):
        GridDBSCAN.load(path)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(ValueError, match=r"array\.npy is not a saved model: it is one array \(\.npy\)"):
        GridDBSCAN.load(tmp_path / "array.npy")
    for content in (b"", b"PK\x03\x04 no archive", b"lat,lon\n1,2\n"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"model\.npz is not a saved model: it is no \.npz file of arrays"):
            GridDBSCAN.load(path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": np.zeros(3, dtype=np.int32)},
        {"labels": np.zeros(4)},
        {"components": np.zeros((4, 3))},
        {"components": np.full((4, 2), np.nan)},
        {"eps": np.float64(0.0)},
        {"min_samples": np.float64(np.nan)},
        {"metric": np.array("manhattan")},
        {"eps": np.zeros(2)},
        {"components": np.array([[None, None]])},
    ],
)
def test_a_model_with_impossible_values_is_refused(tmp_path, wrong):
    path = tmp_path / "model.npz"
    GridDBSCAN(eps=10.0, min_samples=1).fit(np.zeros((4, 2))).save(path)
    with np.load(path) as file:
        arrays = dict(file)
    GridDBSCAN.load(path)
    np.savez(path, **arrays | wrong)
    with pytest.raises(ValueError, match=r"model\.npz is a broken model: "):
        GridDBSCAN.load(path)


@pytest.mark.parametrize("point", [[48.85, 362.35], [90.5, 2.35]])
def test_fit_and_predict_refuse_the_same_degrees(point):
    model = GridDBSCAN(100, 1).fit([[48.85, 2.35]])
    for method in (model.predict, GridDBSCAN(100, 1).fit):
        with pytest.raises(ValueError, match="must be in"):
            method([point])
