"""The tests give what their papers and scipy give."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from taxi_mlops.evaluation import statistics
from taxi_mlops.evaluation.statistics import (
    Friedman,
    bayesian_signed_rank,
    compare_pairs,
    friedman,
    holm,
    magnitude,
    vargha_delaney,
    wilcoxon_signed_rank,
)

# Ranks of four variants of C4.5 on 14 data sets: Demšar, JMLR 7 (2006), table 6.
DEMSAR_RANKS = np.array(
    [
        [4, 3, 2, 1],
        [1, 2, 3, 4],
        [4, 1, 2, 3],
        [4, 1, 3, 2],
        [4, 2, 3, 1],
        [1, 2.5, 4, 2.5],
        [3, 2, 4, 1],
        [2.5, 2.5, 4, 1],
        [4, 3, 2, 1],
        [2.5, 2.5, 2.5, 2.5],
        [4, 2.5, 1, 2.5],
        [3, 2, 4, 1],
        [4, 1, 2, 3],
        [3, 1, 4, 2],
    ]
)
# Differences of AUC of the first two of them: the same paper, table 2.
DEMSAR_DIFFERENCES = np.array(
    [0.005, -0.008, 0.017, 0.033, 0.006, -0.005, 0.007, 0, 0.063, 0, 0.022, 0.047, 0.009, 0.021]
)
# Depression scores before and after: Hollander and Wolfe, Nonparametric Statistical Methods, example 3.1.
BEFORE = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
AFTER = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
# Permeability at term and before: the same book, example 4.1, where U = 35.
AT_TERM = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
BEFORE_TERM = [1.15, 0.88, 0.90, 0.74, 1.21]


def variants(alpha: float = 0.05) -> Friedman:
    return friedman(DEMSAR_RANKS, ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"), alpha)


def test_friedman_and_nemenyi_are_those_of_demsar() -> None:
    found = variants()
    assert np.round(found.mean_ranks, 3).tolist() == [3.143, 2.0, 2.893, 1.964]
    assert found.chi_squared == pytest.approx(9.28, abs=0.005)
    assert found.f_statistic == pytest.approx(3.69, abs=0.005)
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    assert len(found.tied) == 6  # no two of them differ significantly by Nemenyi's test at 5 %,
    assert variants(0.10).critical_difference == pytest.approx(1.12, abs=0.005)
    told_apart = {("C4.5", "C4.5+m"), ("C4.5", "C4.5+m+cf")}  # and C4.5 from both variants with m at 10 %.
    assert told_apart.isdisjoint(variants(0.10).tied)


def test_friedman_without_ties_is_that_of_scipy() -> None:
    costs = np.random.default_rng(3).normal(size=(19, 5)) + np.arange(5) / 2
    found = friedman(costs, "abcde")
    assert found.chi_squared == pytest.approx(stats.friedmanchisquare(*costs.T).statistic)
    assert found.p_value == pytest.approx(stats.f.sf(found.f_statistic, 4, 72))


def test_few_workloads_are_permuted() -> None:
    """Three workloads rank two methods alike by chance once in four times: nothing is significant."""
    found = friedman([[1.0, 2.0], [1.0, 3.0], [2.0, 5.0]], "ab")
    assert found.f_statistic is None
    assert found.p_value == pytest.approx(0.25, abs=0.02)
    assert found.tied == (("a", "b"),)
    assert "permutations" in found.test
    clear = friedman(np.tile([1.0, 2.0, 3.0], (8, 1)), "abc")
    assert clear.p_value < 0.001
    assert ("a", "c") not in clear.tied


def test_permutations_and_the_f_distribution_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = variants().p_value
    monkeypatch.setattr(statistics, "MAX_WORKLOADS_PERMUTED", 14)
    assert variants().p_value == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("costs", "methods"), [([[1.0, 2.0]], "ab"), ([[1.0], [2.0]], "a"), ([[1, 2], [2, 1]], "abc")])
def test_friedman_needs_a_table(costs: list[list[float]], methods: str) -> None:
    with pytest.raises(ValueError, match="needs 2 workloads and 2 methods"):
        friedman(costs, methods)


def test_wilcoxon_is_that_of_hollander_and_wolfe() -> None:
    found = wilcoxon_signed_rank(BEFORE - AFTER)
    assert found.p_value == pytest.approx(0.0390625)
    assert found.test == "Wilcoxon signed-rank, exact"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-5, 5), max_size=9))
def test_wilcoxon_counts_every_choice_of_signs(differences: list[int]) -> None:
    values = np.array([value for value in differences if value != 0], dtype=float)
    ranks = stats.rankdata(np.abs(values))
    centre = ranks.sum() / 2
    observed = abs(ranks[values > 0].sum() - centre)
    signs = np.array(list(product((0, 1), repeat=len(values))))
    expected = np.mean(np.abs(signs @ ranks - centre) >= observed - 1e-9) if len(values) else 1.0
    assert wilcoxon_signed_rank(differences).p_value == pytest.approx(expected)


@pytest.mark.parametrize("n", [12, 50, 51, 400])
def test_wilcoxon_is_that_of_scipy(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.1, 1.0, n)
    method = "exact" if n <= 50 else "asymptotic"
    expected = stats.wilcoxon(differences, method=method, correction=True).pvalue
    assert wilcoxon_signed_rank(differences).p_value == pytest.approx(expected)


def test_holm_goes_down_step_by_step() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.6, 0.7]) == (1.0, 1.0)
    assert holm([]) == ()


def test_holm_keeps_the_error_of_the_family() -> None:
    uniform = np.random.default_rng(4).uniform(size=(2000, 6))
    assert np.mean([min(holm(row.tolist())) <= 0.05 for row in uniform]) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 2000)


def test_a12_is_the_share_of_pairs() -> None:
    assert vargha_delaney(AT_TERM, BEFORE_TERM) == pytest.approx(35 / 50)
    assert vargha_delaney([1.0, 2.0], [1.0, 2.0]) == 0.5
    assert vargha_delaney([3.0], [1.0, 3.0]) == 0.75


@settings(max_examples=50, deadline=None)
@given(*[st.lists(st.integers(0, 6), min_size=1, max_size=20)] * 2)
def test_a12_is_mann_whitneys_u_over_the_pairs(first: list[int], second: list[int]) -> None:
    u = stats.mannwhitneyu(first, second, method="asymptotic").statistic
    assert vargha_delaney(first, second) == pytest.approx(u / (len(first) * len(second)))


@pytest.mark.parametrize(
    ("a12", "name"),
    [(0.5, "negligible"), (0.55, "negligible"), (0.56, "small"), (0.36, "medium"), (0.64, "medium"), (0.71, "large")],
)
def test_magnitudes_are_those_of_vargha_and_delaney(a12: float, name: str) -> None:
    assert magnitude(a12) == name


# From baycomp 1.0.3, the authors' own program, with 500,000 samples.
@pytest.mark.parametrize(("rope", "expected"), [(0.01, (0.0, 0.3287, 0.6713)), (0.005, (0.0, 0.0434, 0.9565))])
def test_the_bayesian_signed_rank_is_that_of_its_authors(rope: float, expected: tuple[float, ...]) -> None:
    found = bayesian_signed_rank(DEMSAR_DIFFERENCES, rope, seed=0)
    assert (found.first_lower, found.equivalent, found.first_higher) == pytest.approx(expected, abs=0.01)
    assert found.first_lower + found.equivalent + found.first_higher == pytest.approx(1.0)


def test_the_bayesian_signed_rank_is_symmetric_and_seeded() -> None:
    found = bayesian_signed_rank(DEMSAR_DIFFERENCES, 0.01, seed=5)
    mirrored = bayesian_signed_rank(-DEMSAR_DIFFERENCES, 0.01, seed=5)
    assert (mirrored.first_lower, mirrored.first_higher) == (found.first_higher, found.first_lower)
    assert bayesian_signed_rank(DEMSAR_DIFFERENCES, 0.01, seed=5) == found


def test_all_pairs_are_tested_on_their_shared_blocks() -> None:
    fast = {block: 1.0 + block / 100 for block in range(8)}
    slow = {block: 2.0 + block / 100 for block in range(8)}
    once = {0: 5.0}
    (pair,) = compare_pairs({"fast": fast, "slow": slow, "once": once})
    assert (pair.first, pair.second, pair.blocks) == ("fast", "slow", 8)
    assert pair.p_value == pair.p_adjusted == pytest.approx(2 / 2**8)
    assert (pair.a12, pair.effect) == (0.0, "large")
    assert "Wilcoxon" in pair.test
    assert "Holm over all pairs (1)" in pair.test
    three = compare_pairs({"fast": fast, "slow": slow, "again": fast})
    assert [(pair.first, pair.second, pair.p_adjusted) for pair in three] == [
        ("fast", "slow", pytest.approx(3 * 2 / 2**8)),
        ("fast", "again", 1.0),
        ("slow", "again", pytest.approx(3 * 2 / 2**8)),
    ]
