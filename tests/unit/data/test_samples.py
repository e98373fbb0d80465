"""Samples of several sizes."""

from __future__ import annotations

import numpy as np
import pytest

from taxi_mlops.data.fingerprint import fingerprint
from taxi_mlops.data.samples import nested_samples
from taxi_mlops.domain import Points, Provenance
from taxi_mlops.errors import UsageError


@pytest.fixture
def points() -> Points:
    latitude = np.linspace(-33.0, -32.0, 1000)
    longitude = np.linspace(-70.0, -71.0, 1000)
    row = np.arange(0, 2000, 2)
    return Points(latitude, longitude, None, "whole", Provenance("file.csv", "columns", "1", 2000, 1000), row)


def test_each_sample_is_part_of_the_next_and_keeps_the_order(points):
    samples = nested_samples(points, (10, 100, 700), seed=4)
    assert [len(sample) for sample in samples] == [10, 100, 700]
    for smaller, larger in zip(samples, (*samples[1:], points), strict=True):
        assert np.isin(smaller.latitude, larger.latitude).all()
        assert np.all(np.diff(smaller.latitude) > 0)
        assert smaller.fingerprint == fingerprint(smaller.latitude, smaller.longitude, None)
        assert np.array_equal(np.diff(smaller.latitude) > 0, np.diff(smaller.longitude) < 0)
        assert np.array_equal(points.latitude[smaller.row // 2], smaller.latitude)
    assert samples[0].provenance.notes == ("A uniform sample of 10 of 1,000 points",)


def test_the_seed_decides(points):
    first, again, other = (nested_samples(points, (50,), seed)[0].fingerprint for seed in (0, 0, 1))
    assert first == again != other


def test_a_sample_is_uniform(points):
    """Of 400 samples of a tenth, each point is in about 40: a χ² test of 1,000 counts."""
    counts = np.zeros(1000)
    for seed in range(400):
        counts += np.isin(points.latitude, nested_samples(points, (100,), seed)[0].latitude)
    chi_squared = np.sum((counts - 40.0) ** 2 / (40.0 * 0.9))
    assert abs(chi_squared - 1000) < 4 * np.sqrt(2 * 1000)


def test_weighted_points_have_no_sizes(points):
    weighted = Points(points.latitude, points.longitude, np.ones(1000), "w", points.provenance)
    with pytest.raises(UsageError, match="weighted with their trips"):
        nested_samples(weighted, (10,), 0)
