"""How far points moved between commits."""

from __future__ import annotations

import numpy as np
import pytest

from taxi_mlops.versions.drift import FEWEST_POINTS, PointSpread, Tenths, spread_of


def points(n=5000, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(48.85, 0.02, n), rng.normal(2.35, 0.02, n) + shift


def test_the_index_is_that_of_the_definition():
    before = Tenths(edges=(1.0, 2.0), shares=(0.5, 0.25, 0.25))
    found = before.stability_index(np.array([0.5, 1.5, 1.5, 9.0]))
    expected = (0.25 - 0.5) * np.log(0.25 / 0.5) + (0.5 - 0.25) * np.log(0.5 / 0.25)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("values", [np.arange(1000.0), np.r_[np.zeros(700), np.arange(300.0)], np.full(1000, 3.0)])
def test_the_same_values_have_no_drift(values):
    tenths = Tenths.of(values)
    assert sum(tenths.shares) == pytest.approx(1)
    assert len(tenths.shares) == len(tenths.edges) + 1
    assert tenths.stability_index(values) == 0


def test_a_tenth_of_plain_values_is_in_each():
    assert Tenths.of(np.arange(1000.0)).shares == pytest.approx([0.1] * 10, abs=2e-3)


def test_drift_is_against_the_commit_before():
    first = spread_of(*points(), None)
    assert first is not None
    assert first.drift is None
    alike, moved = spread_of(*points(seed=1), first), spread_of(*points(seed=1, shift=0.05), first)
    assert alike is not None
    assert moved is not None
    assert alike.drift < 0.02
    assert moved.drift > 0.25
    assert PointSpread.model_validate_json(moved.model_dump_json()) == moved


def test_few_points_say_nothing():
    assert spread_of(*points(FEWEST_POINTS - 1), None) is None
