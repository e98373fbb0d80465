"""Fit how cost grows with the number of points: the exponent, a curve with its band, forecasts within limits.

Costs (seconds, bytes) are fitted as f + c·nᵇ by least squares of their logarithms over the sizes. The fixed part f is
the cost of a run of any size: the interpreter's memory, the start of threads. It takes `MIN_SIZES_FOR_FIXED_COST` sizes
to separate it from the rest; with fewer it is zero, and the fit is a straight line in the logarithms. Repeats at one
size are replaced by their median first: more repeats do not make more sizes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from taxi_mlops.domain import FloatArray
from taxi_mlops.evaluation.performance import CONFIDENCE, Interval

MIN_SIZES = 3
MIN_SIZES_FOR_FIXED_COST = 5
MIN_EXPONENT = 0.8
"""Clustering reads every point, so costs grow with them in the end; below this exponent the fixed part dominates."""
MIN_FIXED_SHARE = 0.02
"""A fixed part below this share of the smallest cost counts as zero."""
MAX_EXTRAPOLATION = 10.0
"""Forecasts are limited to this multiple of the largest size."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The expected cost of one run on `points` points.

    value: None if there is none, and then `reason` says why. interval: a prediction interval of Student's, for one new
    size. extrapolation: points over the largest size measured. note: a limitation of the forecast.
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
    """Cost as f + c·nᵇ, fitted to at least `MIN_SIZES` sizes.

    fixed: f. exponent: b; exponent_interval: Student's. method: how it was fitted, with its degrees of freedom. bends:
    how the measured costs deviate from the straight line, None if they do not or if `fixed` makes it a curve. The
    other fields define the curve: the logarithms of c·nᵇ at the centre of the sizes and of that centre, the residual
    standard deviation of the logarithms, and the covariance of log_cost_at_centre, exponent and, if it is not zero,
    fixed.
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
    deviation: float
    covariance: tuple[tuple[float, ...], ...]

    def band(self, points: Sequence[int]) -> Band:
        """Return the curve at given sizes, with the confidence band of the mean."""
        value, variance = self._at(points)
        half = self._quantile() * np.sqrt(variance)
        low, middle, high = (
            tuple(float(cost) for cost in np.exp(logarithm)) for logarithm in (value - half, value, value + half)
        )
        return Band(tuple(points), middle, low, high, CONFIDENCE)

    def forecast(self, points: int) -> Forecast:
        """Return the expected cost of a run on so many points, if the measured sizes allow a forecast."""
        extrapolation = points / self.sizes[-1]
        if extrapolation > MAX_EXTRAPOLATION:
            reason = (
                f"{points:,} points are {extrapolation:.3g} times the {self.sizes[-1]:,} measured; "
                f"nothing is said beyond {MAX_EXTRAPOLATION:g} times"
            )
            return Forecast(points, None, None, extrapolation, reason)
        if extrapolation > 1.0 and self.exponent < MIN_EXPONENT:
            reason = (
                f"costs hardly grow over these sizes (n^{self.exponent:.2f}), as what a run costs whatever its size "
                "prevails in them; larger sizes would tell"
            )
            return Forecast(points, None, None, extrapolation, reason)
        value, variance = (float(found[0]) for found in self._at([points]))
        half = self._quantile() * math.sqrt(self.deviation**2 + variance)
        if half > math.log(MAX_EXTRAPOLATION):
            reason = f"the {len(self.sizes)} sizes leave it open by a factor above {MAX_EXTRAPOLATION:g} either way"
            return Forecast(points, None, None, extrapolation, reason)
        low, middle, high = (math.exp(log_cost) for log_cost in (value - half, value, value + half))
        return Forecast(points, middle, Interval(low, high, CONFIDENCE), extrapolation, note=self.bends)

    def _at(self, points: Sequence[int]) -> tuple[FloatArray, FloatArray]:
        """Return the logarithms of the cost at given sizes, and their variances."""
        logs = np.log(np.asarray(points, dtype=np.float64)) - self.log_centre
        parameters = np.array([self.log_cost_at_centre, self.exponent, self.fixed])
        gradient = _gradient(parameters, logs)[:, : len(self.covariance)]
        variance = np.einsum("ni,ij,nj->n", gradient, np.array(self.covariance), gradient)
        return np.log(_cost(parameters, logs)), variance

    def _quantile(self) -> float:
        return _student_quantile(len(self.sizes) - len(self.covariance))


def fit_scaling(costs: Mapping[int, ArrayLike]) -> Scaling | str:
    """Fit cost = f + c·nᵇ to the costs by number of points, or return why that is impossible.

    costs: for each size, one cost or several.
    """
    sizes = sorted(costs)
    if len(sizes) < MIN_SIZES:
        return f"needs {MIN_SIZES} sizes, and there {'is' if len(sizes) == 1 else 'are'} {len(sizes)}"
    medians = np.array([np.median(np.asarray(costs[size], dtype=np.float64)) for size in sizes])
    if sizes[0] <= 0 or not np.all(medians > 0.0):
        return "needs sizes and costs above zero"
    x, y = np.log(np.asarray(sizes, dtype=np.float64)), np.log(medians)
    centre = float(x.mean())
    straight = _straight(x - centre, y)
    curved = _curved(x - centre, medians, straight) if len(sizes) >= MIN_SIZES_FOR_FIXED_COST else None
    fitted = straight if curved is None else curved
    parameters, covariance, deviation = fitted
    exponent = float(parameters[1])
    degrees = len(sizes) - len(covariance)
    half = _student_quantile(degrees) * math.sqrt(covariance[1, 1])
    return Scaling(
        method=f"least squares of log cost over the medians of {len(sizes)} sizes, "
        f"{'c·n^b' if curved is None else 'f + c·n^b'}; Student's t with {degrees} degrees of freedom",
        sizes=tuple(sizes),
        costs=tuple(float(cost) for cost in medians),
        fixed=float(parameters[2]),
        exponent=exponent,
        exponent_interval=Interval(exponent - half, exponent + half, CONFIDENCE),
        bends=_bend(x, y) if curved is None else None,
        log_cost_at_centre=float(parameters[0]),
        log_centre=centre,
        deviation=deviation,
        covariance=tuple(tuple(float(value) for value in row) for row in covariance),
    )


_Fit = tuple[FloatArray, FloatArray, float]
"""Log cost at the centre, exponent and fixed part; their covariance; the residual standard deviation."""


def _straight(x: FloatArray, y: FloatArray) -> _Fit:
    """Fit without a fixed part. x: logarithms of the sizes about their mean, y: of the costs."""
    squares = float(np.sum(x**2))
    exponent = float(np.sum(x * y)) / squares
    variance = float(np.sum((y - y.mean() - exponent * x) ** 2)) / (len(x) - 2)
    covariance = np.diag([variance / len(x), variance / squares])
    return np.array([float(y.mean()), exponent, 0.0]), covariance, math.sqrt(variance)


def _curved(x: FloatArray, costs: FloatArray, straight: _Fit) -> _Fit | None:
    """Fit with a fixed part; None if it is negligible, or cannot be separated from the rest."""
    from scipy.optimize import least_squares

    smallest = float(costs.min())
    unit = np.array([1.0, 1.0, smallest])  # so that all three are of order one
    start = np.array([straight[0][0], max(float(straight[0][1]), 0.5), 0.5])
    found = least_squares(
        lambda scaled: np.log(_cost(scaled * unit, x)) - np.log(costs),
        start,
        bounds=([-np.inf, 0.0, 0.0], [np.inf, np.inf, 1.0]),
        x_scale="jac",
    )
    parameters = found.x * unit
    gradient = _gradient(parameters, x)
    information = gradient.T @ gradient
    if found.x[2] < MIN_FIXED_SHARE or np.linalg.cond(information * np.outer(unit, unit)) > 1e12:
        return None
    variance = 2.0 * float(found.cost) / (len(x) - 3)
    return parameters, np.asarray(variance * np.linalg.inv(information)), math.sqrt(variance)


def _cost(parameters: FloatArray, x: FloatArray) -> FloatArray:
    return np.asarray(parameters[2] + np.exp(parameters[0] + parameters[1] * x))


def _gradient(parameters: FloatArray, x: FloatArray) -> FloatArray:
    """Return float64 (n, 3): how the logarithm of the cost changes with each parameter."""
    cost = _cost(parameters, x)
    growing = (cost - parameters[2]) / cost
    return np.stack([growing, growing * x, 1.0 / cost], axis=1)


def _bend(x: FloatArray, y: FloatArray) -> str | None:
    """Return in which direction the slope changes along the curve, if a quadratic term is significant, or None."""
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
