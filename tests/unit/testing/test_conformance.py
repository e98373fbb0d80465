"""The suite itself: it lets a right implementation pass, and catches wrong ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from taxi_mlops.domain import NOISE, AdapterInfo, Clustering, Workload
from taxi_mlops.testing.conformance import CASES, AdapterConformance
from taxi_mlops.testing.oracle import brute_force_dbscan

Fit = Callable[[Workload], Clustering]


def by_definition(workload: Workload) -> Clustering:
    points, parameters = workload.points, workload.parameters
    return brute_force_dbscan(
        points.latitude, points.longitude, parameters.eps_metres, parameters.min_samples, points.weight
    )


class OracleAdapter:
    """The oracle as an adapter, with a way of going wrong."""

    requires = None
    install = "pip install taxi-mlops"
    info = AdapterInfo("oracle", "1", "all pairs", exact=True, weighted=True, parallel=False, homepage="")

    def __init__(self, fit: Fit = by_definition) -> None:
        self._fit = fit

    def unsupported(self, workload):
        return None

    def prepare(self, points, parameters, resources):
        return Workload(points, parameters)

    def warm_up(self, problem):
        pass

    def fit(self, problem):
        return self._fit(problem)


class TestARightImplementationPasses(AdapterConformance):
    adapter = OracleAdapter()


def failures(spoiled: OracleAdapter) -> set[str]:
    """The cases and tests of the suite that the adapter fails."""

    class Suite(AdapterConformance):
        adapter = spoiled

    suite = Suite()
    tests = {f"case {case.name}": lambda case=case: suite.test_case(case) for case in CASES}
    tests |= {
        name: method
        for name, method in inspect.getmembers(suite, inspect.ismethod)
        if name.startswith("test_") and not inspect.signature(method).parameters
    }
    failed = set()
    for name, test in tests.items():
        try:
            test()
        except pytest.skip.Exception:
            continue
        except Exception:  # noqa: BLE001 - what a wrong implementation raises is its own business
            failed.add(name)
    return failed


def with_eps(factor: float) -> Fit:
    return lambda workload: by_definition(
        replace(workload, parameters=replace(workload.parameters, eps_metres=workload.parameters.eps_metres * factor))
    )


def not_counting_itself(workload: Workload) -> Clustering:
    more = workload.parameters.min_samples + 1
    return by_definition(replace(workload, parameters=replace(workload.parameters, min_samples=more)))


def in_float32(workload: Workload) -> Clustering:
    latitude, longitude = (
        array.astype(np.float32).astype(np.float64) for array in (workload.points.latitude, workload.points.longitude)
    )
    return by_definition(replace(workload, points=replace(workload.points, latitude=latitude, longitude=longitude)))


def on_a_flat_map(workload: Workload) -> Clustering:
    """Longitudes shrunk by the cosine of the mean latitude, without end at 180°."""
    points = workload.points
    if len(points) == 0:
        return by_definition(workload)
    middle = points.latitude.mean()
    longitude = (points.longitude - points.longitude.mean()) * np.cos(np.radians(middle))
    return by_definition(
        replace(workload, points=replace(points, latitude=points.latitude - middle, longitude=longitude))
    )


def without_weights(workload: Workload) -> Clustering:
    return by_definition(replace(workload, points=replace(workload.points, weight=None)))


def without_borders(workload: Workload) -> Clustering:
    truth = by_definition(workload)
    return replace(truth, labels=np.where(truth.core_mask, truth.labels, NOISE).astype(np.int32))


def with_noise_in_a_cluster(workload: Workload) -> Clustering:
    truth = by_definition(workload)
    return replace(truth, labels=np.maximum(truth.labels, min(0, truth.labels.max(initial=NOISE))))


def with_all_clusters_one(workload: Workload) -> Clustering:
    truth = by_definition(workload)
    return replace(truth, labels=np.minimum(truth.labels, 0))


def with_a_gap_in_the_numbers(workload: Workload) -> Clustering:
    truth = by_definition(workload)
    return replace(truth, labels=np.where(truth.labels > 0, truth.labels + 1, truth.labels).astype(np.int32))


def in_int64(workload: Workload) -> Clustering:
    truth = by_definition(workload)
    return replace(truth, labels=truth.labels.astype(np.int64))


def one_label_short(workload: Workload) -> Clustering:
    truth = by_definition(workload)
    return replace(truth, labels=truth.labels[:-1])


def with_noise_as_core(workload: Workload) -> Clustering:
    truth = by_definition(workload)
    return replace(truth, core_mask=np.ones(len(truth.labels), dtype=np.bool_))


def shifting_its_input(workload: Workload) -> Clustering:
    workload.points.latitude[:] += 1e-9
    return by_definition(workload)


def refusing_no_points(workload: Workload) -> Clustering:
    if len(workload.points) == 0:
        raise ValueError("Found array with 0 sample(s)")
    return by_definition(workload)


@pytest.mark.parametrize(
    ("wrong", "caught_by"),
    [
        (with_eps(1 - 2e-8), "case meridian just within eps"),
        (with_eps(1 + 2e-8), "case meridian just beyond eps"),
        (with_eps(1 + 2e-6), "case clusters that nearly touch"),
        (not_counting_itself, "case all coincident"),
        (in_float32, "case as close as float32 does not resolve"),
        (on_a_flat_map, "case the north pole"),
        (on_a_flat_map, "case across the antimeridian"),
        (on_a_flat_map, "case towns all over the earth"),
        (without_weights, "case fractional weights"),
        (without_borders, "case a border point between two clusters"),
        (with_noise_in_a_cluster, "case blobs and noise"),
        (with_all_clusters_one, "case clusters that nearly touch"),
        (with_a_gap_in_the_numbers, "case blobs and noise"),
        (in_int64, "case one cluster"),
        (one_label_short, "case one cluster"),
        (with_noise_as_core, "case all noise"),
        (shifting_its_input, "case one cluster"),
        (refusing_no_points, "case no points"),
    ],
)
def test_a_wrong_implementation_is_caught(wrong: Fit, caught_by: str) -> None:
    assert caught_by in failures(OracleAdapter(wrong))


def test_a_second_answer_that_differs_is_caught() -> None:
    calls = iter(range(1_000_000))

    def moody(workload: Workload) -> Clustering:
        return with_all_clusters_one(workload) if next(calls) % 2 else by_definition(workload)

    assert "test_a_second_fit_gives_the_same_answer" in failures(OracleAdapter(moody))


def test_an_adapter_that_hides_what_it_is_is_caught() -> None:
    adapter = OracleAdapter()
    adapter.info = replace(OracleAdapter.info, exact=False, note="")
    assert "test_describes_itself" in failures(adapter)


@pytest.mark.parametrize("reason", [None, ""])
def test_an_adapter_that_takes_weights_in_silence_is_caught(reason: str | None) -> None:
    adapter = OracleAdapter()
    adapter.info = replace(OracleAdapter.info, weighted=False)
    adapter.unsupported = lambda _: reason
    assert "test_says_whether_it_takes_weights" in failures(adapter)
