"""What the process of a trial does: the warm-up problem, and what it makes of answers and failures."""

from __future__ import annotations

import errno
from dataclasses import replace

import numpy as np
import pytest

from taxi_mlops.domain import AdapterInfo, Parameters, Points, Provenance, Resources, TrialKind, Workload
from taxi_mlops.trials import child
from taxi_mlops.trials.protocol import Request


def points(n: int) -> Points:
    generator = np.random.default_rng(n)
    return Points(
        generator.uniform(-1, 1, n), generator.uniform(-1, 1, n), None, "abc", Provenance("u", "s", "v", n, n)
    )


@pytest.mark.parametrize("n", [0, 1, 100, 10_000])
def test_the_warm_up_is_small_and_has_a_core_point(n):
    whole = points(n)
    parameters = Parameters(50.0, 10)
    small = child.warm_up_points(whole, parameters)
    assert len(small) == (min(n, child.WARM_UP_POINTS) + 10 if n else 0)
    assert set(small.latitude) <= set(whole.latitude)
    if n:
        first = (small.latitude == small.latitude[0]) & (small.longitude == small.longitude[0])
        assert first.sum() >= parameters.min_samples


def test_the_warm_up_is_the_same_each_time_and_keeps_weights():
    whole = replace(points(5000), weight=np.arange(5000.0) + 1)
    first, second = (child.warm_up_points(whole, Parameters(50.0, 10**9)) for _ in range(2))
    np.testing.assert_array_equal(first.latitude, second.latitude)
    assert len(first) == 2 * child.WARM_UP_POINTS
    by_weight = whole.latitude[first.weight.astype(int) - 1]
    np.testing.assert_array_equal(by_weight, first.latitude)


def wrapped(error: BaseException) -> BaseException:
    try:
        try:
            raise error  # noqa: TRY301
        except BaseException as inner:
            raise RuntimeError("a worker failed") from inner
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (OSError(errno.ENOMEM, "no"), True),
        (wrapped(MemoryError()), True),
        (OSError(errno.ENOSPC, "disk full"), False),
        (wrapped(ValueError()), False),
    ],
)
def test_failed_allocations_are_known_even_when_wrapped(error, expected):
    assert child._is_out_of_memory(error) is expected


def test_what_an_implementation_says_of_itself_becomes_plain_and_bounded():
    about = {"a": np.int64(3), "b": np.float32(0.5), "c": float("inf"), "d": [1, 2], "e": "x" * 5000, "f": True}
    plain = child._plain(about)
    assert {key: plain[key] for key in "abcdf"} == {"a": 3, "b": 0.5, "c": "inf", "d": "[1, 2]", "f": True}
    assert len(plain["e"]) == 1000
    assert len(child._plain({str(number): number for number in range(1000)})) == child.MAX_ABOUT_LENGTH


def test_what_a_slow_warm_up_started_is_closed_before_the_program_is_replaced(tmp_path, monkeypatch):
    events = []

    class Adapter:
        def unsupported(self, workload):
            return None

        def prepare(self, points, parameters, resources):
            return None

        def warm_up(self, problem):
            events.append("warm-up")

        def close(self):
            events.append("closed")

    class Reporter:
        def send(self, **facts):
            pass

    class ReplacedError(Exception):
        pass

    def replace_program(*_):
        events.append("replaced")
        raise ReplacedError

    info = AdapterInfo("slow", "1", "", exact=True, weighted=True, parallel=True, homepage="")
    monkeypatch.setattr(child, "SLOW_WARM_UP_SECONDS", -1.0)
    monkeypatch.setattr(child, "open_workload", lambda _: Workload(points(100), Parameters(50.0, 10)))
    monkeypatch.setattr(child, "_restart", replace_program)
    request = Request("slow", TrialKind.MEMORY, tmp_path, tmp_path, Resources(threads=1))
    with pytest.raises(ReplacedError):
        child._run(request, Reporter(), child.Inheritance(Adapter(), info, (), 0))
    assert events == ["warm-up", "closed", "replaced"]
