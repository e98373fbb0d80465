"""The synthetic city is the same for everybody, of any size, and looks like a city."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from taxi_mlops.data.load import LoadRequest, load_points
from taxi_mlops.data.preprocessor import Rule, TaxiTripPreprocessor
from taxi_mlops.data.regions import METRES_PER_DEGREE
from taxi_mlops.data.schema_choice import choose_schema
from taxi_mlops.data.schemas import SYNTHETIC
from taxi_mlops.data.synthetic import (
    BATCH_ROWS,
    CENTRE_LATITUDE,
    CENTRE_LONGITUDE,
    SyntheticCity,
    TripBatch,
    write_parquet,
)
from taxi_mlops.errors import DataError, UsageError

ARRAYS = ("pickup_time", "pickup_latitude", "pickup_longitude", "dropoff_latitude", "dropoff_longitude")


def rows(batches: list[TripBatch], name: str) -> np.ndarray:
    return np.concatenate([getattr(batch, name) for batch in batches])


@pytest.fixture(scope="module")
def pickups() -> np.ndarray:
    """Clean pickups of four batches in metres from the centre, shape (n, 2): east and north."""
    preprocessor = TaxiTripPreprocessor()
    for batch in SyntheticCity(0).batches(4 * BATCH_ROWS):
        preprocessor.add(*batch.ends("pickup"))
    cleaned = preprocessor.finish()
    east = (cleaned.longitude - CENTRE_LONGITUDE) * METRES_PER_DEGREE * np.cos(np.radians(CENTRE_LATITUDE))
    return np.stack((east, (cleaned.latitude - CENTRE_LATITUDE) * METRES_PER_DEGREE), axis=1)


@pytest.mark.parametrize("name", ARRAYS)
def test_more_rows_begin_with_the_same_rows(name):
    few = list(SyntheticCity(7).batches(1000))
    more = list(SyntheticCity(7).batches(BATCH_ROWS + 500))
    assert [len(batch) for batch in few] == [1000]
    assert [(batch.first_row, len(batch)) for batch in more] == [(0, BATCH_ROWS), (BATCH_ROWS, 500)]
    np.testing.assert_array_equal(rows(few, name), rows(more, name)[:1000])


def test_seeds_and_batches_differ():
    first, second = SyntheticCity(0).batches(2 * BATCH_ROWS)
    (other,) = SyntheticCity(1).batches(BATCH_ROWS)
    assert not np.array_equal(first.pickup_latitude, second.pickup_latitude, equal_nan=True)
    assert not np.array_equal(first.pickup_latitude, other.pickup_latitude, equal_nan=True)
    assert not np.array_equal(first.pickup_latitude, first.dropoff_latitude, equal_nan=True)


@pytest.mark.parametrize("end", ["pickup", "dropoff"])
def test_a_few_per_cent_are_dirty_in_every_way_that_cleaning_knows(settings, end):
    points = load_points(LoadRequest(points=end, synthetic_rows=BATCH_ROWS), settings)
    dropped = points.provenance.dropped
    assert set(dropped) == set(map(str, Rule))
    assert all(count > 100 for count in dropped.values())
    assert 0.02 < sum(dropped.values()) / BATCH_ROWS < 0.04


def test_all_clean_points_are_in_the_city_and_its_surroundings(pickups):
    assert np.abs(pickups).max() < 18_000


def test_the_river_is_empty_and_its_banks_are_not(pickups):
    # A walk to the north through the centre, 400 m wide.
    near = pickups[np.abs(pickups[:, 0]) < 200]
    counts, edges = np.histogram(near[:, 1], bins=np.arange(-2_000, 500, 50))
    empty = edges[:-1][counts == 0]
    assert 200 <= empty.size * 50 <= 400
    assert np.all(np.diff(empty) == 50)  # one gap
    assert counts.max() > 200


def test_the_airport_is_far_dense_and_kept(pickups):
    distance = np.hypot(pickups[:, 0] - 11_500, pickups[:, 1] + 8_200)
    share = np.mean(distance < 1_500)
    assert 0.04 < share < 0.08
    ring = (distance > 1_500) & (distance < 3_000)
    assert np.mean(ring) < share / 50


def test_streets_are_dense_and_blocks_are_not(pickups):
    """In the middle of the first district, across the streets, density rises and falls with the block of 80 m."""
    angle = np.radians(24.0)
    local = (pickups - (0.0, 1_600.0)) @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = local[(np.abs(local[:, 0]) < 600) & (np.abs(local[:, 1]) < 600)]
    offset = np.abs((middle[:, 1] + 40) % 80 - 40)
    assert np.sum(offset < 20) > 2 * np.sum(offset > 20)


def test_stands_differ_widely_in_density(pickups):
    cells = np.unique(np.round(pickups / 50), axis=0, return_counts=True)[1]
    assert cells.max() > 100 * np.median(cells)


def test_noise_is_part_of_every_point(pickups):
    """Rounded to 1e-6 degrees, some points coincide, but no place is a single spot."""
    coinciding = np.unique(np.round(pickups, 2), axis=0, return_counts=True)[1]
    assert coinciding.max() < 50


def test_parquet_holds_the_same_trips(tmp_path):
    count = BATCH_ROWS + 10
    path = tmp_path / "city.parquet"
    progress_calls = []
    write_parquet(path, count, seed=3, on_progress=lambda *progress: progress_calls.append(progress))
    table = pq.read_table(path)
    batches = list(SyntheticCity(3).batches(count))
    assert table.column("synthetic_trip").to_pylist() == list(range(count))
    np.testing.assert_array_equal(
        table.column("pickup_time").cast("int64").to_numpy(), rows(batches, "pickup_time") * 1000
    )
    for name in ARRAYS[1:]:
        column = table.column(name)
        np.testing.assert_array_equal(column.to_numpy(), rows(batches, name))
        assert column.null_count == np.isnan(rows(batches, name)).sum()
    assert progress_calls == [("Synthesizing", BATCH_ROWS, count), ("Synthesizing", count, count)]
    assert choose_schema(table.column_names, where="city") == SYNTHETIC
    assert [found.name for found in tmp_path.iterdir()] == ["city.parquet"]


def test_a_file_and_the_city_itself_give_the_same_points(tmp_path, settings):
    path = tmp_path / "city.parquet"
    write_parquet(path, 5000, seed=2)
    from_file = load_points(LoadRequest(source=str(path)), settings)
    from_city = load_points(LoadRequest(synthetic_rows=5000, seed=2), settings)
    assert from_file.fingerprint == from_city.fingerprint
    assert from_file.provenance.dropped == from_city.provenance.dropped


def test_nothing_is_left_of_a_file_that_was_not_finished(tmp_path):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_parquet(tmp_path / "city.parquet", 100, on_progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_says_where_it_cannot_write(tmp_path):
    with pytest.raises(DataError, match=r"cannot write .*nowhere/city\.parquet: No such file or directory"):
        write_parquet(tmp_path / "nowhere" / "city.parquet", 10)


def test_refuses_impossible_cities():
    with pytest.raises(UsageError, match="at least 1 row, got 0"):
        next(SyntheticCity(0).batches(0))
    with pytest.raises(UsageError, match="seed must not be negative, got -1"):
        SyntheticCity(-1)
