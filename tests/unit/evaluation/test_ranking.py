"""The ranking: ties, simultaneous intervals, and how often equal adapters get a winner by chance."""

from __future__ import annotations

import numpy as np
import pytest

from taxi_mlops.evaluation import performance
from taxi_mlops.evaluation.ranking import Contender, rank, simultaneous_confidence


def contender(name: str, *seconds: float) -> Contender:
    return Contender(name, dict(enumerate(seconds, start=1)))


FAST = contender("fast", 1.0, 1.1, 1.0, 1.05, 1.02, 1.01, 0.99)
SAME = contender("same", 1.01, 1.0, 1.1, 1.04, 1.0, 1.03, 1.0)
SLOW = contender("slow", 5.0, 5.1, 5.2, 5.0, 5.1, 5.3, 5.2)


def test_equal_speeds_are_tied_and_the_next_rank_is_skipped() -> None:
    places = rank([SLOW, SAME, FAST], seed=0)
    assert [(place.rank, place.name) for place in places] == [(1, "fast"), (1, "same"), (3, "slow")]
    assert places[0].tied_with == ("same",)
    assert places[1].tied_with == ("fast",)
    assert places[2].tied_with == ()


def test_everyone_is_compared_with_the_winner() -> None:
    places = rank([SLOW, FAST], seed=0)
    assert places[0].slower_than_winner is None
    against = places[1].slower_than_winner
    assert against is not None
    assert 4.0 < against.low <= against.estimate <= against.high < 6.0


def test_one_block_distinguishes_nothing() -> None:
    places = rank([contender("a", 1.0), contender("b", 100.0)], seed=0)
    assert [place.rank for place in places] == [1, 1]
    assert places[1].slower_than_winner is None


def test_only_shared_blocks_are_paired() -> None:
    partial = Contender("partial", {3: 5.0, 4: 5.0, 5: 5.0, 6: 5.0, 7: 5.0, 8: 5.0})
    places = rank([FAST, partial], seed=0)
    assert [(place.rank, place.name) for place in places] == [(1, "fast"), (2, "partial")]


def test_nobody_to_rank() -> None:
    assert rank([], seed=0) == ()


@pytest.mark.parametrize("contenders", [2, 4])
@pytest.mark.parametrize("blocks", [5, 7, 10])
@pytest.mark.parametrize("noise", ["lognormal", "outliers"])
def test_alike_adapters_rarely_have_a_winner(
    contenders: int, blocks: int, noise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 1,000 comparisons of an adapter with itself, at most 5 % call one faster than another."""
    monkeypatch.setattr(performance, "RESAMPLES", 500)
    rng = np.random.default_rng(blocks * 100 + contenders)
    false = 0
    for seed in range(1000):
        own = rng.normal(0.0, 0.03, (contenders, blocks))
        if noise == "outliers":
            own += (rng.random(own.shape) < 0.1) * rng.exponential(0.5, own.shape)
        runs = np.exp(rng.normal(0.0, 0.05, blocks) + own)  # what slows a block slows all
        places = rank([contender(str(number), *run) for number, run in enumerate(runs)], seed)
        false += any(place.rank > 1 for place in places)
    assert false / 1000 <= 0.05


def test_more_contenders_ask_for_wider_intervals() -> None:
    assert simultaneous_confidence(2) == pytest.approx(0.95)
    assert simultaneous_confidence(4) == pytest.approx(1 - 0.05 / 6)
    assert simultaneous_confidence(1) == pytest.approx(0.95)
    against = {place.name: place.slower_than_winner for place in rank([SLOW, SAME, FAST], seed=0)}
    assert against["slow"] is not None
    assert against["slow"].confidence == pytest.approx(1 - 0.05 / 3)
