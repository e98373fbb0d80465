from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from taxi_mlops.evaluation import sequential
from taxi_mlops.evaluation.sequential import (
    ERROR,
    RATIO_ERROR,
    Interval,
    difference_interval,
    log_evidence,
    p_value,
    sample_ratio_p_value,
    terms_of,
)

SHARES = st.sampled_from([0.05, 0.2, 0.5])


def drawn(rng, n, share, champion, challenger):
    """Outcomes of two versions with these hit rates."""
    member = rng.random(n) < share
    return member, rng.random(n) < np.where(member, challenger, champion)


def test_terms_by_hand():
    terms = terms_of(np.array([True, False, True]), np.array([True, True, False]), 0.25)
    # Before any outcome both rates are 1/2; then 0.5 + 1 hits of 1 + 1 outcomes make 3/4.
    assert terms.estimate.tolist() == pytest.approx([0 + 4 * 0.5, 0.25 - 4 / 3 * 0.5, 0.0 + 4 * (0 - 0.75)])
    assert terms.squares.tolist() == pytest.approx([4.0, 4 / 9, 9.0])


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=50), SHARES)
def test_a_term_depends_on_the_outcomes_before_it_alone(outcomes, share):
    member, hit = (np.array(column) for column in zip(*outcomes, strict=True))
    whole = terms_of(member, hit, share)
    for n in range(1, len(outcomes) + 1):
        part = terms_of(member[:n], hit[:n], share)
        assert np.array_equal(part.estimate, whole.estimate[:n])
        assert np.array_equal(part.squares, whole.squares[:n])


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30), SHARES, st.floats(0, 1), st.floats(0, 1))
def test_the_estimate_is_unbiased_and_its_surprise_bounded(before, share, champion, challenger):
    """The mean over the four ways in which the next outcome can fall is the difference of the rates."""
    mean = 0.0
    for member in (False, True):
        for hit in (False, True):
            outcomes = [*before, (member, hit)]
            terms = terms_of(np.array([one[0] for one in outcomes]), np.array([one[1] for one in outcomes]), share)
            rate = challenger if member else champion
            mean += (share if member else 1 - share) * (rate if hit else 1 - rate) * terms.estimate[-1]
            assert terms.squares[-1] <= sequential._limit(share) ** 2
    assert mean == pytest.approx(challenger - champion, abs=1e-9)


@pytest.mark.parametrize(
    ("excess", "variance"), [(0.0, 1.0), (30.0, 100.0), (-40.0, 500.0), (250.0, 2000.0), (5.0, 0.0)]
)
@pytest.mark.parametrize("share", [0.2, 0.5])
def test_the_evidence_is_the_mixture_over_all_bets(excess, variance, share):
    """By numerical integration of exp(λ s − ψ(λ) v) over the density of λ."""
    c, rho = sequential._limit(share), sequential._rho(share)

    def exponent(bet):
        return bet * excess + (math.log1p(-c * bet) + c * bet) * variance / c**2

    def density(bet):
        y = 1 - c * bet
        return y ** (rho / c**2 - 1) * math.exp(-(y - 1) * rho / c**2) if y > 0 else 0.0

    # The mass is near zero, where a bet of a few standard deviations lies.
    cuts = [part / c for part in (0.01, 0.05, 0.2, 0.5)]
    total = quad(density, 0, 1 / c, points=cuts, limit=500)[0]
    mixed = quad(lambda bet: density(bet) * math.exp(exponent(bet)), 0, 1 / c, points=cuts, limit=500)[0]
    assert float(log_evidence(excess, variance, share)) == pytest.approx(math.log(mixed / total), abs=1e-6)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30), SHARES)
