"""Stability: how well the clusters of subsamples agree with those of all points."""

from __future__ import annotations

import numpy as np
import pytest

from taxi_mlops.domain import Parameters
from taxi_mlops.evaluation.quality import stability as module
from taxi_mlops.evaluation.quality.stability import stability


def blobs(make_points, clusters: int, members: int = 200):
    rng = np.random.default_rng(0)
    centres = np.repeat(np.arange(clusters), members)
    return make_points(centres * 0.1 + rng.normal(0, 1e-4, len(centres)), rng.normal(0, 1e-4, len(centres)))


def test_clusters_far_apart_are_found_again(make_points) -> None:
    found = stability(blobs(make_points, 4), Parameters(50.0, 5), seed=0)
    assert found.value == pytest.approx(1.0, abs=0.02)
    assert found.points == 800
    assert found.interval is not None
    assert found.interval.low <= found.value <= found.interval.high <= 1.0


def test_clusters_of_chance_are_not(make_points) -> None:
    rng = np.random.default_rng(1)
    points = make_points(rng.uniform(0, 0.02, 600), rng.uniform(0, 0.02, 600))
    assert stability(points, Parameters(90.0, 5), seed=0).value < 0.8


def test_a_seed_repeats_it(make_points) -> None:
    points = blobs(make_points, 2)
    assert stability(points, Parameters(10.0, 5), seed=3) == stability(points, Parameters(10.0, 5), seed=3)


def test_many_points_are_looked_at_by_windows(make_points, monkeypatch) -> None:
    monkeypatch.setattr(module, "WINDOW_POINTS", 300)
    found = stability(blobs(make_points, 4), Parameters(50.0, 5), seed=0)
    assert found.points == 300
    assert found.value == pytest.approx(1.0, abs=0.05)


def test_weights_are_drawn_along(make_points) -> None:
    points = blobs(make_points, 3, members=40)
    heavy = make_points(points.latitude, points.longitude, np.full(len(points), 10.0))
    assert stability(heavy, Parameters(50.0, 300), seed=0).value == pytest.approx(
        stability(points, Parameters(50.0, 30), seed=0).value
    )
