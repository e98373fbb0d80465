"""Pieces give the points that are loaded at once: the same rows, counts, region, notes and errors."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_mlops.data import preprocessor
from taxi_mlops.data.load import load_points, open_trips
from taxi_mlops.data.pieces import WRAPPED, settle
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.errors import DataError


def in_pieces(request, settings, rows):
    trips = open_trips(request, settings)
    pieces, remarks = trips.pieces(rows), []
    read = [sum(part.read for part in piece.points(remarks)) for piece in pieces]
    assert [piece.first_row for piece in pieces] == [0, *np.cumsum(read)[:-1]]
    return settle(pieces, remarks, trips.options.region, trips.options.find_region, trips.examine)


def assert_same(request, settings, rows, at_least):
    points = load_points(request, settings)
    pieces, _region, notes = in_pieces(request, settings, rows)
    assert len(pieces) >= at_least
    parts = [(piece.first_row, part) for piece in pieces for part in piece.points([])]
    np.testing.assert_array_equal(np.concatenate([first + part.row for first, part in parts]), points.row)
    np.testing.assert_array_equal(np.concatenate([part.latitude for _, part in parts]), points.latitude)
    np.testing.assert_array_equal(np.concatenate([part.longitude for _, part in parts]), points.longitude)
    counts = sum((Counter(part.counts) for _, part in parts), Counter())
    wrapped = counts.pop(WRAPPED, 0)
    assert counts == {rule: count for rule, count in points.provenance.dropped.items() if count}
    assert sum(part.read for _, part in parts) == points.provenance.rows_read
    return points, notes, wrapped


def dirty(n, seed=0):
    """Trips around Santiago with every kind of bad row."""
    random = np.random.default_rng(seed)
    latitude, longitude = -33.45 + random.normal(0, 0.05, n), -70.66 + random.normal(0, 0.05, n)
    latitude[::17], longitude[::19] = np.nan, np.nan
    latitude[5::23], longitude[5::23] = 0.0, 0.0
    latitude[7::29] = 95.0
    latitude[9::31], longitude[9::31] = longitude[9::31], latitude[9::31].copy()
    longitude[11::37] += 360.0
    latitude[13::41] = 40.0
    return pa.table({"latitude": latitude, "longitude": longitude})


def write(path, table, rows_per_group=700):
    pq.write_table(table, path, row_group_size=rows_per_group)


def test_row_groups_are_pieces(tmp_path, settings):
    write(tmp_path / "trips.parquet", dirty(10_000))
    _, _, wrapped = assert_same(LoadRequest(source=str(tmp_path)), settings, 1_500, at_least=7)
    assert wrapped > 0


def test_files_are_pieces_and_small_ones_are_read_together(tmp_path, settings):
    for number, rows in enumerate((3_000, 40, 50, 1_000, 2_500)):
        write(tmp_path / f"{number}.parquet", dirty(rows, number))
    pieces, _, _ = in_pieces(LoadRequest(source=str(tmp_path)), settings, 1_600)
    assert [[part.groups for part in piece.parts] for piece in pieces] == [
        [(0, 1)],
        [(2, 3, 4)],
        [None, None],
        [None],
        [(0, 1)],
        [(2, 3)],
    ]
    assert_same(LoadRequest(source=str(tmp_path)), settings, 1_600, at_least=6)


def test_a_csv_file_is_one_piece(tmp_path, settings):
    table = dirty(3_000)
    lines = [f"{a},{b}" for a, b in zip(table["latitude"].to_pylist(), table["longitude"].to_pylist(), strict=True)]
    (tmp_path / "trips.csv").write_text("latitude,longitude\n" + "\n".join(lines).replace("nan", "") + "\n")
    assert_same(LoadRequest(source=str(tmp_path / "trips.csv")), settings, 100, at_least=1)


def test_batches_of_a_city_are_pieces(settings):
    assert_same(LoadRequest(source="synthetic:rows=200000"), settings, 70_000, at_least=4)


def test_a_box_is_the_region(tmp_path, settings):
    write(tmp_path / "trips.parquet", dirty(4_000))
    request = LoadRequest(source=str(tmp_path), bbox=(-33.5, -70.7, -33.4, -70.6))
    points, _, _ = assert_same(request, settings, 1_000, at_least=4)
    assert 0 < len(points) < 3_000


def test_a_region_is_found_in_a_sample(tmp_path, settings, monkeypatch):
    monkeypatch.setattr(preprocessor, "_ROWS_FOR_QUARTILES", 500)
    write(tmp_path / "trips.parquet", dirty(10_000))
    assert_same(LoadRequest(source=str(tmp_path)), settings, 1_500, at_least=7)


@pytest.mark.parametrize(
    ("latitude", "message"), [(np.full(3_000, 1e3), "outside ±90"), (np.full(3_000, np.nan), "missing")]
)
def test_the_parts_of_a_file_are_judged_together(tmp_path, settings, latitude, message):
    """More bad rows than a part has are counted, and the first are named by their rows in the file."""
    latitude[:400:2] = -33.0
    write(tmp_path / "trips.parquet", pa.table({"latitude": latitude, "longitude": np.full(3_000, -70.0)}))
    request = LoadRequest(source=str(tmp_path))
    with pytest.raises(DataError) as at_once:
        load_points(request, settings)
    with pytest.raises(DataError) as apart:
        in_pieces(request, settings, 700)
    assert message in str(apart.value)
    assert str(apart.value) == str(at_once.value)


def test_radians_are_refused(tmp_path, settings):
    radians = np.radians(np.array(dirty(3_000)["latitude"])), np.radians(np.array(dirty(3_000)["longitude"]))
    write(tmp_path / "trips.parquet", pa.table({"latitude": radians[0], "longitude": radians[1]}))
    with pytest.raises(DataError, match="as in radians"):
        in_pieces(LoadRequest(source=str(tmp_path)), settings, 700)
