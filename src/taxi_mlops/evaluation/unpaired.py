"""Compare two series of timings that were not measured side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.evaluation.performance import CONFIDENCE, RESAMPLES, Speedup


def unpaired_speedup(first: Sequence[float], second: Sequence[float], seed: int) -> Speedup:
    """Median of the first series over the median of the second, with an interval: above 1, the second is faster.

    first, second: seconds, all above 0, of at least 2 repeats each. The interval includes both that of a bootstrap that
    resamples each series by itself (percentiles) and Welch's for the ratio of geometric means, which compensates for
    the narrowness of the bootstrap at few repeats. Raises ValueError for fewer than 2 values.
    """
    if min(len(first), len(second)) < 2:
        raise ValueError(f"an interval needs at least 2 repeats of each, got {len(first)} and {len(second)}")
    before, after = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    generator = np.random.default_rng(seed)
    ratios = _resampled_medians(before, generator) / _resampled_medians(after, generator)
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(ratios, [tail, 1.0 - tail])
    welch_low, welch_high = _welch_interval(np.log(before), np.log(after))
    estimate = float(np.median(before) / np.median(after))
    return Speedup(estimate, min(float(low), math.exp(welch_low)), max(float(high), math.exp(welch_high)), CONFIDENCE)


def _resampled_medians(values: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    n = values.shape[0]
    medians: NDArray[np.float64] = np.median(values[generator.integers(0, n, size=(RESAMPLES, n))], axis=1)
    return medians


def _welch_interval(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float]:
    """Confidence interval of the difference of two means (Welch, Biometrika 34, 1947)."""
    from scipy.special import stdtrit

    errors = [float(values.var(ddof=1)) / len(values) for values in (first, second)]
    difference, error = float(first.mean() - second.mean()), sum(errors)
    if error == 0.0:
        return difference, difference
    freedom = error**2 / sum(e**2 / (len(values) - 1) for e, values in zip(errors, (first, second), strict=True))
    half = float(stdtrit(freedom, 0.5 + CONFIDENCE / 2.0)) * math.sqrt(error)
    return difference - half, difference + half
