"""Columns of which each cell holds a point, in every form, whichever coordinate stands first."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import shapely

from taxi_mlops.data.loader import DataLoader
from taxi_mlops.errors import DataError

ROWS = [(40.75, -73.98), (40.7, -74.01), (None, None), (40.65, -73.78), (40.82, -73.95)]
POINTS = [None if lat is None else shapely.Point(lon, lat) for lat, lon in ROWS]


def cells(form: str) -> list[str | None]:
    return [None if lat is None else form.format(lat=lat, lon=lon) for lat, lon in ROWS]


def wkb(hexadecimal: bool = False, srid: int = 0, prefix: str = "", **options: object) -> list[bytes | str | None]:
    shapes = [point and shapely.set_srid(point, srid) for point in POINTS]
    found = shapely.to_wkb(shapes, hex=hexadecimal, include_srid=srid > 0, **options).tolist()
    return [value if value is None or not hexadecimal else prefix + value for value in found]


def write(folder: Path, kind: str = "parquet", **columns: object) -> Path:
    path = folder / f"trips.{kind}"
    table = pa.table({"id": range(len(next(iter(columns.values())))), **columns})
    (pq.write_table if kind == "parquet" else pacsv.write_csv)(table, path)
    return path


def read(path: Path, **options: object) -> list[tuple[float | None, float | None]]:
    batches = list(DataLoader([path], **options).coordinates())
    latitude, longitude = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    assert latitude.dtype == longitude.dtype == np.float64
    return [(None, None) if np.isnan(a) else (a, b) for a, b in zip(latitude.tolist(), longitude.tolist(), strict=True)]


TEXTS = {
    "WKT": cells("POINT ({lon} {lat})"),
    "WKT, close": cells("POINT({lon} {lat})"),
    "WKT, lower case, wide": cells("  point  (  {lon}   {lat} ) "),
    "WKT with height": cells("POINT Z ({lon} {lat} 7.5)"),
    "WKT with height and measure": cells("POINT ZM({lon} {lat} 7.5 1)"),
    "EWKT": cells("SRID=4326;POINT({lon} {lat})"),
    "GeoJSON": cells('{{"type": "Point", "coordinates": [{lon}, {lat}]}}'),
    "GeoJSON as Python writes it": cells("{{'coordinates': ({lon}, {lat}), 'type': 'Point'}}"),
    "pairs": cells("{lat}, {lon}"),
    "pairs in brackets": cells("({lat}, {lon})"),
    "pairs, longitude first": cells("{lon},{lat}"),
    "pairs in square brackets": cells("[{lon}, {lat}]"),
    "pairs with a blank": cells("{lat} {lon}"),
    "pairs with a semicolon": cells("{lat};{lon}"),
    "hexadecimal WKB": wkb(hexadecimal=True),
    "hexadecimal WKB, big-endian": wkb(hexadecimal=True, byte_order=0),
    "hexadecimal EWKB": wkb(hexadecimal=True, srid=4326),
    "hexadecimal EWKB of PostgreSQL": wkb(hexadecimal=True, srid=4326, prefix="\\x"),
}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("form", TEXTS)
def test_reads_text(tmp_path, form, kind):
    assert read(write(tmp_path, kind, where=TEXTS[form])) == ROWS


@pytest.mark.parametrize(
    "as_type",
    [pa.binary(), pa.large_binary(), pa.binary_view(), pa.string(), pa.large_string(), pa.string_view()],
    ids=str,
)
def test_reads_any_type_of_column(tmp_path, as_type):
    binary = "binary" in str(as_type)
    column = pa.array(wkb() if binary else TEXTS["WKT"], as_type)
    assert read(write(tmp_path, geometry=column)) == ROWS
    assert (
        read(write(tmp_path, geometry=column.cast(pa.binary() if binary else pa.string()).dictionary_encode())) == ROWS
    )


def test_empty_points_are_missing(tmp_path):
    texts = ["POINT EMPTY", "SRID=4326;POINT EMPTY", "NA", "", *["POINT (-73.98 40.75)"] * 40]
    assert read(write(tmp_path, "csv", where=texts)) == [(None, None)] * 4 + [(40.75, -73.98)] * 40
    shapes = [shapely.to_wkb(shapely.Point())] * 2 + [shapely.to_wkb(shapely.Point(-73.98, 40.75))] * 40
    assert read(write(tmp_path, where=pa.array(shapes, pa.binary()))) == [(None, None)] * 2 + [(40.75, -73.98)] * 40


def test_a_pair_of_columns_is_taken_before_a_column_of_points(tmp_path):
    path = write(tmp_path, lat=[1.0], lon=[9.0], where=["POINT (-73.98 40.75)"])
    assert read(path) == [(1.0, 9.0)]
    assert read(path, latitude_column="where") == [(40.75, -73.98)]


def test_the_wanted_end_is_found_by_the_names(tmp_path):
    other = ["POINT (2.35 48.86)"] * len(ROWS)
    path = write(tmp_path, pickup_location=TEXTS["WKT"], dropoff_location=other)
    assert read(path) == ROWS
    assert read(path, points="dropoff") == [(48.86, 2.35)] * len(ROWS)


def test_two_columns_of_points_are_refused_with_both(tmp_path):
    path = write(tmp_path, **{"a": TEXTS["WKT"], "the other": TEXTS["WKT"]})
    with pytest.raises(
        DataError, match='several columns may hold the pickup points; choose with --lat a or --lat "the'
    ):
        read(path)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("lat_lon", {}, (30.0444, 31.2357)),
        ("lnglat", {}, (31.2357, 30.0444)),
        ("where", {"latitude_column": "where"}, (30.0444, 31.2357)),
        ("where", {"longitude_column": "where"}, (31.2357, 30.0444)),
    ],
)
def test_the_order_of_a_pair_that_may_be_either(tmp_path, name, options, expected):
    path = write(tmp_path, "csv", **{name: ["30.0444, 31.2357"] * 3})  # Cairo, or Alexandria
    assert read(path, **options) == [expected] * 3


def test_a_pair_that_may_be_either_is_refused_with_the_flags(tmp_path):
    with pytest.raises(DataError) as raised:
        read(write(tmp_path, "csv", where=["30.0444, 31.2357"] * 3))
    assert "--lat where if latitude stands first, --lon where if longitude does" in str(raised.value)


@pytest.mark.parametrize(
    "texts", [["1,234", "5,678"], ["48,86", "2,35"], ["a", "b"], ["2020-01-01", "2020-01-02"], ["0101", "0100"], [None]]
)
def test_other_text_is_no_point(tmp_path, texts):
    with pytest.raises(DataError, match="fit no known kind"):
        read(write(tmp_path, where=pa.array(texts, pa.string())))
    with pytest.raises(DataError, match="the longitude column is not named"):
        read(write(tmp_path, where=pa.array(texts, pa.string())), latitude_column="where")


def test_polygons_are_no_points(tmp_path):
    with pytest.raises(DataError, match="fit no known kind"):
        read(write(tmp_path, geometry=pa.array([shapely.to_wkb(shapely.box(0, 0, 1, 1))] * 2, pa.binary())))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_cell_that_holds_no_point_is_named(tmp_path, kind):
    texts = ["POINT (-73.98 40.75)"] * 30 + ["POINT (-73.98)", "SRID=2263;POINT (983000 199000)"]
    with pytest.raises(
        DataError, match=r"'where': not of the right type in 2 rows \(first: row 31: POINT \(-73.98\), "
    ):
        read(write(tmp_path, kind, where=texts))
    shapes = [shapely.to_wkb(shapely.Point(-73.98, 40.75))] * 30 + [b"\x01\x02"]
    with pytest.raises(DataError, match=r"'where': not of the right type in 1 row \(first: row 31: "):
        read(write(tmp_path, where=pa.array(shapes, pa.binary())))


def test_points_beyond_degrees_are_named(tmp_path):
    with pytest.raises(DataError, match=r"'where \(latitude\)': outside ±90, so not in degrees, in 3 rows"):
        read(write(tmp_path, where=["POINT (350000 6295000)"] * 3))


@pytest.mark.parametrize(
    ("names", "divisor"),
    [(("latitudeE7", "longitudeE7"), 1e7), (("start_lat_e6", "start_lng_e6"), 1e6), (("LatE5", "LonE5"), 1e5)],
)
def test_whole_numbers_of_small_parts_of_degrees(tmp_path, names, divisor):
    scaled = ([value and round(value * divisor) for value in values] for values in zip(*ROWS, strict=True))
    columns = dict(zip(names, scaled, strict=True))
    path = write(tmp_path, "csv", **columns)
    assert read(path) == ROWS
    assert read(path, latitude_column=names[0], longitude_column=names[1]) == ROWS


@pytest.mark.parametrize("names", [("y", "x"), ("POINT_Y", "POINT_X"), ("start_y", "start_x"), ("pickupY", "pickupX")])
def test_y_and_x_are_taken_where_they_hold_degrees(tmp_path, names):
    latitude, longitude = zip(*ROWS, strict=True)
    path = write(tmp_path, "csv", **{names[1]: longitude, names[0]: latitude})
    assert read(path) == ROWS
    assert DataLoader([path]).schema.title == f"Columns {names[0]} and {names[1]}, found by their names and values"


@pytest.mark.parametrize("values", [([12.0, 40.0], [33.0, 80.0]), (["a"], ["b"])])
def test_y_and_x_of_something_else_are_not_taken(tmp_path, values):
    with pytest.raises(DataError, match="fit no known kind"):
        read(write(tmp_path, "csv", y=values[0], x=values[1]))


def test_points_within_json_records(tmp_path):
    records = [
        [{"pickup": {"lat": lat, "lng": lon}, "tags": ["a"]} for lat, lon in ROWS],
        [{"pickup_location": None if lat is None else [lon, lat], "tags": []} for lat, lon in ROWS],
        [
            {"where": None if lat is None else {"type": "Point", "coordinates": [lon, lat]}, "rider": {"age": 3}}
            for lat, lon in ROWS
        ],
        {
            "locations": [
                {"latitudeE7": lat and round(lat * 1e7), "longitudeE7": lon and round(lon * 1e7)} for lat, lon in ROWS
            ]
        },
    ]
    path = tmp_path / "trips.json"
    for content in records:
        path.write_text(json.dumps(content))
        assert read(path) == ROWS
