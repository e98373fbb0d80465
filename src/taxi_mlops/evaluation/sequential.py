"""Compare two versions on outcomes that arrive one by one: inference that stays valid however often it is looked at.

Each outcome is a hit or not, and belongs to the challenger with a known probability, its share. From both, each outcome
gives an unbiased estimate of how much the challenger's hit rate is above the champion's: that of an average treatment
effect, with each arm's hits predicted by its past (augmented inverse probability weighting). The interval is the
empirical Bernstein confidence sequence of Howard, Ramdas, McAuliffe and Sekhon (2021), "Time-uniform, nonparametric,
nonasymptotic confidence sequences", Annals of Statistics 49(2), doi:10.1214/20-AOS1991: theorem 4 and corollary 2, with
the gamma-exponential mixture (proposition 9). It is about the mean difference so far, so hit rates may change with the
hour. The test of the sample ratio is that of Lindon and Malek (2022), "Anytime-valid inference for multinomial count
data", NeurIPS 35, arXiv:2011.03567.

Pure functions over arrays in the order of arrival.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from taxi_mlops.domain import BoolArray, FloatArray

ERROR = 0.05
"""How often, at most, equal versions are ever declared different."""
RATIO_ERROR = 0.001
"""How often, at most, a sound experiment is ever declared to have the wrong sample ratio."""
TUNED_FOR = 5000
"""Outcomes at which the interval is about as narrow as it can be; it is valid at every number."""
_RATIO_STRENGTH = 100.0
"""Prior weight of the expected ratio, in outcomes."""
_MAX_VARIANCE = 0.25  # of a hit


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference and its bounds."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Terms:
    """What each outcome adds. estimate: float64 (n,), of the difference. squares: float64 (n,), of its surprise."""

    estimate: FloatArray
    squares: FloatArray


def terms_of(challenger: BoolArray, hit: BoolArray, share: float) -> Terms:
    """Return the estimate of each outcome, which depends on those before it alone.

    challenger: bool (n,), whose answer it was. hit: bool (n,). share: probability of the challenger, in (0, 1).
    """
    expected = {arm: _rate_before(challenger == arm, hit) for arm in (False, True)}
    predicted = expected[True] - expected[False]
    weight = np.where(challenger, 1.0 / share, -1.0 / (1.0 - share))
    surprise = weight * (hit - np.where(challenger, expected[True], expected[False]))
    return Terms(predicted + surprise, surprise**2)


def _rate_before(member: BoolArray, hit: BoolArray) -> FloatArray:
    """Return the hit rate of an arm before each outcome, drawn to one half as long as there are few."""
    hits, count = np.cumsum(member & hit), np.cumsum(member)
    return np.asarray((hits - (member & hit) + 0.5) / (count - member + 1.0))


def log_evidence(excess: ArrayLike, variance: ArrayLike, share: float) -> FloatArray:
    """Return the natural logarithm of the evidence that the mean is above what it was assumed to be.

    If it never is, the evidence exceeds 1/α with a probability of α at most, at any of all times (Ville's inequality).

    excess: sums of estimates minus their assumed means. variance: sums of `Terms.squares`.
    """
    from scipy.special import gammainc, gammaln

    limit, rho = _limit(share), _rho(share)
    sums = np.asarray(excess, dtype=np.float64) / limit
    intrinsic = np.asarray(variance, dtype=np.float64) / limit**2
    prior = rho / limit**2
    shape, rate = intrinsic + prior, sums + intrinsic + prior
    positive = np.maximum(rate, 1e-300)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        integral = gammaln(shape) + np.log(gammainc(shape, positive)) - shape * np.log(positive)
        normal = gammaln(prior) + math.log(gammainc(prior, prior)) - prior * math.log(prior)
        found = integral - normal + sums + intrinsic
    # Far below its mean a sum is no evidence, and its logarithm is below what doubles hold.
    return np.where((rate > 0.0) & np.isfinite(found), found, -np.inf)


def _limit(share: float) -> float:
    """Return the largest surprise that an outcome can have."""
    return 1.0 / min(share, 1.0 - share)


def _rho(share: float) -> float:
    """Return the parameter of the mixture that makes the interval narrow at `TUNED_FOR` outcomes."""
    variance = TUNED_FOR * _MAX_VARIANCE * (1.0 / share + 1.0 / (1.0 - share))
    log_error = math.log(2.0 / ERROR)
    return variance / (2.0 * log_error + math.log(1.0 + 2.0 * log_error))


def difference_interval(terms: Terms, share: float, error: float = ERROR) -> Interval:
    """Return the mean difference of the hit rates, and its interval.

    The probability that the interval ever misses the mean difference so far is at most `error`, over all times.
    """
    n = len(terms.estimate)
    if n == 0:
        return Interval(0.0, -1.0, 1.0)
    total, variance = float(terms.estimate.sum()), float(terms.squares.sum())
    width = _boundary(variance, share, math.log(2.0 / error), 2.0 * n + _limit(share)) / n
    mean = total / n
    return Interval(mean, max(mean - width, -1.0), min(mean + width, 1.0))


def _boundary(variance: float, share: float, wanted: float, most: float) -> float:
    """Return the excess at which the evidence is as wanted, or `most` if that is not enough, by bisection."""
    low, high = 0.0, most * _limit(share)
    if float(log_evidence(high, variance, share)) < wanted:
        return high
    for _ in range(100):
        middle = (low + high) / 2.0
        if float(log_evidence(middle, variance, share)) < wanted:
            low = middle
        else:
            high = middle
    return high


def p_value(terms: Terms, share: float, assumed: float = 0.0) -> float:
    """Return the p-value of a mean difference, two-sided; it stays valid when it is looked at again and again.

    assumed: the mean difference that is tested.
    """
    excess = float(terms.estimate.sum()) - assumed * len(terms.estimate)
    variance = float(terms.squares.sum())
    log_most = max(float(log_evidence(one, variance, share)) for one in (excess, -excess))
    return min(1.0, 2.0 * math.exp(-min(max(log_most, -1.0), 700.0)))


def sample_ratio_p_value(challenger: int, champion: int, share: float) -> float:
    """Return the p-value of the share of keys that got the challenger; it stays valid when it is looked at again.

    challenger, champion: numbers of keys. Below `RATIO_ERROR` something disturbs the assignment, and the comparison
    must not be trusted.
    """
    a, b = _RATIO_STRENGTH * share, _RATIO_STRENGTH * (1.0 - share)
    log_bayes_factor = (
        _log_beta(a + challenger, b + champion)
        - _log_beta(a, b)
        - challenger * math.log(share)
        - champion * math.log1p(-share)
    )
    return min(1.0, math.exp(-min(max(log_bayes_factor, -1.0), 700.0)))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
