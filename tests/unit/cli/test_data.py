"""`taxi data`: the commands themselves; what they show is tested in the data room."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from taxi_mlops.cli.data import app
from taxi_mlops.errors import DataError, UsageError

runner = CliRunner()


@pytest.fixture
def city(tmp_path):
    path = tmp_path / "city.parquet"
    result = runner.invoke(app, ["synthesize", str(path), "--rows", "3000", "--seed", "4"], catch_exceptions=False)
    assert result.exit_code == 0
    assert f"wrote 3,000 trips to {path}" in result.stdout
    return path


def test_synthesize_writes_the_wanted_rows(city):
    assert pq.read_metadata(city).num_rows == 3000


def test_inspect_shows_what_is_in_a_file(city):
    result = runner.invoke(app, ["inspect", str(city)], catch_exceptions=False)
    assert result.exit_code == 0
    for shown in ("synthetic: Synthetic city", "3,000", "outside_region", "rows left", "bounding box", "█"):
        assert shown in result.stdout


def test_inspect_prints_json(city):
    result = runner.invoke(app, ["inspect", str(city), "--points", "dropoff", "--json"], catch_exceptions=False)
    document = json.loads(result.stdout)
    assert document["schema"] == "synthetic"
    assert document["columns_read"] == ["dropoff_latitude", "dropoff_longitude"]
    assert document["rows_used"] == 3000 - sum(document["dropped"].values())
    assert document["map"]["lines"]


def test_inspect_takes_columns_and_a_box(city):
    arguments = ["--lat", "dropoff_latitude", "--lon", "dropoff_longitude", "--bbox", "45,-31,46,-29", "--json"]
    result = runner.invoke(app, ["inspect", str(city), *arguments], catch_exceptions=False)
    document = json.loads(result.stdout)
    assert document["bounding_box"]["min_latitude"] >= 45
    assert document["dropped"]["outside_region"] > 500


def test_mistakes_are_raised_for_the_command_to_show(tmp_path):
    for arguments, error in (
        (["inspect", str(tmp_path / "nowhere.csv")], DataError),
        (["inspect", "x.csv", "--bbox", "1,2"], UsageError),
        (["synthesize", str(tmp_path / "x.parquet"), "--rows", "0"], UsageError),
    ):
        with pytest.raises(error):
            runner.invoke(app, arguments, catch_exceptions=False)
