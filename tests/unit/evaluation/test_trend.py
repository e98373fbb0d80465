"""Change points and prediction intervals of a series of runs."""

from __future__ import annotations

import numpy as np
import pytest

from taxi_mlops.evaluation.trend import MIN_RUNS_FOR_CHANGE, MIN_RUNS_FOR_PREDICTION, change_point, predict_last


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(0.0, 0.02, n)


def test_a_lasting_shift_is_found_where_it_is():
    values = noise(20) + np.where(np.arange(20) < 12, 1.0, 1.5)
    found = change_point(values, seed=0)
    assert found is not None
    assert found.index == 12
    assert found.p_value < 0.001
    assert found.after - found.before == pytest.approx(0.5, abs=0.05)


def test_pettitts_statistic_of_his_own_formula():
    """|U| is largest in the middle, where it is n²/4, which 2 of all C(8, 4) splits into halves reach."""
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    found = change_point(values, seed=0)
    assert found is not None
    assert found.index == 4
    assert found.p_value == pytest.approx(2 / 70, abs=0.01)


def test_noise_alone_is_rarely_called_a_shift():
    false = sum(change_point(noise(15, seed), seed).p_value < 0.05 for seed in range(60))
    assert false <= 8  # 3 of 60 are expected; more than 8 come by chance in 1 of 200 such tests


def test_how_far_out_an_outlier_lies_does_not_matter():
    values = noise(20)
    found = []
    for height in (1.0, 1000.0):
        values[7] = height
        found.append(change_point(values, seed=0).p_value)
    assert found[0] == found[1]


def test_few_values_have_no_verdict():
    assert change_point(noise(MIN_RUNS_FOR_CHANGE - 1), seed=0) is None
    assert predict_last(noise(MIN_RUNS_FOR_PREDICTION), 0.95) is None


def test_the_prediction_interval_is_students():
    found = predict_last(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 9.0]), 0.95)
    assert found is not None
    # 3 ± t(0.975, 4) · s · √(1 + 1/5), with t = 2.776 and s = 1.581
    assert (found.low, found.high) == (pytest.approx(-1.809, abs=1e-3), pytest.approx(7.809, abs=1e-3))
    assert not found.within
    assert predict_last(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 7.8]), 0.95).within


def test_the_last_value_is_expected_as_often_as_is_said():
    inside = sum(predict_last(noise(8, seed), 0.9).within for seed in range(300))
    assert 0.84 * 300 < inside < 0.95 * 300
