from __future__ import annotations

from taxi_mlops.evaluation.ranking import Contender, rank


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


def test_everybody_is_told_against_the_winner() -> None:
    places = rank([SLOW, FAST], seed=0)
    assert places[0].slower_than_winner is None
    against = places[1].slower_than_winner
    assert against is not None
    assert 4.0 < against.low <= against.estimate <= against.high < 6.0


def test_one_block_tells_nothing_apart() -> None:
    places = rank([contender("a", 1.0), contender("b", 100.0)], seed=0)
    assert [place.rank for place in places] == [1, 1]
    assert places[1].slower_than_winner is None


def test_only_shared_blocks_are_paired() -> None:
    partial = Contender("partial", {3: 5.0, 4: 5.0, 5: 5.0, 6: 5.0, 7: 5.0, 8: 5.0})
    places = rank([FAST, partial], seed=0)
    assert [(place.rank, place.name) for place in places] == [(1, "fast"), (2, "partial")]


def test_nobody_to_rank() -> None:
    assert rank([], seed=0) == ()
