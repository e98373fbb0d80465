"""The test suite for adapters. Use it in a test of your own:

    from taxi_mlops.testing.conformance import AdapterConformance

    class TestMine(AdapterConformance):
        adapter = MyAdapter()

An adapter with `exact` must find the clustering of DBSCAN's definition. All must return valid clusterings, leave the
points unchanged, and report clearly what they do not support.
"""

# ruff: noqa: S101 - a test suite consists of asserts

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from taxi_mlops.adapters.base import Adapter, Closes
from taxi_mlops.domain import NOISE, Clustering, FloatArray, LabelArray, Points, Resources, Workload
from taxi_mlops.evaluation.equivalence import Verdict, check_equivalence
from taxi_mlops.testing.cases import Case, make_points, unweighted_cases, weighted_cases
from taxi_mlops.testing.oracle import brute_force_dbscan

WEIGHTED_CASES = weighted_cases()
CASES = (*unweighted_cases(), *WEIGHTED_CASES)
PLAIN = next(case for case in CASES if case.name == "blobs and noise")
RESOURCES = Resources(threads=2)


class AdapterConformance:
    """Derive a test class from it, with an attribute `adapter`."""

    adapter: ClassVar[Adapter]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _closed_afterwards(cls) -> Iterator[None]:
        yield
        adapter = getattr(cls, "adapter", None)  # there is none where a fixture that makes it skips
        if isinstance(adapter, Closes):
            adapter.close()

    def test_describes_itself(self) -> None:
        info = self.adapter.info
        assert info.name, "info.name is empty"
        assert info.version, "info.version is empty"
        assert info.summary, "info.summary is empty"
        assert "great_circle" in info.metrics, f"info.metrics is {info.metrics}: points are on the earth"
        assert self.adapter.install, "install is empty: say how to get the library"
        assert info.exact or info.note, "an adapter that is not exact says in info.note what it is"

    def test_is_constructed_without_arguments(self) -> None:
        assert type(self.adapter)().info == self.adapter.info

    def test_supports_plain_points(self) -> None:
        assert self.adapter.unsupported(PLAIN.workload) is None

    def test_says_whether_it_takes_weights(self) -> None:
        reasons = [self.adapter.unsupported(case.workload) for case in WEIGHTED_CASES]
        if self.adapter.info.weighted:
            assert reasons == [None] * len(reasons), "info.weighted is true"
        else:
            assert all(reasons), "info.weighted is false, so unsupported() must give a reason where there are weights"

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_case(self, case: Case) -> None:
        clustering = self._cluster(case.workload)
        check_shape(case.workload.points, clustering)
        if self.adapter.info.exact:
            check_exact(case.workload, oracle(case), clustering)

    def test_the_order_of_points_does_not_matter(self) -> None:
        order = np.random.default_rng(3).permutation(len(PLAIN.workload.points))
        original = PLAIN.workload.points
        shuffled = make_points(original.latitude[order], original.longitude[order])
        clustering = self._cluster(replace(PLAIN.workload, points=shuffled))
        check_shape(shuffled, clustering)
        if self.adapter.info.exact:
            truth = oracle(PLAIN)
            assert truth.core_mask is not None
            expected = Clustering(truth.labels[order], truth.core_mask[order])
            check_exact(replace(PLAIN.workload, points=shuffled), expected, clustering)

    def test_a_second_fit_gives_the_same_answer(self) -> None:
        problem = self.adapter.prepare(PLAIN.workload.points, PLAIN.workload.parameters, RESOURCES)
        first = self.adapter.fit(problem)
        self.adapter.warm_up(problem)
        second = self.adapter.fit(problem)
        self._check_same(PLAIN.workload, first, second)

    def test_takes_memory_maps_and_leaves_them_alone(self, tmp_path: Path) -> None:
        original = PLAIN.workload.points
        mapped = replace(
            original,
            latitude=_memory_map(tmp_path / "latitude.npy", original.latitude),
            longitude=_memory_map(tmp_path / "longitude.npy", original.longitude),
        )
        before = [(tmp_path / name).read_bytes() for name in ("latitude.npy", "longitude.npy")]
        clustering = self._cluster(replace(PLAIN.workload, points=mapped))
        check_shape(original, clustering)
        assert [(tmp_path / name).read_bytes() for name in ("latitude.npy", "longitude.npy")] == before
        self._check_same(PLAIN.workload, clustering, self._cluster(PLAIN.workload))

    @pytest.mark.parametrize("threads", [2, 1])  # first as many as above: some start processes for each number
    def test_takes_any_number_of_threads(self, threads: int) -> None:
        problem = self.adapter.prepare(PLAIN.workload.points, PLAIN.workload.parameters, Resources(threads=threads))
        self.adapter.warm_up(problem)
        clustering = self.adapter.fit(problem)
        check_shape(PLAIN.workload.points, clustering)
        if self.adapter.info.exact:
            check_exact(PLAIN.workload, oracle(PLAIN), clustering)

    def _check_same(self, workload: Workload, first: Clustering, second: Clustering) -> None:
        """Assert that two answers are equal: as clusterings of DBSCAN, or, if not exact, in every label."""
        if self.adapter.info.exact:
            result = check_equivalence(workload.points, workload.parameters, first, second)
            assert result.verdict is Verdict.EQUAL, result
        else:
            np.testing.assert_array_equal(renumbered(first.labels), renumbered(second.labels))

    def _cluster(self, workload: Workload) -> Clustering:
        """Cluster like a trial; skips what the adapter does not support."""
        reason = self.adapter.unsupported(workload)
        if reason is not None:
            pytest.skip(f"unsupported: {reason}")
        problem = self.adapter.prepare(workload.points, workload.parameters, RESOURCES)
        self.adapter.warm_up(problem)
        return self.adapter.fit(problem)


