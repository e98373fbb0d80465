"""Rank the adapters that gave the reference's clustering by speed; those that do not differ significantly are tied."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from taxi_mlops.evaluation.performance import CONFIDENCE, Speedup, paired_speedup


@dataclass(frozen=True, slots=True)
class Contender:
    """An adapter with the seconds of `fit` by block."""

    name: str
    fit_seconds: Mapping[int, float]

    @property
    def median(self) -> float:
        return float(np.median(list(self.fit_seconds.values())))


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the ranking. Adapters that share a rank are tied: they do not differ significantly.

    slower_than_winner: median time over that of the fastest adapter, with the interval that decides; None for the
    fastest itself and if the two share fewer than two blocks.
    """

    rank: int
    name: str
    tied_with: tuple[str, ...]
    slower_than_winner: Speedup | None


def rank(contenders: Sequence[Contender], seed: int) -> tuple[Place, ...]:
    """Order adapters by median time, with ties.

    The fastest of those left leads a group; every later one whose paired interval against the leader includes 1, or
    that cannot be paired with it, joins the group. Ranks are competition ranks: 1, 1, 3. The leader is chosen by the
    timings themselves, so any pair may be compared: the intervals are simultaneous over all pairs (Bonferroni), and
    equally fast adapters are all tied with the probability `CONFIDENCE`.
    """
    left = sorted(contenders, key=lambda contender: (contender.median, contender.name))
    if not left:
        return ()
    confidence = simultaneous_confidence(len(left))

    def slower_than(leader: Contender, others: Sequence[Contender]) -> dict[str, Speedup | None]:
        return {other.name: compare(other, leader, seed, confidence) for other in others}

    winner = left[0]
    than_winner = slower_than(winner, left[1:])
    places: list[Place] = []
    while left:
        leader = left[0]
        slower = than_winner if leader is winner else slower_than(leader, left[1:])
        names = [leader.name, *(name for name, speedup in slower.items() if speedup is None or not speedup.decided)]
        place = len(places) + 1
        for member in names:
            ties = tuple(name for name in names if name != member)
            places.append(Place(place, member, ties, than_winner.get(member)))
        left = [other for other in left if other.name not in names]
    return tuple(places)


def simultaneous_confidence(contenders: int) -> float:
    """Return the confidence of each pair's interval at which all pairs' intervals hold with `CONFIDENCE`."""
    return 1.0 - (1.0 - CONFIDENCE) / max(math.comb(contenders, 2), 1)


def compare(slower: Contender, faster: Contender, seed: int, confidence: float = CONFIDENCE) -> Speedup | None:
    """How many times faster `faster` is over the blocks that both finished; None for fewer than two such blocks."""
    blocks = sorted(slower.fit_seconds.keys() & faster.fit_seconds.keys())
    if len(blocks) < 2:
        return None
    return paired_speedup(
        [slower.fit_seconds[block] for block in blocks],
        [faster.fit_seconds[block] for block in blocks],
        seed,
        confidence,
    )
