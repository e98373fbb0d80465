from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from taxi_mlops.errors import UsageError
from taxi_mlops.models.judging import CELL_METRES, Unseen, difference, mean_interval, score_of, unseen_of, values_of


def unseen_at(trips, area, block=None) -> Unseen:
    trips, area = np.array(trips), np.array(area)
    blocks = np.arange(len(trips)) if block is None else np.array(block)
    return Unseen(np.zeros(len(trips)), trips, blocks, np.zeros(len(area)), area)


def test_the_score_is_the_area_under_the_curve_of_trips_against_area(model_of):
    """Two hotspots on 20 % and 30 % of the area with 60 % and 20 % of the trips, the denser one first."""
    model = replace(model_of([0.1], [0.0]), size=np.array([20, 30]))
    unseen = unseen_at([0.0] * 6 + [0.1] * 2 + [0.5] * 2, [0.0] * 2 + [0.1] * 3 + [0.9] * 5)
    values = values_of(model, unseen)
    assert (values.share_inside, values.share_of_area) == (pytest.approx(0.8), pytest.approx(0.5))
    assert values.curve == ((0.0, 0.0), (0.2, 0.6), (0.5, 0.8), (1.0, 1.0))
    area, trips = np.array(values.curve).T
    assert values.of_trip.mean() == pytest.approx(np.trapezoid(trips, area))
    assert score_of(values, unseen).score == pytest.approx(0.2 * 0.3 + 0.3 * 0.7 + 0.5 * 0.9)


def test_a_model_without_hotspots_is_chance(model_of):
    values = values_of(model_of(), unseen_at([0.0, 1.0], [0.0, 1.0]))
    assert values.of_trip.tolist() == [0.5, 0.5]
    assert values.curve == ((0.0, 0.0), (1.0, 1.0))


def test_two_models_differ_by_the_mean_of_pairs(model_of):
    unseen = unseen_at([0.0, 0.0, 0.5, 0.5], [0.0, 0.5, 0.9, 0.9])
    both, one = (values_of(model, unseen) for model in (model_of([0.0], [0.5]), model_of([0.0])))
    found = difference(both, one, unseen, "4")
    assert found.version == "4"
    assert found.difference == pytest.approx(both.of_trip.mean() - one.of_trip.mean())
    assert found.low < found.difference < found.high
    assert difference(one, one, unseen, "4").high == 0.0


def test_the_interval_takes_blocks_as_units():
    values = np.array([0.0, 1.0, 0.0, 1.0])
    mean, low, high = mean_interval(values, np.arange(4))
    assert (mean, high - mean) == (0.5, pytest.approx(1.959964 * np.sqrt(4 / 3 * 4 * 0.25) / 4))
    assert low == pytest.approx(1.0 - high)
    _, low_of_blocks, _ = mean_interval(values, np.array([0, 1, 0, 1]))
    assert low_of_blocks == pytest.approx(0.5 - 1.959964 * np.sqrt(2 * 2 * 1.0) / 4)
    assert mean_interval(values, np.zeros(4, dtype=np.int64)) == (0.5, -1.0, 1.0)


def test_the_interval_covers_the_truth_in_95_of_100_samples():
    rng = np.random.default_rng(0)
    block = np.repeat(np.arange(60), 5)
    hits = 0
    for _ in range(1000):
        values = np.repeat(rng.normal(0, 1, 60), 5) + rng.normal(0, 1, 300)
        _, low, high = mean_interval(values, block)
        hits += low <= 0.0 <= high
    assert 920 <= hits <= 975


@pytest.mark.parametrize(("latitude", "longitude"), [(0.0, 0.0), (60.0, 179.9999), (-33.45, -70.66)])
def test_the_area_is_the_cells_that_hold_trips(latitude, longitude):
    lat, lon = np.array([latitude]), np.array([longitude])
    found = unseen_of(lat, lon, np.array([7200]), (lat, lon), seed=1)
    assert found.block.tolist() == [2]
    east = (found.area_longitude - longitude + 180.0) % 360.0 - 180.0
    north = found.area_latitude - latitude
    for extent, scale in ((np.ptp(north), 1.0), (np.ptp(east), np.cos(np.radians(latitude)))):
        assert extent * scale * 111_194.93 == pytest.approx(CELL_METRES, rel=2e-3)
    assert (np.abs(found.area_longitude) <= 180.0).all()


def test_unseen_trips_are_read_back_and_other_files_refused(tmp_path):
    path = tmp_path / "unseen.npz"
    unseen_at([0.0, 0.5], [0.25], [3, 3]).save(path)
    found = Unseen.load(path)
    assert (found.longitude.tolist(), found.block.tolist(), len(found)) == ([0.0, 0.5], [3, 3], 2)
    unseen_at([0.0, np.nan], [0.25]).save(path)
    with pytest.raises(UsageError, match="no finite float64"):
        Unseen.load(path)
    path.write_text("no archive", encoding="utf-8")
    with pytest.raises(UsageError, match="holds no unseen trips"):
        Unseen.load(path)
