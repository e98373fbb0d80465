"""From a request to points with their provenance."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import ValidationError

from taxi_mlops.data.fingerprint import fingerprint
from taxi_mlops.data.load import LoadRequest, load_points, load_samples
from taxi_mlops.data.sources import data_version
from taxi_mlops.errors import DataError
from taxi_mlops.settings import Settings

HEADER = "origin_latitude,origin_longitude,destination_latitude,destination_longitude"


@pytest.fixture
def trips(tmp_path):
    path = tmp_path / "trips.csv"
    lines = [f"{-33.4 - n / 1000},{-70.6 - n / 1000},-33.5,-70.5" for n in range(50)]
    path.write_text("\n".join([HEADER, *lines, "0,0,0,0", "-70.6,-33.4,,", "10,10,10,10", ",,-33.5,-70.5"]))
    return path


def test_points_come_with_their_provenance(trips, settings):
    points = load_points(LoadRequest(source=str(trips)), settings)
    assert len(points) == 50
    assert points.weight is None
    np.testing.assert_array_equal(points.latitude, [-33.4 - n / 1000 for n in range(50)])
    assert points.fingerprint == fingerprint(points.latitude, points.longitude, None)
    provenance = points.provenance
    assert (provenance.uri, provenance.schema) == (str(trips), "santiago")
    assert (provenance.rows_read, provenance.rows_used) == (54, 50)
    assert provenance.dropped == {"missing": 1, "zero": 1, "out_of_range": 0, "swapped": 1, "outside_region": 1}
    assert provenance.notes == ()
    assert provenance.data_version == data_version([trips])


def test_the_other_end_and_named_columns(trips, settings):
    dropoffs = load_points(LoadRequest(source=str(trips), points="dropoff"), settings)
    named = LoadRequest(
        source=str(trips), latitude_column="destination_latitude", longitude_column="destination_longitude"
    )
    same = load_points(named, settings)
    assert dropoffs.provenance.rows_used == 51
    assert same.fingerprint == dropoffs.fingerprint
    assert same.provenance.schema == "columns"


def test_a_box_wins_over_the_found_region(trips, settings):
    points = load_points(LoadRequest(source=str(trips), bbox=(-33.4055, -70.7, -33.3, -70.5)), settings)
    assert points.provenance.rows_used == 6
    assert points.provenance.dropped["outside_region"] == 45
    assert points.provenance.dropped["swapped"] == 1


def test_cleaning_that_leaves_nothing_is_an_error_with_the_counts(trips, settings):
    with pytest.raises(DataError, match=r"cleaning left none of 54 rows \(1 missing, 1 zero, 52 outside_region\)"):
        load_points(LoadRequest(source=str(trips), bbox=(0, 0, 1, 1)), settings)


def test_a_sample_is_drawn_from_cleaned_points_and_noted(trips, settings):
    whole = load_points(LoadRequest(source=str(trips)), settings)
    points = load_points(LoadRequest(source=str(trips), sample=20, seed=1), settings)
    again = load_points(LoadRequest(source=str(trips), sample=20, seed=1), settings)
    other = load_points(LoadRequest(source=str(trips), sample=20, seed=2), settings)
    assert len(points) == 20
    assert points.fingerprint == again.fingerprint != other.fingerprint
    positions = [whole.latitude.tolist().index(latitude) for latitude in points.latitude]
    assert positions == sorted(set(positions))  # without replacement, in order
    assert points.provenance.dropped["not_sampled"] == 30
    assert points.provenance.rows_read == points.provenance.rows_used + sum(points.provenance.dropped.values())
    assert points.provenance.notes == ("A uniform sample of 20 of 50 trips (seed 1)",)


def test_a_sample_larger_than_the_data_is_the_data(trips, settings):
    points = load_points(LoadRequest(source=str(trips), sample=50), settings)
    assert points.fingerprint == load_points(LoadRequest(source=str(trips)), settings).fingerprint
    assert points.provenance.notes == ()


def test_every_point_has_the_same_chance(settings, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("y,x\n" + "".join(f"{n / 100},10\n" for n in range(10)))
    counts = np.zeros(10)
    for seed in range(300):
        request = LoadRequest(source=str(path), latitude_column="y", longitude_column="x", sample=3, seed=seed)
        counts[np.round(load_points(request, settings).latitude * 100).astype(int)] += 1
    assert counts.sum() == 900
    assert np.abs(counts - 90).max() < 4 * np.sqrt(300 * 0.3 * 0.7)


def test_a_glob_reads_all_its_files_in_the_order_of_their_names(trips, settings):
    trips.with_name("other.csv").write_text(f"{HEADER}\n-33.0,-70.0,1,1\n")
    points = load_points(LoadRequest(source=str(trips.with_name("*.csv"))), settings)
    assert points.provenance.rows_read == 55
    assert points.latitude[0] == -33.0


def test_trips_of_the_zone_era_are_refused(tmp_path, settings):
    path = tmp_path / "zones.csv"
    path.write_text("PULocationID,DOLocationID\n1,2\n")
    with pytest.raises(
        DataError, match=r"zone numbers and no points, .*centroids .* not points.*--zones taxi_zones\.zip"
    ):
        load_points(LoadRequest(source=str(path)), settings)


def test_a_missing_package_for_zones_is_named_with_the_command(tmp_path, settings, monkeypatch):
    path = tmp_path / "zones.csv"
    path.write_text("PULocationID,DOLocationID\n1,2\n")
    (tmp_path / "zones.zip").touch()
    monkeypatch.setitem(sys.modules, "shapefile", None)
    with pytest.raises(DataError, match=r"needs the package 'shapefile': pip install \"taxi-mlops\[zones\]\""):
        load_points(LoadRequest(source=str(path), zones=str(tmp_path / "zones.zip")), settings)


def test_the_synthetic_city_takes_no_columns(settings):
    with pytest.raises(DataError, match="need a file"):
        load_points(LoadRequest(latitude_column="y", longitude_column="x"), settings)


def test_a_synthetic_city_is_taken_by_the_name_that_outputs_show(settings):
    shown = load_points(LoadRequest(synthetic_rows=300, seed=5), settings)
    assert shown.provenance.uri == "synthetic:rows=300,seed=5"
    again = load_points(LoadRequest(source=shown.provenance.uri), settings)
    assert (again.fingerprint, again.provenance) == (shown.fingerprint, shown.provenance)
    seeded = load_points(LoadRequest(source="synthetic:rows=300", seed=5), settings)
    assert seeded.provenance.uri == shown.provenance.uri
    assert seeded.fingerprint == shown.fingerprint


@pytest.mark.parametrize("wrong", ["synthetic:", "synthetic:rows=0", "synthetic:rows=9,seed=-1", "synthetic:seed=1"])
def test_a_wrong_name_of_a_synthetic_city_is_an_error_with_advice(wrong, settings):
    with pytest.raises(DataError, match=f"^{wrong}: a synthetic city is named like synthetic:rows=20000,seed=0"):
        load_points(LoadRequest(source=wrong), settings)


@pytest.mark.parametrize(
    "wrong", [{"sample": 0}, {"seed": -1}, {"synthetic_rows": 0}, {"points": "both"}, {"lat": "y"}]
)
def test_a_request_is_checked(wrong):
    with pytest.raises(ValidationError):
        LoadRequest(**wrong)


@examples(max_examples=25)
@given(rows=st.integers(20, 400), sample=st.integers(1, 400))
def test_the_account_always_adds_up(rows, sample):
    points = load_points(LoadRequest(synthetic_rows=rows, sample=sample), Settings())
    provenance = points.provenance
    assert provenance.rows_read == rows
    assert len(points) == provenance.rows_used == rows - sum(provenance.dropped.values())
    assert len(points) <= sample


def test_samples_of_one_reading_are_those_of_requests_of_their_own(trips, settings):
    request = LoadRequest(source=str(trips), seed=3)
    drawn = load_samples(request, (10, None, 50), settings)
    for points, sample in zip(drawn, (10, None, 50), strict=True):
        alone = load_points(request.model_copy(update={"sample": sample}), settings)
        assert points.fingerprint == alone.fingerprint
        assert points.provenance == alone.provenance


@pytest.fixture(params=["csv", "parquet"])
def dirty_files(request, tmp_path):
    """Three files, each with 20 times the six dirty rows, a little further on, and a number for each trip."""
    for number in range(3):
        frame = pa.table(
            {
                "trip": pa.array(range(1000 + number * 120, 1120 + number * 120)),
                "lat": pa.array([-33.4, 0.0, None, -33.5, -70.6, -33.6] * 20),
                "lon": pa.array([-70.6 - number / 100, 0.0, -70.5, -70.5, -33.4, -70.4] * 20),
            }
        )
        path = tmp_path / f"{number}.{request.param}"
        (pacsv.write_csv if request.param == "csv" else pq.write_table)(frame, path)
    wanted = LoadRequest(
        source=str(tmp_path / f"*.{request.param}"),
        latitude_column="lat",
        longitude_column="lon",
        bbox=(-34, -71, -33, -70),
    )
    return wanted, frame_of(tmp_path, request.param)


def frame_of(folder, kind):
    files = sorted(folder.glob(f"*.{kind}"))
    return pa.concat_tables([pacsv.read_csv(file) if kind == "csv" else pq.read_table(file) for file in files])


def test_rows_join_points_to_their_trips_in_all_files(dirty_files, settings):
    request, trips = dirty_files
    points = load_points(request, settings)
    assert len(points) == 180
    assert points.row.dtype == np.int64
    np.testing.assert_array_equal(points.row, [row for row in range(360) if row % 6 in (0, 3, 5)])
    joined = trips.take(points.row)
    np.testing.assert_array_equal(joined["lat"].to_numpy(), points.latitude)
    np.testing.assert_array_equal(joined["lon"].to_numpy(), points.longitude)
    np.testing.assert_array_equal(joined["trip"].to_numpy(), 1000 + points.row)


def test_rows_of_a_sample_are_those_of_its_points(dirty_files, settings):
    request, trips = dirty_files
    points = load_points(request.model_copy(update={"sample": 41}), settings)
    joined = trips.take(points.row)
    assert len(points) == 41
    np.testing.assert_array_equal(joined["lat"].to_numpy(), points.latitude)
    np.testing.assert_array_equal(joined["lon"].to_numpy(), points.longitude)


def test_rows_add_nothing_to_the_fingerprint(dirty_files, settings):
    points = load_points(dirty_files[0], settings)
    assert points.fingerprint == fingerprint(points.latitude, points.longitude, None)
