"""Labels beside the trips that they belong to, in every format."""

from __future__ import annotations

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_mlops.domain import Clustering, Points, Provenance
from taxi_mlops.errors import DataError, UsageError
from taxi_mlops.results.label_table import clustering_table, in_batches, label_table, with_trips, write_table

LABELS = np.array([0, -1, 0], dtype=np.int32)
FOUND = Clustering(LABELS, np.array([True, False, False]))


def points(row: list[int] | None, columns: tuple[str, ...] = ("lat", "lon")) -> Points:
    latitude, longitude = np.array([1.5, 2.5, 3.5]), np.array([10.25, 20.25, 30.25])
    weight = np.array([1.0, 2.0, 3.0]) if row is None else None
    provenance = Provenance("trips.csv", "columns", "1", 6, 3, columns=columns)
    return Points(latitude, longitude, weight, "f", provenance, None if row is None else np.array(row))


def trips(*columns: str, rows: int = 6, size: int = 4) -> list[pa.RecordBatch]:
    table = pa.table({name: [f"{name}{i}" for i in range(rows)] for name in columns})
    return table.to_batches(size)


def joined(given: Points, batches: list[pa.RecordBatch]) -> pa.Table:
    return pa.concat_tables(with_trips(clustering_table(given, FOUND), given, batches))


def test_each_label_stands_beside_its_own_trip():
    found = joined(points([1, 3, 5]), trips("id", "fare"))
    assert found.column_names == ["row", "latitude", "longitude", "label", "core", "id", "fare"]
    assert found["id"].to_pylist() == ["id1", "id3", "id5"]
    assert found["label"].to_pylist() == [0, -1, 0]
    assert found["core"].to_pylist() == [True, False, False]


def test_batches_without_a_point_are_passed_over():
    assert joined(points([0, 1, 5]), trips("id", size=2))["id"].to_pylist() == ["id0", "id1", "id5"]
    assert joined(points([4, 4, 5]), trips("id", size=2))["id"].to_pylist() == ["id4", "id4", "id5"]


def test_columns_of_the_same_name_are_kept_under_another_unless_the_points_came_from_them():
    found = joined(points([0, 1, 2], columns=("latitude", "longitude")), trips("latitude", "longitude", "label"))
    assert found.column_names == ["row", "latitude", "longitude", "label", "core", "trip_label"]
    assert found["trip_label"].to_pylist() == ["label0", "label1", "label2"]
    found = joined(points([0, 1, 2]), trips("latitude", "core", "trip_core"))
    assert found.column_names[5:] == ["trip_latitude", "trip_trip_core", "trip_core"]
    assert found["trip_core"].to_pylist()[0] == "trip_core0"


def test_input_that_has_become_shorter_is_an_error():
    with pytest.raises(DataError, match="was changed while it was read"):
        joined(points([0, 1, 5]), trips("id", rows=5))


def test_files_whose_columns_differ_in_type_are_an_error():
    batches = [pa.record_batch({"id": pa.array([1, 2])}), pa.record_batch({"id": pa.array(["a"])})]
    with pytest.raises(DataError, match="a column has different types in different files"):
        joined(points([0, 1, 2]), batches)


def test_points_that_stand_for_many_rows_have_no_trip():
    with pytest.raises(UsageError, match="zones stand for many"):
        joined(points(None), trips("id"))


def test_weighted_points_have_their_weight_and_no_row():
    table = clustering_table(points(None), Clustering(LABELS))
    assert table.column_names == ["latitude", "longitude", "weight", "label", "core"]
    assert table["core"].to_pylist() == [None, None, None]
    assert label_table(points([0, 1, 2]), LABELS).column_names == ["row", "latitude", "longitude", "label"]


def test_every_format_holds_the_same(tmp_path):
    table = clustering_table(points([0, 2, 4]), FOUND).append_column("fare", pa.array([1.5, float("nan"), None]))
    for kind in ("parquet", "csv", "geojson"):
        write_table(in_batches(table), tmp_path / f"labels.{kind}", kind)

    assert pq.read_table(tmp_path / "labels.parquet").slice(0, 1).to_pylist() == table.slice(0, 1).to_pylist()
    with (tmp_path / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "row": "0", "latitude": "1.5", "longitude": "10.25", "label": "0", "core": "true", "fare": "1.5"
    }  # fmt: skip
    features = json.loads((tmp_path / "labels.geojson").read_text())["features"]
    assert [feature["geometry"]["coordinates"] for feature in features] == [[10.25, 1.5], [20.25, 2.5], [30.25, 3.5]]
    assert features[1]["properties"] == {"row": 2, "label": -1, "core": False, "fare": None}


def test_csv_refuses_nested_columns(tmp_path):
    table = clustering_table(points([0, 2, 4]), FOUND).append_column("stops", pa.array([[1], [2, 3], []]))
    with pytest.raises(UsageError, match="nested column 'stops'"):
        write_table([table], tmp_path / "labels.csv", "csv")
