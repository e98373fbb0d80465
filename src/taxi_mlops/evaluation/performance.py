"""Summarise timings: medians with nonparametric intervals, speed-ups by a paired bootstrap, instability.

Nothing here assumes a distribution. All randomness is seeded. The intervals state the confidence that they attain,
since a few repeats cannot attain every level.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.domain import TrialKind, TrialOutcome, TrialStatus

CONFIDENCE = 0.95
RESAMPLES = 20_000
UNSTABLE_RELATIVE_SPREAD = 0.10
MIN_VALUES_FOR_SPREAD = 3
MIN_VALUES_FOR_RESAMPLING = 6


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval. `confidence` is the level that it attains, which may be below 0.95 with few repeats."""

    low: float
    high: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Speedup:
    """How many times faster than the reference: > 1 is faster. The interval is at the level `confidence`."""

    estimate: float
    low: float
    high: float
    confidence: float = CONFIDENCE

    @property
    def decided(self) -> bool:
        """Whether the interval excludes 1, so that the difference is significant."""
        return self.low > 1.0 or self.high < 1.0


@dataclass(frozen=True, slots=True)
class PerformanceMetrics:
    """The costs of one adapter in its trials. Only successful trials count; None if there is none.

    fit_seconds: wall-clock seconds by block. parallel_efficiency_median: CPU seconds of fit over its wall-clock seconds
    times the threads that it had: 1 if all were busy all the time, with work or with waiting for each other.
    peak_memory_bytes: peak of the whole process tree, interpreter and libraries included.
    """

    fit_seconds: Mapping[int, float]
    fit_seconds_median: float | None
    fit_seconds_interval: Interval | None
    prepare_seconds_median: float | None
    cold_start_seconds_median: float | None
    cpu_seconds_median: float | None
    cpu_user_seconds_median: float | None
    cpu_system_seconds_median: float | None
    parallel_efficiency_median: float | None
    peak_memory_bytes: int | None
    memory_bytes_per_point: float | None

    @classmethod
    def of(cls, outcomes: Iterable[TrialOutcome], threads: int, points: int) -> PerformanceMetrics:
        """Summarise all trials of one adapter, each with so many threads, on so many points."""
        good = [outcome for outcome in outcomes if outcome.status is TrialStatus.OK]
        timed = [outcome for outcome in good if outcome.trial.kind is TrialKind.TIMING]
        fits = {outcome.trial.block: outcome.fit_seconds for outcome in timed if outcome.fit_seconds is not None}
        fits = dict(sorted(fits.items()))
        peaks = [outcome.peak_memory_bytes for outcome in good if outcome.peak_memory_bytes is not None]
        peak = max(peaks, default=None)
        return cls(
            fit_seconds=fits,
            fit_seconds_median=_median(fits.values()),
            fit_seconds_interval=median_interval(list(fits.values())) if fits else None,
            prepare_seconds_median=_median(outcome.prepare_seconds for outcome in timed),
            cold_start_seconds_median=_median(outcome.cold_start_seconds for outcome in timed),
            cpu_seconds_median=_median(_cpu_seconds(outcome) for outcome in timed),
            cpu_user_seconds_median=_median(outcome.fit_user_seconds for outcome in timed),
            cpu_system_seconds_median=_median(outcome.fit_system_seconds for outcome in timed),
            parallel_efficiency_median=_median(_parallel_efficiency(outcome, threads) for outcome in timed),
            peak_memory_bytes=peak,
            memory_bytes_per_point=peak / points if peak is not None and points else None,
        )


def _cpu_seconds(outcome: TrialOutcome) -> float | None:
    if outcome.fit_user_seconds is None or outcome.fit_system_seconds is None:
        return None
    return outcome.fit_user_seconds + outcome.fit_system_seconds


