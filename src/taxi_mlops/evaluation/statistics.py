"""Statistical tests of timings: p-values, effect sizes, and ranks over several workloads.

Pure functions over numbers; every result names its test. `scipy.stats` is imported only for the studentized range,
since that takes seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from taxi_mlops.domain import FloatArray
from taxi_mlops.evaluation.contingency import IndexArray

MIN_PAIRS = 2
MAX_PAIRS_EXACT = 50
POSTERIOR_SAMPLES = 50_000
MAX_WORKLOADS_PERMUTED = 10
PERMUTATIONS = 20_000
_MAGNITUDES = ((0.06, "negligible"), (0.14, "small"), (0.21, "medium"))


@dataclass(frozen=True, slots=True)
class PairwiseTest:
    """Two adapters on one workload, compared over the blocks that both finished.

    p_value: two-sided, by `test`; p_adjusted: by Holm over all pairs of the comparison. a12: the probability that a run
    of `first` takes longer than one of `second`, ties counted half (Vargha and Delaney 2000); 0.5 if they are alike.
    effect: negligible, small, medium or large, by their thresholds.
    """

    first: str
    second: str
    test: str
    blocks: int
    p_value: float
    p_adjusted: float
    a12: float
    effect: str


@dataclass(frozen=True, slots=True)
class Significance:
    """A two-sided p-value and the test that gave it."""

    test: str
    p_value: float


@dataclass(frozen=True, slots=True)
class Friedman:
    """Ranks of k methods over N workloads, 1 the best, and whether they differ by more than chance, by `test`.

    chi_squared: Friedman's statistic; f_statistic: Iman and Davenport's, None if all workloads rank the methods alike,
    which makes it infinite. critical_difference: Nemenyi's: methods whose mean ranks differ by less are not
    significantly different at the level `alpha`.
    """

    test: str
    methods: tuple[str, ...]
    workloads: int
    mean_ranks: tuple[float, ...]
    chi_squared: float
    f_statistic: float | None
    p_value: float
    critical_difference: float
    alpha: float

    @property
    def tied(self) -> tuple[tuple[str, str], ...]:
        """The pairs of methods that do not differ significantly: all, if the overall test is not significant."""
        ranked = zip(self.methods, self.mean_ranks, strict=True)
        return tuple(
            (one, other)
            for (one, rank), (other, other_rank) in combinations(ranked, 2)
            if self.p_value >= self.alpha or abs(rank - other_rank) < self.critical_difference
        )


@dataclass(frozen=True, slots=True)
class PracticalComparison:
    """Posterior probabilities that the first method is lower, both are practically the same, or the first is higher."""

    test: str
    first_lower: float
    equivalent: float
    first_higher: float


def compare_pairs(seconds: Mapping[str, Mapping[int, float]]) -> tuple[PairwiseTest, ...]:
    """Test all pairs of adapters on the blocks that both finished; pairs with fewer than two are left out.

    seconds: of each adapter, by block. The test uses logarithms, so that it compares ratios.
    """
    pairs = []
    for first, second in combinations(seconds, 2):
        blocks = sorted(seconds[first].keys() & seconds[second].keys())
        if len(blocks) >= MIN_PAIRS:
            sides = tuple(np.array([seconds[name][block] for block in blocks]) for name in (first, second))
            pairs.append((first, second, sides, wilcoxon_signed_rank(np.log(sides[0] / sides[1]))))
    adjusted = holm([result.p_value for *_, result in pairs])
    return tuple(
        PairwiseTest(
            first=first,
            second=second,
            test=f"{result.test}, on log ratios of paired blocks; Holm over all pairs ({len(pairs)})",
            blocks=len(sides[0]),
            p_value=result.p_value,
            p_adjusted=p_adjusted,
            a12=(a12 := vargha_delaney(*sides)),
            effect=magnitude(a12),
        )
        for (first, second, sides, result), p_adjusted in zip(pairs, adjusted, strict=True)
    )


def wilcoxon_signed_rank(differences: ArrayLike) -> Significance:
    """Test whether paired differences lie about zero (Wilcoxon 1945), two-sided; differences of zero are left out.

    Exact, ties included, up to `MAX_PAIRS_EXACT` differences; beyond, by the normal approximation with the corrections
    for ties and continuity.
    """
    values = np.asarray(differences, dtype=np.float64)
    values = values[values != 0.0]
    if len(values) == 0:
        return Significance("Wilcoxon signed-rank", 1.0)
    doubled = np.rint(2.0 * rank_values(np.abs(values))).astype(np.int64)
    positive = int(doubled[values > 0].sum())
    extreme = min(positive, int(doubled.sum()) - positive)
    if len(values) <= MAX_PAIRS_EXACT:
        return Significance("Wilcoxon signed-rank, exact", min(1.0, 2.0 * _share_up_to(doubled, extreme)))
    from scipy.special import ndtr

    deviation = math.sqrt(float(np.sum((doubled / 2.0) ** 2)) / 4.0)
    z = (extreme / 2.0 + 0.5 - doubled.sum() / 4.0) / deviation
    return Significance("Wilcoxon signed-rank, normal approximation", min(1.0, 2.0 * float(ndtr(z))))


def rank_values(values: FloatArray) -> FloatArray:
    """Return float64 (n,): ranks from 1, means of ranks for ties."""
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2.0)[inverse])


def _share_up_to(doubled_ranks: IndexArray, extreme: int) -> float:
    """Return the share of the 2ⁿ choices of signs for which the positive ranks sum up to `extreme` at most."""
    ways = np.zeros(int(doubled_ranks.sum()) + 1)
    ways[0] = 1.0
    for rank in doubled_ranks:
        ways[rank:] = ways[rank:] + ways[: len(ways) - rank]
    return float(ways[: extreme + 1].sum() / 2.0 ** len(doubled_ranks))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust p-values so that the probability of any false finding among them is that of a single test (Holm 1979)."""
    m = len(p_values)
    order = np.argsort(np.asarray(p_values, dtype=np.float64), kind="stable")
    adjusted = np.empty(m)
    factors = m - np.arange(m)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * np.asarray(p_values)[order]), 1.0) if m else []
    return tuple(float(value) for value in adjusted)