def test_one_more_outcome_never_raises_the_expected_evidence(before, share):
    """The evidence is a supermartingale where both versions hit equally often, whatever the rate."""

    def of(outcomes):
        terms = terms_of(
            np.array([one[0] for one in outcomes], dtype=bool),
            np.array([one[1] for one in outcomes], dtype=bool),
            share,
        )
        return math.exp(log_evidence(terms.estimate.sum(), terms.squares.sum(), share))

    for rate in (0.1, 0.5, 0.9):
        after = sum(
            (share if member else 1 - share) * (rate if hit else 1 - rate) * of([*before, (member, hit)])
            for member in (False, True)
            for hit in (False, True)
        )
        assert after <= of(before) * (1 + 1e-9)


def test_without_outcomes_nothing_is_known():
    none = np.zeros(0, dtype=bool)
    terms = terms_of(none, none, 0.2)
    assert difference_interval(terms, 0.2) == Interval(0.0, -1.0, 1.0)
    assert p_value(terms, 0.2) == 1.0


@settings(max_examples=30)
@given(st.integers(0, 1000), SHARES, st.integers(1, 3000), st.floats(-0.2, 0.2))
def test_the_interval_has_the_differences_that_the_p_value_does_not_reject(seed, share, n, assumed):
    terms = terms_of(*drawn(np.random.default_rng(seed), n, share, 0.5, 0.6), share)
    found = difference_interval(terms, share)
    if abs(assumed - found.low) > 1e-6 and abs(assumed - found.high) > 1e-6:
        assert (found.low < assumed < found.high) == (p_value(terms, share, assumed) > ERROR)


def test_a_better_challenger_is_found_and_a_worse_one_too():
    rng = np.random.default_rng(0)
    for challenger in (0.6, 0.4):
        found = difference_interval(terms_of(*drawn(rng, 20_000, 0.2, 0.5, challenger), 0.2), 0.2)
        assert found.low < challenger - 0.5 < found.high
        assert found.low * found.high > 0


def test_evidence_of_many_outcomes_stays_finite_or_is_none():
    values = log_evidence([-1e6, 0.0, 1e5, 3e6], [1e6, 1e6, 1e6, 1e6], 0.05)
    assert values[0] == -np.inf
    assert np.isfinite(values[1:]).all()
    assert np.all(np.diff(values[1:]) > 0)


def test_few_equal_versions_are_declared_different_when_looked_at_after_every_outcome():
    """300 A/A runs of 2,000 outcomes; `benchmarks/ab.py` has more and longer ones."""
    rng = np.random.default_rng(11)
    wrong = 0
    for _ in range(300):
        share = rng.choice([0.1, 0.2, 0.5])
        hourly = 0.5 + 0.3 * np.sin(np.arange(2000) / 200)  # the rate changes, of both alike
        terms = terms_of(*drawn(rng, 2000, share, hourly, hourly), share)
        excess, variance = np.cumsum(terms.estimate), np.cumsum(terms.squares)
        most = max(log_evidence(excess, variance, share).max(), log_evidence(-excess, variance, share).max())
        wrong += most >= math.log(2 / ERROR)
    assert wrong <= 0.05 * 300


def test_a_wrong_sample_ratio_is_found():
    assert sample_ratio_p_value(0, 0, 0.2) == 1.0
    assert sample_ratio_p_value(200, 800, 0.2) == 1.0
    assert sample_ratio_p_value(2000, 8000, 0.2) > RATIO_ERROR
    assert sample_ratio_p_value(2300, 7700, 0.2) < RATIO_ERROR
    assert sample_ratio_p_value(1700, 8300, 0.2) < RATIO_ERROR
    assert sample_ratio_p_value(0, 10_000, 0.2) < 1e-200


def test_a_right_sample_ratio_is_rarely_refused_when_looked_at_after_every_key():
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(200):
        count = np.cumsum(rng.random(1000) < 0.2)
        refused += any(
            sample_ratio_p_value(int(count[n - 1]), n - int(count[n - 1]), 0.2) < 0.05 for n in range(1, 1001)
        )
    assert refused <= 0.05 * 200