def _parallel_efficiency(outcome: TrialOutcome, threads: int) -> float | None:
    cpu = _cpu_seconds(outcome)
    return cpu / (outcome.fit_seconds * threads) if cpu is not None and outcome.fit_seconds else None


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Nonparametric confidence interval of the median from order statistics.

    The interval between the k-th smallest and the k-th largest of n values covers the median with probability
    1 - 2·P(Binomial(n, ½) < k), whatever the distribution (Conover, Practical Nonparametric Statistics, 3.2). The
    largest k that attains `confidence` is used; if none does (n < 6 for 0.95) it is the whole range, with the
    confidence that this has. Raises ValueError for no values.
    """
    if not values:
        raise ValueError("an interval of the median needs at least one value")
    ordered = sorted(values)
    n = len(ordered)
    k, reached = 1, _coverage(n, 1)
    while k < n // 2 and _coverage(n, k + 1) >= confidence:
        k, reached = k + 1, _coverage(n, k + 1)
    return Interval(ordered[k - 1], ordered[n - k], reached)


def _coverage(n: int, k: int) -> float:
    return max(0.0, 1.0 - 2.0 * sum(math.comb(n, i) for i in range(k)) / 2.0**n)


def paired_speedup(
    reference: Sequence[float], candidate: Sequence[float], seed: int, confidence: float = CONFIDENCE
) -> Speedup:
    """Median time of the reference over median time of the candidate, with a paired bootstrap interval.

    reference, candidate: seconds of the same blocks in the same order; blocks are resampled as pairs, so that what
    slowed a whole block cancels. The percentiles are expanded to compensate for the narrowness of the bootstrap at
    small n (Hesterberg, The American Statistician 69(4), 2015, section 5.3): with the quantile t(n-1)·sqrt(n/(n-1)) in
    place of z. If no resampling of so few blocks can attain the confidence (5 values of one sign come by chance in 6 %
    of cases), the interval is widened to include Student's paired interval of the log ratios.
    Raises ValueError for unpaired values or fewer than 2 blocks.
    """
    if len(reference) != len(candidate):
        raise ValueError(f"pairs of blocks are needed, got {len(reference)} and {len(candidate)} values")
    n = len(reference)
    if n < 2:
        raise ValueError("a speed-up with an interval needs at least 2 blocks")
    ours, theirs = np.asarray(candidate, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(0, n, size=(RESAMPLES, n))
    ratios: NDArray[np.float64] = np.median(theirs[drawn], axis=1) / np.median(ours[drawn], axis=1)
    tail = _expanded_tail(n, confidence)
    low, high = np.quantile(ratios, [tail, 1.0 - tail])
    if 0.5 ** (n - 1) > 1.0 - confidence:
        student_low, student_high = student_interval(np.log(theirs / ours), confidence)
        low, high = min(low, math.exp(student_low)), max(high, math.exp(student_high))
    return Speedup(float(np.median(theirs) / np.median(ours)), float(low), float(high), confidence)


def student_interval(values: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """Student's confidence interval of a mean; values: float64 (n,), n of at least 2."""
    from scipy.special import stdtrit

    n = values.shape[0]
    half = float(stdtrit(n - 1, 0.5 + confidence / 2.0) * values.std(ddof=1) / math.sqrt(n))
    return float(values.mean()) - half, float(values.mean()) + half


def _expanded_tail(n: int, confidence: float) -> float:
    """Probability in each tail of the bootstrap distribution; smaller than (1 - confidence)/2."""
    from scipy.special import ndtr, stdtrit  # lighter than scipy.stats, which takes seconds to import

    quantile = stdtrit(n - 1, 0.5 + confidence / 2.0) * math.sqrt(n / (n - 1))
    return float(ndtr(-quantile))


def instability(values: Sequence[float]) -> float | None:
    """Return the relative spread of a series of timings if that is too large to rely on, or None.

    The spread is the interquartile range over the median, which is robust against one slow repeat.
    """
    if len(values) < MIN_VALUES_FOR_SPREAD:
        return None
    first, middle, third = np.quantile(np.asarray(values, dtype=np.float64), [0.25, 0.5, 0.75])
    spread = float((third - first) / middle)
    return spread if spread >= UNSTABLE_RELATIVE_SPREAD else None
