from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_mlops.models.ab_status import status_of
from taxi_mlops.models.ab_test import AbTest, Evidence, Limits, new_salt

TEST = AbTest(
    id=1, model="city", champion="1", challenger="2", share=0.2, salt="5a" * 32, champion_area=0.10,
    challenger_area=0.15, limits=Limits(0.01, 3.0, 0.2), started_at=datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip


@given(st.text(max_size=200))
def test_a_key_gets_the_same_version_always_and_is_not_stored(key):
    subject = TEST.subject(key)
    assert subject == replace(TEST, id=2, share=0.5).subject(key)
    assert len(subject) == 32
    assert int(subject, 16) >= 0
    # A key with the challenger keeps it when the share grows.
    assert TEST.gets_challenger(subject) <= replace(TEST, share=0.5).gets_challenger(subject)


def test_keys_are_divided_evenly_and_by_each_test_in_its_own_way():
    from scipy.stats import binomtest

    keys = [f"driver-{i}" for i in range(20_000)]
    other = replace(TEST, salt=new_salt())
    mine = np.array([TEST.gets_challenger(TEST.subject(key)) for key in keys])
    theirs = np.array([other.gets_challenger(other.subject(key)) for key in keys])
    assert binomtest(int(mine.sum()), len(keys), 0.2).pvalue > 1e-6
    assert binomtest(int((mine & theirs).sum()), len(keys), 0.04).pvalue > 1e-6


def evidence(champion: tuple[int, int], challenger: tuple[int, int], keys=None) -> Evidence:
    """Hits and misses of each version, in random order."""
    member = np.repeat([False, False, True, True], [*champion, *challenger])
    hit = np.repeat([True, False, True, False], [*champion, *challenger])
    order = np.random.default_rng(0).permutation(len(hit))
    counts = keys or (sum(champion), sum(challenger))
    return Evidence(member[order], hit[order], counts, counts, (0.4, None), 3)


def test_the_larger_area_is_taken_off():
    """More area for 5 points: hits that are just as many more are no better."""
    found = status_of(TEST, evidence((8000, 8000), (2200, 1800)))
    assert (found.champion.hit_rate, found.challenger.hit_rate) == (0.5, 0.55)
    assert found.champion.corrected_hit_rate == pytest.approx(0.40)
    assert found.challenger.corrected_hit_rate == pytest.approx(0.40)
    assert found.difference.low > 0.0
    assert found.corrected_difference.low == pytest.approx(found.difference.low - 0.05)
    assert found.verdict == "undecided"
    assert found.p_value > 0.05
    assert (found.champion.noise_share, found.challenger.noise_share, found.repeated) == (0.4, None, 3)


@pytest.mark.parametrize(
    ("hits", "verdict"),
    [((2800, 1200), "challenger_better"), ((1800, 2200), "champion_better"), ((2200, 1800), "undecided")],
)
def test_the_verdict(hits, verdict):
    found = status_of(TEST, evidence((8000, 8000), hits, keys=(16_000, 4000)))
    assert found.verdict == verdict
    assert (found.p_value < 0.05) == (verdict != "undecided")


def test_nothing_is_decided_by_a_wrong_sample_ratio_or_after_a_guard_rail():
    assert status_of(TEST, evidence((8000, 8000), (2800, 1200), keys=(16_000, 5000))).verdict == "wrong_sample_ratio"
    outcomes_missing = evidence((8000, 8000), (2100, 900), keys=(16_000, 4000))
    assert status_of(TEST, outcomes_missing).verdict == "wrong_sample_ratio"
    stopped = replace(TEST, guard_rail="it is slow")
    assert status_of(stopped, evidence((8000, 8000), (2800, 1200))).verdict == "guard_rail"


def test_a_test_without_outcomes_has_no_rates():
    found = status_of(TEST, evidence((0, 0), (0, 0)))
    assert (found.champion.hit_rate, found.champion.corrected_hit_rate, found.p_value) == (None, None, 1.0)
    assert (found.difference.low, found.difference.high) == (-1.0, 1.0)
