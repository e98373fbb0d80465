"""Reading the answer of an implementation: any integer labels, in canonical form, or refused."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_mlops.domain import Clustering
from taxi_mlops.trials.clusterings import (
    InvalidClusteringError,
    canonical_labels,
    open_clustering,
    read_answer,
    store_clustering,
)


def leave_answer(folder, labels, core_mask=None):
    np.save(folder / "labels.npy", labels)
    if core_mask is not None:
        np.save(folder / "core_mask.npy", core_mask)


def dense(labels: list[int]) -> np.ndarray:
    """Any integers from -1 up, renumbered densely in the order of their values."""
    array = np.array(labels, dtype=np.int32)
    clusters = np.unique(array[array >= 0])
    return np.where(array < 0, -1, np.searchsorted(clusters, array)).astype(np.int32)


@given(st.lists(st.integers(-1, 6), max_size=30), st.randoms(use_true_random=False))
def test_canonical_labels_are_the_same_partition_numbered_by_first_point(labels, random):
    given_labels = dense(labels)
    canonical = canonical_labels(given_labels)
    assert canonical.dtype == np.int32
    seen: dict[int, int] = {}
    for before, after in zip(given_labels.tolist(), canonical.tolist(), strict=True):
        expected = -1 if before == -1 else seen.setdefault(before, len(seen))
        assert after == expected
    renumbered = list(range(len(seen)))
    random.shuffle(renumbered)
    other = np.array([label if label < 0 else renumbered[label] for label in given_labels], dtype=np.int32)
    np.testing.assert_array_equal(canonical_labels(other), canonical)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64])
def test_answers_of_any_integer_type_are_read_in_canonical_form(tmp_path, dtype):
    leave_answer(tmp_path, np.array([1, -1, 0, 1], dtype=dtype), np.array([True, False, True, False]))
    answer = read_answer(tmp_path, 4)
    assert answer.labels.dtype == np.int32
    assert answer.labels.tolist() == [0, -1, 1, 0]
    assert answer.core_mask.tolist() == [True, False, True, False]


def test_unsigned_labels_without_noise_are_read(tmp_path):
    leave_answer(tmp_path, np.array([0, 0, 1], dtype=np.uint64))
    assert read_answer(tmp_path, 3).labels.tolist() == [0, 0, 1]
    assert read_answer(tmp_path, 3).core_mask is None


def test_no_points_have_an_empty_answer(tmp_path):
    leave_answer(tmp_path, np.array([], dtype=np.int64), np.array([], dtype=bool))
    assert read_answer(tmp_path, 0).labels.shape == (0,)


@pytest.mark.parametrize(
    ("labels", "core_mask", "message"),
    [
        (np.zeros(3, dtype=int), None, r"labels have shape \(3,\), expected \(4,\)"),
        (np.zeros((4, 1), dtype=int), None, r"labels have shape \(4, 1\), expected \(4,\)"),
        (np.array(0), None, r"labels have shape \(\), expected \(4,\)"),
        (np.zeros(4), None, "labels have dtype float64, expected integers"),
        (np.zeros(4, dtype=bool), None, "labels have dtype bool, expected integers"),
        (np.array([0, 0, -2, 0]), None, "label -2 is below -1"),
        (np.array([0, 0, 2**40, 0]), None, f"label {2**40} for 4 points"),
        (np.array([2**64 - 1, 0, 0, 0], dtype=np.uint64), None, f"label {2**64 - 1} for 4 points"),
        (np.array([0, 0, 3, 1]), None, "no point has label 2, yet labels go up to 3"),
        (np.array([1, -1, 1, 1]), None, "no point has label 0, yet labels go up to 1"),
        (np.zeros(4, dtype=int), np.ones(5, dtype=bool), r"core_mask has shape \(5,\), expected \(4,\)"),
        (np.zeros(4, dtype=int), np.ones(4, dtype=int), "core_mask has dtype int64, expected bool"),
    ],
)
def test_wrongly_shaped_answers_are_refused_with_the_value(tmp_path, labels, core_mask, message):
    leave_answer(tmp_path, labels, core_mask)
    with pytest.raises(InvalidClusteringError, match=message):
        read_answer(tmp_path, 4)


def test_an_answer_that_is_not_an_array_is_refused_unread(tmp_path):
    (tmp_path / "labels.npy").write_bytes(pickle.dumps([0, 0]))
    with pytest.raises(InvalidClusteringError, match="labels cannot be read"):
        read_answer(tmp_path, 2)


def test_a_file_shorter_than_it_says_is_refused(tmp_path):
    leave_answer(tmp_path, np.zeros(1000, dtype=np.int64))
    whole = (tmp_path / "labels.npy").read_bytes()
    (tmp_path / "labels.npy").write_bytes(whole[:-1])
    with pytest.raises(InvalidClusteringError, match="labels cannot be read"):
        read_answer(tmp_path, 1000)


def test_a_missing_answer_is_refused(tmp_path):
    with pytest.raises(InvalidClusteringError, match="labels cannot be read"):
        read_answer(tmp_path, 1)


def test_equal_answers_are_stored_once_and_read_back(tmp_path):
    clustering = Clustering(np.array([0, -1, 1], dtype=np.int32), np.array([True, False, True]))
    digest = store_clustering(clustering, tmp_path)
    assert store_clustering(clustering, tmp_path) == digest
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{digest}.core_mask.npy", f"{digest}.labels.npy"]
    stored = open_clustering(tmp_path, digest)
    assert stored.labels.tolist() == [0, -1, 1]
    assert stored.core_mask.tolist() == [True, False, True]
    assert not stored.labels.flags.writeable


def test_answers_that_differ_have_digests_that_differ(tmp_path):
    labels = np.array([0, -1, 0], dtype=np.int32)
    digests = {
        store_clustering(Clustering(labels), tmp_path),
        store_clustering(Clustering(labels, np.array([True, False, True])), tmp_path),
        store_clustering(Clustering(labels, np.array([True, False, False])), tmp_path),
        store_clustering(Clustering(np.array([0, 0, 0], dtype=np.int32)), tmp_path),
    }
    assert len(digests) == 4
    assert open_clustering(tmp_path, store_clustering(Clustering(labels), tmp_path)).core_mask is None


def test_an_unknown_digest_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_clustering(tmp_path, "0" * 64)
