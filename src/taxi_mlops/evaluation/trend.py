"""Detect whether the level of a repeatedly measured metric has changed: functions of one series, oldest first."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from taxi_mlops.domain import FloatArray
from taxi_mlops.evaluation.statistics import rank_values

MIN_RUNS_FOR_CHANGE = 8
MIN_RUNS_FOR_PREDICTION = 5
PERMUTATIONS = 10_000


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """The most likely single shift of a series. index: of the first value of the new level.

    before, after: medians of the two parts. p_value: by `PERMUTATIONS` orders of the same values.
    """

    index: int
    before: float
    after: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The interval in which the next value of a series is expected. within: whether it is there."""

    low: float
    high: float
    within: bool


def change_point(values: FloatArray, seed: int) -> ChangePoint | None:
    """Look for a lasting shift (Pettitt, Applied Statistics 28(2), 1979); None for fewer than `MIN_RUNS_FOR_CHANGE`.

    The statistic is the largest |Uₜ| over all t, Uₜ = 2·ΣRᵢ (i ≤ t) − t·(n + 1) with the ranks R, so that neither
    outliers nor units matter. Its p-value comes from permutations instead of Pettitt's approximation, which needs more
    values. values: float64 (n,). O(n · PERMUTATIONS).
    """
    n = len(values)
    if n < MIN_RUNS_FOR_CHANGE:
        return None
    ranks = rank_values(values)
    statistic = np.abs(_shifts(ranks[None, :]))[0]
    index = int(np.argmax(statistic)) + 1
    orders = np.random.default_rng(seed).permuted(np.broadcast_to(ranks, (PERMUTATIONS, n)), axis=1)
    as_much = np.count_nonzero(np.abs(_shifts(orders)).max(axis=1) >= statistic.max() - 1e-9)
    return ChangePoint(
        index=index,
        before=float(np.median(values[:index])),
        after=float(np.median(values[index:])),
        p_value=(int(as_much) + 1) / (PERMUTATIONS + 1),
    )


def predict_last(values: FloatArray, confidence: float) -> Prediction | None:
    """Compare the last value with Student's prediction interval of those before it, assumed to be normal.

    None for fewer than `MIN_RUNS_FOR_PREDICTION` values before it (Hahn and Meeker, Statistical Intervals, 1991, 4.7).
    """
    from scipy.special import stdtrit

    earlier, last = values[:-1], float(values[-1])
    n = len(earlier)
    if n < MIN_RUNS_FOR_PREDICTION:
        return None
    quantile = float(stdtrit(n - 1, 0.5 + confidence / 2.0))
    half = quantile * float(earlier.std(ddof=1)) * math.sqrt(1.0 + 1.0 / n)
    middle = float(earlier.mean())
    return Prediction(middle - half, middle + half, middle - half <= last <= middle + half)


def _shifts(ranks: FloatArray) -> FloatArray:
    """Return float64 (m, n − 1): Uₜ for t from 1 to n − 1 of each row of ranks."""
    n = ranks.shape[1]
    t = np.arange(1, n)
    return np.asarray(2.0 * np.cumsum(ranks, axis=1)[:, :-1] - t * (n + 1))
