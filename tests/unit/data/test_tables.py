"""Whether the first line of a CSV file is data, and what is read of the cases of users' reports."""

from __future__ import annotations

import json

import pytest

from taxi_mlops.data.load import LoadRequest, load_points
from taxi_mlops.data.tables import open_table, record_batches
from taxi_mlops.errors import DataError


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        ("1,2008-02-02 15:00:00,2.36,48.86\n1,2008-02-02 15:01:00,2.37,48.87\n", ("1", "2", "3", "4"), 2),
        ("48.86,2.36\n", ("1", "2"), 1),
        ("A,48.86,2.36\nB,48.87,2.37\n", ("1", "2", "3"), 2),
        ("POINT (2.36 48.86),x\nPOINT (2.37 48.87),y\n", ("1", "2"), 2),
        ("48.86,NA\n48.87,2.37\n", ("1", "2"), 2),
        ("lat,lon\n", ("lat", "lon"), None),
        ("lat,lon\n48.86,2.36\n", ("lat", "lon"), None),
        ("lat,lon,2015,2016\n48.86,2.36,7,8\n", ("lat", "lon", "2015", "2016"), None),
        ("lat,lon\nNA,NA\n", ("lat", "lon"), None),
        ("name,kind\nA,B\n", ("name", "kind"), None),
    ],
)
def test_a_first_line_of_data_is_seen(tmp_path, text, columns, rows):
    """rows: how many there are where the first line is one of them."""
    path = tmp_path / "t.csv"
    path.write_text(text)
    table = open_table(path)
    assert (table.columns, table.has_header) == (columns, rows is None)
    if rows:
        assert sum(batch.num_rows for batch in record_batches(table, ["2"], as_text=True)) == rows


@pytest.mark.parametrize(
    ("name", "latitude", "longitude", "rows", "missing"),
    [
        ("plain.csv", "lat", "lon", 120, 0),
        ("c1_blank_cells.csv", "lat", "lon", 120, 12),
        ("c3_na_after_blank.csv", "lat", "lon", 120, 12),
        ("c4_notes_of_two_lines.csv.gz", "lat", "lon", 170_000, 0),
        ("c5_green_blank_line_of_spaces.csv", "Pickup_latitude", "Pickup_longitude", 120, 0),
        ("c6_none_of_python.csv", "lat", "lon", 120, 12),
        ("d9_no_header.txt", "4", "3", 120, 0),
        ("e1_semicolons.csv", "lat", "lon", 120, 0),
        ("e3_plain.csv.zip", "lat", "lon", 120, 0),
        ("e5_geoparquet.parquet", "latitude", "longitude", 120, 0),
    ],
)
def test_the_cases_of_users_are_read(shared_data, settings, name, latitude, longitude, rows, missing):
    path = shared_data.parent / "cases" / name
    if not path.is_file():
        pytest.skip(f"no {path}")
    request = LoadRequest(source=str(path), latitude_column=latitude, longitude_column=longitude)
    provenance = load_points(request, settings).provenance
    assert (provenance.rows_read, provenance.dropped["missing"]) == (rows, missing)


def test_properties_that_are_no_object_are_one_clear_error(tmp_path):
    path = tmp_path / "t.geojson"
    path.write_text('{"type":"Feature","properties":[1],"geometry":{"type":"Point","coordinates":[1,2]}}')
    with pytest.raises(DataError, match=r"t\.geojson: the properties of a feature .* are '\[1\]', not an object"):
        open_table(path)


def test_an_integer_beyond_64_bits_does_not_hinder_the_other_columns(tmp_path):
    path = tmp_path / "t.json"
    path.write_text('[{"id": 123456789012345678901234567890, "lat": 1.5}, {"id": 7, "lat": 2.5}]')
    (batch,) = record_batches(open_table(path), ["id", "lat"])
    assert batch.to_pydict() == {"id": ["123456789012345678901234567890", "7"], "lat": [1.5, 2.5]}


def test_a_row_beyond_the_limit_is_one_clear_error(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("n,lat\n" + "x" * (17 << 20) + ",1\n")
    with pytest.raises(DataError, match=r"t\.csv: a row is longer than 8 MiB; is a quotation mark open\?"):
        list(record_batches(open_table(path), ["lat"]))


@pytest.mark.parametrize("kind", ["stations", "bikes", "vehicles"])
@pytest.mark.parametrize("version", ["2.3", "3.0"])
def test_files_of_gbfs_are_read(tmp_path, settings, kind, version):
    """As bike-share systems publish them (https://gbfs.org): the version says whether names have languages."""
    name = [{"text": "A", "language": "en"}] if version == "3.0" else "A"
    places = [{"id": str(row), "name": name, "lat": 48.85 + row / 1000, "lon": 2.35} for row in range(30)]
    path = tmp_path / "station_information.json"
    document = {"last_updated": 1717236000, "ttl": 60, "version": version, "data": {kind: places}}
    path.write_text(json.dumps(document))
    points = load_points(LoadRequest(source=str(path)), settings)
    assert points.latitude.tolist() == [place["lat"] for place in places]
    assert points.provenance.columns == ("lat", "lon")