def check_shape(points: Points, clustering: Clustering) -> None:
    """Assert data types, shapes, numbering, and that core points are in clusters."""
    labels, core_mask = clustering.labels, clustering.core_mask
    assert isinstance(labels, np.ndarray), f"labels are {type(labels).__name__}, not a numpy array"
    assert labels.dtype == np.int32, f"labels are {labels.dtype}, not int32"
    assert labels.shape == (len(points),), f"labels of shape {labels.shape} for {len(points)} points"
    used = np.setdiff1d(labels, [NOISE])
    np.testing.assert_array_equal(used, np.arange(len(used)), err_msg="clusters are not numbered 0, 1, 2, …")
    if core_mask is None:
        return
    assert core_mask.dtype == np.bool_, f"the core mask is {core_mask.dtype}, not bool"
    assert core_mask.shape == (len(points),), f"a core mask of shape {core_mask.shape} for {len(points)} points"
    assert not (core_mask & (labels == NOISE)).any(), "a core point is noise"
    np.testing.assert_array_equal(np.unique(labels[core_mask]), used, err_msg="a cluster has no core point")


def check_exact(workload: Workload, expected: Clustering, clustering: Clustering) -> None:
    """Assert the clustering of DBSCAN, except for pairs of points that are at eps within rounding."""
    result = check_equivalence(workload.points, workload.parameters, expected, clustering)
    assert result.verdict in {Verdict.EQUAL, Verdict.EQUAL_WITHIN_ROUNDING}, result


def renumbered(labels: LabelArray) -> LabelArray:
    """Return the same clusters, each numbered by its first point; noise stays noise."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    called: LabelArray = np.where(labels == NOISE, NOISE, first[inverse]).astype(np.int32)
    return called


@cache
def oracle(case: Case) -> Clustering:
    """Return the clustering of DBSCAN's definition for the case; computed once."""
    points, parameters = case.workload.points, case.workload.parameters
    return brute_force_dbscan(
        points.latitude, points.longitude, parameters.eps_metres, parameters.min_samples, points.weight
    )


def _memory_map(path: Path, values: FloatArray) -> FloatArray:
    np.save(path, values)
    mapped: FloatArray = np.load(path, mmap_mode="r")
    return mapped
