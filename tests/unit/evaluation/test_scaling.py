"""Exponents and forecasts are right as often as they say, and say when they cannot tell."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from taxi_mlops.evaluation.scaling import Scaling, fit_scaling

SIZES = (1_000, 10_000, 100_000, 1_000_000)


def fitted(costs) -> Scaling:
    scaling = fit_scaling(costs)
    assert isinstance(scaling, Scaling)
    return scaling


def test_a_power_law_is_found_and_forecast() -> None:
    scaling = fitted({n: [2e-6 * n**1.2] * 3 for n in SIZES})
    assert scaling.exponent == pytest.approx(1.2)
    forecast = scaling.forecast(10_000_000)
    assert forecast.value == pytest.approx(2e-6 * 1e7**1.2)
    assert forecast.extrapolation == 10.0
    assert forecast.note is None


def test_the_exponent_and_its_interval_are_those_of_linear_regression() -> None:
    rng = np.random.default_rng(1)
    costs = {n: rng.uniform(0.5, 2.0) * n for n in SIZES}
    scaling = fitted(costs)
    expected = stats.linregress(np.log(SIZES), np.log(list(costs.values())))
    half = stats.t.ppf(0.975, len(SIZES) - 2) * expected.stderr
    assert scaling.exponent == pytest.approx(expected.slope)
    assert scaling.exponent_interval.low == pytest.approx(expected.slope - half)
    assert scaling.exponent_interval.high == pytest.approx(expected.slope + half)


def test_intervals_and_bands_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    covered = np.zeros(3)
    for _ in range(600):
        scaling = fitted({n: 3e-6 * n**1.1 * np.exp(rng.normal(0, 0.1)) for n in SIZES})
        covered[0] += scaling.exponent_interval.low <= 1.1 <= scaling.exponent_interval.high
        forecast = scaling.forecast(5_000_000)
        truth = 3e-6 * 5e6**1.1
        assert forecast.interval is not None
        covered[1] += forecast.interval.low <= truth * np.exp(rng.normal(0, 0.1)) <= forecast.interval.high
        band = scaling.band([5_000_000])
        covered[2] += band.low[0] <= truth <= band.high[0]
    assert np.all(np.abs(covered / 600 - 0.95) <= 3 * np.sqrt(0.95 * 0.05 / 600))


def test_repeats_count_by_their_median() -> None:
    once = fitted({n: [float(n)] for n in SIZES})
    often = fitted({n: [float(n), float(n), 50.0 * n] for n in SIZES})
    assert often == once


def test_from_five_sizes_on_what_a_run_costs_anyway_is_fitted_too() -> None:
    scaling = fitted({n: 2e8 + 400.0 * n for n in (*SIZES, 3_000_000)})
    assert scaling.fixed == pytest.approx(2e8, rel=1e-3)
    assert scaling.exponent == pytest.approx(1.0, abs=1e-3)
    assert scaling.forecast(10_000_000).value == pytest.approx(2e8 + 4e9, rel=1e-2)
    assert scaling.band([1_000]).value[0] == pytest.approx(2e8 + 4e5, rel=1e-3)


def test_with_a_fixed_part_too_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    sizes = (1_000, 5_000, 20_000, 100_000, 450_000)
    covered, forecasts = np.zeros(3), 0
    for _ in range(300):
        scaling = fitted({n: (0.01 + 1e-6 * n) * np.exp(rng.normal(0, 0.05)) for n in sizes})
        covered[0] += scaling.exponent_interval.low <= 1.0 <= scaling.exponent_interval.high
        band = scaling.band([450_000])
        covered[1] += band.low[0] <= 0.46 <= band.high[0]
        forecast = scaling.forecast(2_000_000)
        if forecast.interval is not None:
            forecasts += 1
            covered[2] += forecast.interval.low <= 2.01 * np.exp(rng.normal(0, 0.05)) <= forecast.interval.high
    assert forecasts > 250
    assert np.all(covered / (300, 300, forecasts) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 300))


def test_nothing_is_forecast_from_costs_that_do_not_grow_yet() -> None:
    """170 MB of interpreter and 30 bytes a point: a straight line would say that ten times the points cost the same."""
    forecast = fitted({n: 1.7e8 + 30.0 * n for n in SIZES[:3]}).forecast(1_000_000)
    assert forecast.value is None
    assert "hardly grow over these sizes" in str(forecast.reason)


def test_a_forecast_too_far_out_is_refused() -> None:
    forecast = fitted({n: float(n) for n in SIZES}).forecast(20_000_000)
    assert forecast.value is None
    assert forecast.interval is None
    assert forecast.reason == "20,000,000 points are 20 times the 1,000,000 measured; nothing is said beyond 10 times"


@pytest.mark.parametrize(("bend", "curvature"), [(0.02, "faster"), (-0.02, "slower")])
def test_a_bend_is_said(bend: float, curvature: str) -> None:
    noise = np.random.default_rng(0)
    scaling = fitted({n: n ** (1.5 + bend * np.log(n)) * np.exp(noise.normal(0, 0.001)) for n in SIZES})
    assert scaling.bends is not None
    assert curvature in scaling.bends
    assert scaling.forecast(10_000_000).note == scaling.bends


@pytest.mark.parametrize(
    ("costs", "reason"),
    [
        ({}, "there are 0"),
        ({1000: 1.0}, "there is 1"),
        ({1000: 1.0, 2000: 2.0}, "there are 2"),
        ({1000: 1.0, 2000: 0.0, 3000: 1.0}, "costs above zero"),
    ],
)
def test_too_little_to_fit_says_why(costs: dict[int, float], reason: str) -> None:
    found = fit_scaling(costs)
    assert isinstance(found, str)
    assert reason in found
