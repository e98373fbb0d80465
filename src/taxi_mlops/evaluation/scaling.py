"""How cost grows with the number of points: the exponent, a curve with its band, forecasts that know their limits.

Costs (seconds, bytes) above a fixed part are fitted as c·nᵇ: a straight line in the logarithms, by least squares over
the sizes. Repeats at one size are brought to their median first: more repeats do not make more sizes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from taxi_mlops.domain import FloatArray
from taxi_mlops.evaluation.performance import CONFIDENCE, Interval

FEWEST_SIZES = 3
LARGEST_EXTRAPOLATION = 10.0
"""Forecasts go no further beyond the largest size than this factor."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The cost to expect of one run on `points` points.

    value: None where none can be given, and then `reason` says why. interval: a prediction interval of Student's, for
    one new size. extrapolation: points over the largest size measured. note: what to keep in mind.
    """

    points: int
    value: float | None
    interval: Interval | None
    extrapolation: float
    reason: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Band:
    """The fitted cost with the confidence band of its mean, one entry for each of `points`."""

    points: tuple[int, ...]
    value: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class Scaling:
    """Cost as f + c·nᵇ, fitted to at least `FEWEST_SIZES` sizes.

    fixed: f, which is given and not fitted: what a run costs whatever its size, such as the interpreter's memory.
    exponent: b; exponent_interval: Student's, with sizes − 2 degrees of freedom. method: how it was fitted. bends: how
    the measured costs leave the straight line, None where they do not. The rest is what the curve is computed from: the
    logarithms of c and of the centre of the sizes, their sum of squares about it, and the residual standard deviation.
    """

    method: str
    sizes: tuple[int, ...]
    costs: tuple[float, ...]
    fixed: float
    exponent: float
    exponent_interval: Interval
    bends: str | None
    log_cost_at_centre: float
    log_centre: float
    sum_of_squares: float
    deviation: float

    def band(self, points: Sequence[int]) -> Band:
        """The curve at given sizes, with the confidence band of the mean."""
        logs = np.log(np.asarray(points, dtype=np.float64))
        value = self._log_cost(logs)
        half = self._quantile() * self.deviation * np.sqrt(self._leverage(logs))
        low, middle, high = (
            tuple(float(cost) for cost in self.fixed + np.exp(logarithm))
            for logarithm in (value - half, value, value + half)
        )
        return Band(tuple(points), middle, low, high, CONFIDENCE)

    def forecast(self, points: int) -> Forecast:
        """What a run on so many points would cost, as far as the sizes measured can tell."""
        extrapolation = points / self.sizes[-1]
        if extrapolation > LARGEST_EXTRAPOLATION:
            reason = (
                f"{points:,} points are {extrapolation:.3g} times the {self.sizes[-1]:,} measured; "
                f"nothing is said beyond {LARGEST_EXTRAPOLATION:g} times"
            )
            return Forecast(points, None, None, extrapolation, reason)
        log = np.log([float(points)])
        value = float(self._log_cost(log)[0])
        half = self._quantile() * self.deviation * math.sqrt(1.0 + float(self._leverage(log)[0]))
        low, middle, high = (self.fixed + math.exp(log_cost) for log_cost in (value - half, value, value + half))
        return Forecast(points, middle, Interval(low, high, CONFIDENCE), extrapolation, note=self.bends)

    def _log_cost(self, logs: FloatArray) -> FloatArray:
        return self.log_cost_at_centre + self.exponent * (logs - self.log_centre)

    def _leverage(self, logs: FloatArray) -> FloatArray:
        return 1.0 / len(self.sizes) + (logs - self.log_centre) ** 2 / self.sum_of_squares

    def _quantile(self) -> float:
        return _student_quantile(len(self.sizes) - 2)


def fit_scaling(costs: Mapping[int, ArrayLike], fixed: float = 0.0) -> Scaling | str:
    """Fit cost = fixed + c·nᵇ to the costs by number of points, or say why that cannot be done.

    costs: for each size, one cost or several. fixed: the cost of a run whatever its size.
    """
    sizes = sorted(costs)
    if len(sizes) < FEWEST_SIZES:
        return f"needs {FEWEST_SIZES} sizes, and there {'is' if len(sizes) == 1 else 'are'} {len(sizes)}"
    medians = np.array([np.median(np.asarray(costs[size], dtype=np.float64)) for size in sizes])
    if sizes[0] <= 0 or not np.all(medians > fixed):
        return f"needs sizes above zero, and costs above the {fixed:g} of a run of any size"
    x, y = np.log(np.asarray(sizes, dtype=np.float64)), np.log(medians - fixed)
    centre, squares = float(x.mean()), float(np.sum((x - x.mean()) ** 2))
    exponent = float(np.sum((x - centre) * y) / squares)
    residuals = y - y.mean() - exponent * (x - centre)
    deviation = math.sqrt(float(np.sum(residuals**2)) / (len(sizes) - 2))
    half = _student_quantile(len(sizes) - 2) * deviation / math.sqrt(squares)
    return Scaling(
        method=f"least squares of log cost on log points over the medians of {len(sizes)} sizes; Student's t",
        sizes=tuple(sizes),
        costs=tuple(float(cost) for cost in medians),
        fixed=fixed,
        exponent=exponent,
        exponent_interval=Interval(exponent - half, exponent + half, CONFIDENCE),
        bends=_bend(x, y),
        log_cost_at_centre=float(y.mean()),
        log_centre=centre,
        sum_of_squares=squares,
        deviation=deviation,
    )


def _bend(x: FloatArray, y: FloatArray) -> str | None:
    """Say that the slope changes along the curve where a quadratic term is told apart from zero, or None."""
    spare = len(x) - 3
    if spare < 1:
        return None
    design = np.vander(x - x.mean(), 3)
    coefficients, *_ = np.linalg.lstsq(design, y)
    residuals = y - design @ coefficients
    variance = float(np.sum(residuals**2)) / spare * float(np.linalg.inv(design.T @ design)[0, 0])
    if abs(float(coefficients[0])) <= _student_quantile(spare) * math.sqrt(variance):
        return None
    if coefficients[0] > 0.0:
        return "costs grow faster the larger the data, so that more points cost more than the straight line says"
    return "costs grow slower the larger the data, so that more points cost less than the straight line says"


def _student_quantile(degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + CONFIDENCE / 2.0))
