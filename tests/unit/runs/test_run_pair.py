"""Two runs compared with each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from taxi_mlops.errors import UsageError
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.runs.run_pair import compare_runs, unlike
from taxi_mlops.testing.sample_runs import EQUAL, LATE, REFERENCE, make_run


@pytest.fixture
def first(tmp_path: Path) -> Comparison:
    return make_run(tmp_path / "first", "first").comparison


@pytest.fixture
def second(tmp_path: Path) -> Comparison:
    return make_run(tmp_path / "second", "second", slowness=2.0).comparison


def test_a_run_that_took_twice_as_long_is_a_regression(first: Comparison, second: Comparison) -> None:
    pair = compare_runs(first, second)
    adapters = {adapter.name: adapter for adapter in pair.adapters}
    assert (pair.first, pair.second) == ("first", "second")
    ratio = adapters[REFERENCE].fit_seconds_ratio
    assert ratio is not None
    assert ratio.estimate == pytest.approx(2.0)
    assert 1.8 < ratio.low <= 2.0 <= ratio.high < 2.2
    assert adapters[REFERENCE].peak_memory_bytes == (200_000_000, 200_000_000)
    assert adapters[LATE].fit_seconds_ratio is None
    assert "there are 0 and 0" in str(adapters[LATE].fit_seconds_ratio_reason)


def test_adapters_of_one_run_alone_are_named(first: Comparison, second: Comparison) -> None:
    without = second.model_copy(update={"adapters": tuple(a for a in second.adapters if a.name != EQUAL)})
    assert compare_runs(first, without).only_first == (EQUAL,)
    assert compare_runs(without, first).only_second == (EQUAL,)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"threads": 7}, "threads: 2 and 7"),
        ({"machine": {"host": "other"}}, "host: .* and other"),
        ({"machine": {"libraries": {"numpy": "1.0"}}}, "version of numpy: .* and 1.0"),
        ({"dataset": {"fingerprint": "0" * 64}}, "fingerprint.*: abab"),
        ({"parameters": {"eps_metres": 5.0}}, "eps_metres: 100.0 and 5.0"),
    ],
)
def test_unlike_runs_are_refused_by_name(
    first: Comparison, second: Comparison, changed: dict[str, object], said: str
) -> None:
    updated = {
        name: getattr(second, name).model_copy(update=value) if isinstance(value, dict) else value
        for name, value in changed.items()
    }
    with pytest.raises(UsageError, match=said):
        compare_runs(first, second.model_copy(update=updated))


def test_another_version_of_an_adapter_is_unlike(first: Comparison, second: Comparison) -> None:
    newer = tuple(a.model_copy(update={"version": "2.0"}) if a.name == EQUAL else a for a in second.adapters)
    assert unlike(first, second.model_copy(update={"adapters": newer})) == (f"version of {EQUAL}: 1.0 and 2.0",)
    assert unlike(first, second) == ()