def vargha_delaney(first: ArrayLike, second: ArrayLike) -> float:
    """Return A₁₂, the probability that a value of `first` is above one of `second`, ties counted half."""
    ours, theirs = np.asarray(first, dtype=np.float64), np.sort(np.asarray(second, dtype=np.float64))
    below = np.searchsorted(theirs, ours, side="left")
    not_above = np.searchsorted(theirs, ours, side="right")
    return float(np.mean(below + not_above) / (2.0 * len(theirs)))


def magnitude(a12: float) -> str:
    """Name the size of an effect by the thresholds of Vargha and Delaney (2000): 0.56, 0.64 and 0.71."""
    distance = round(abs(a12 - 0.5), 12)
    return next((name for bound, name in _MAGNITUDES if distance < bound), "large")


def friedman(costs: ArrayLike, methods: Sequence[str], alpha: float = 0.05, seed: int = 0) -> Friedman:
    """Compare k methods over N workloads by their ranks (Demšar, JMLR 7, 2006, section 3.2).

    costs: shape (N, k), lower is better. The p-value comes from Iman and Davenport's F; up to `MAX_WORKLOADS_PERMUTED`
    workloads, for which that is not accurate, from permuted ranks. Raises ValueError for fewer than 2 methods or
    workloads.
    """
    from scipy.stats import studentized_range

    table = np.asarray(costs, dtype=np.float64)
    n, k = table.shape
    if n < 2 or k < 2 or k != len(methods):
        raise ValueError(f"needs 2 workloads and 2 methods or more, got {n} and {k} for {len(methods)} names")
    ranks = np.array([rank_values(row) for row in table])
    mean_ranks = ranks.mean(axis=0)
    chi_squared = 12.0 * n / (k * (k + 1)) * (float(np.sum(mean_ranks**2)) - k * (k + 1) ** 2 / 4.0)
    rest = n * (k - 1) - chi_squared
    f_statistic = (n - 1) * chi_squared / rest if rest > 0.0 else None
    quantile = float(studentized_range.ppf(1.0 - alpha, k, math.inf)) / math.sqrt(2.0)
    result = _permuted_friedman(ranks, seed) if n <= MAX_WORKLOADS_PERMUTED else _iman_davenport(f_statistic, n, k)
    return Friedman(
        test=f"{result.test}; Nemenyi's critical difference",
        methods=tuple(methods),
        workloads=n,
        mean_ranks=tuple(float(rank) for rank in mean_ranks),
        chi_squared=chi_squared,
        f_statistic=f_statistic,
        p_value=result.p_value,
        critical_difference=quantile * math.sqrt(k * (k + 1) / (6.0 * n)),
        alpha=alpha,
    )


def _iman_davenport(f_statistic: float | None, n: int, k: int) -> Significance:
    from scipy.special import fdtrc

    p_value = 0.0 if f_statistic is None else float(fdtrc(k - 1, (k - 1) * (n - 1), f_statistic))
    return Significance("Friedman with Iman and Davenport's correction", p_value)


def _permuted_friedman(ranks: FloatArray, seed: int) -> Significance:
    """Test how often ranks permuted within each workload differ as much; ranks: float64 (N, k)."""
    permuted = np.random.default_rng(seed).permuted(np.broadcast_to(ranks, (PERMUTATIONS, *ranks.shape)), axis=2)
    spread = np.sum(permuted.sum(axis=1) ** 2, axis=1)
    as_much = np.count_nonzero(spread >= np.sum(ranks.sum(axis=0) ** 2) - 1e-9)
    return Significance(f"Friedman with {PERMUTATIONS:,} permutations", (as_much + 1) / (PERMUTATIONS + 1))


def bayesian_signed_rank(differences: ArrayLike, rope: float, seed: int, prior: float = 0.5) -> PracticalComparison:
    """Compare two methods over several workloads, with a region of practical equivalence from −rope to rope.

    differences: first minus second, one a workload; logarithms of seconds make `rope` a ratio. The posterior is a
    Dirichlet process with a pseudo-observation of weight `prior` at zero; it is drawn `POSTERIOR_SAMPLES` times, and
    the probabilities are how often each region has most pairs of workloads (Benavoli et al., ICML 2014; JMLR 18(77),
    2017).
    """
    values = np.concatenate(([0.0], np.asarray(differences, dtype=np.float64)))
    sums = values[:, None] + values[None, :]
    higher, lower = _above(sums, 2.0 * rope), _above(-sums, 2.0 * rope)
    concentration = np.ones(len(values))
    concentration[0] = prior
    weights = np.random.default_rng(seed).dirichlet(concentration, POSTERIOR_SAMPLES)
    shares = np.stack([np.einsum("si,ij,sj->s", weights, region, weights, optimize=True) for region in (lower, higher)])
    shares = np.stack([shares[0], 1.0 - shares.sum(axis=0), shares[1]])
    wins = np.bincount(np.argmax(shares, axis=0), minlength=3) / POSTERIOR_SAMPLES
    return PracticalComparison(
        f"Bayesian signed-rank, practically equivalent within {rope:.3g}", *(float(share) for share in wins)
    )


def _above(sums: FloatArray, bound: float) -> FloatArray:
    return np.where(sums == bound, 0.5, (sums > bound).astype(np.float64))
