"""The speed-up between two runs whose blocks are not pairs."""

from __future__ import annotations

import numpy as np
import pytest

from taxi_mlops.evaluation.unpaired import unpaired_speedup


def test_the_estimate_is_the_ratio_of_the_medians() -> None:
    found = unpaired_speedup([4.0, 4.0, 4.1, 3.9], [2.0, 2.1, 1.9], 0)
    assert found.estimate == pytest.approx(2.0)
    assert found.low < 2.0 < found.high
    assert found.decided


def test_the_other_way_round_is_the_inverse() -> None:
    one = unpaired_speedup([4.0, 4.2, 4.1, 3.9, 4.4, 4.0], [2.0, 2.1, 1.9, 2.0, 2.2, 2.1], 0)
    other = unpaired_speedup([2.0, 2.1, 1.9, 2.0, 2.2, 2.1], [4.0, 4.2, 4.1, 3.9, 4.4, 4.0], 0)
    assert other.estimate == pytest.approx(1 / one.estimate)
    assert (other.low, other.high) == pytest.approx((1 / one.high, 1 / one.low), rel=0.02)


def test_series_without_spread_have_an_interval_without_width() -> None:
    found = unpaired_speedup([3.0, 3.0], [2.0, 2.0, 2.0], 0)
    assert (found.low, found.estimate, found.high) == pytest.approx((1.5, 1.5, 1.5))


def test_one_value_gives_no_interval() -> None:
    with pytest.raises(ValueError, match="at least 2 repeats of each, got 1 and 2"):
        unpaired_speedup([1.0], [1.0, 2.0], 0)


@pytest.mark.parametrize("repeats", [3, 5, 10])
def test_equal_series_rarely_differ_significantly(repeats: int) -> None:
    """At most 5 % of 400 pairs, and a margin of three standard errors for the simulation itself."""
    generator = np.random.default_rng(20)
    pairs = generator.lognormal(0.0, 0.1, (400, 2, repeats))
    false = sum(unpaired_speedup(first.tolist(), second.tolist(), 0).decided for first, second in pairs)
    assert false / 400 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
