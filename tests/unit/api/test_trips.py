"""`load`: trips from addresses and from memory."""

from __future__ import annotations

import doctest

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import taxi_mlops as taxi
from taxi_mlops.api import trips as module
from taxi_mlops.data.load import load_points
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.domain import Points
from taxi_mlops.errors import DataError, DataNotFoundError, DataTypeError, UnknownParameterError, UsageError
from taxi_mlops.settings import Settings


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of this test alone."""
    monkeypatch.setenv("TAXI_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def columns():
    generator = np.random.default_rng(0)
    return {
        "lat": np.append(generator.normal(-33.44, 0.01, 50), 0.0),
        "lon": np.append(generator.normal(-70.65, 0.01, 50), 0.0),
    }


def test_a_path_is_read_as_the_command_line_reads_it(columns, tmp_path, cache):
    path = tmp_path / "trips.parquet"
    pq.write_table(pa.table(columns), path)
    expected = load_points(LoadRequest(source=str(path)), Settings(cache_dir=cache))
    for source in (path, str(path)):
        trips = taxi.load(source)
        assert isinstance(trips, Points)
        assert trips.fingerprint == expected.fingerprint
        assert trips.request == LoadRequest(source=str(path))
    assert taxi.load(str(tmp_path / "*.parquet"), sample=np.int64(10), seed=3).request.sample == 10


def test_the_same_trips_from_a_file_and_from_memory_are_the_same_points(columns, tmp_path):
    path = tmp_path / "trips.parquet"
    pq.write_table(pa.table(columns), path)
    in_memory = taxi.load(columns, sample=20, seed=5)
    assert in_memory.fingerprint == taxi.load(path, sample=20, seed=5).fingerprint
    assert in_memory.request is None


def test_without_a_source_it_is_the_synthetic_city():
    trips = taxi.load()
    assert trips.provenance.uri == "synthetic:rows=20000,seed=0"
    assert taxi.load("synthetic:rows=20000,seed=0").fingerprint == trips.fingerprint


def test_trips_print_what_they_are(columns):
    trips = taxi.load(columns)
    assert repr(trips) == "<Trips: 50 points of dict, 1 of 51 rows dropped (1 zero)>"
    assert trips._repr_html_() == "<p>Trips: 50 points of dict, 1 of 51 rows dropped (1 zero)</p>"
    assert len(trips) == 50


def test_trips_are_an_array_of_latitude_and_longitude(columns):
    trips = taxi.load(columns)
    assert np.asarray(trips).tolist() == np.column_stack((columns["lat"], columns["lon"]))[:50].tolist()
    assert np.asarray(trips, dtype=np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="copy"):
        np.array(trips, copy=False)


def test_trips_are_a_frame_with_the_rows_of_their_source():
    pandas = pytest.importorskip("pandas")
    source = pandas.DataFrame({"lat": [-33.4, 0.0, -33.5], "lon": [-70.6, 0.0, -70.7], "fare": [1, 2, 3]})
    trips = taxi.load(source)
    assert trips.to_frame().to_dict("list") == {"row": [0, 2], "latitude": [-33.4, -33.5], "longitude": [-70.6, -70.7]}
    assert source.iloc[trips.row].fare.tolist() == [1, 3]


def test_loaded_trips_are_returned_as_they_are(columns):
    trips = taxi.load(columns)
    assert taxi.load(trips) is trips
    with pytest.raises(UsageError, match=r"^sample: the trips are loaded already"):
        taxi.load(trips, sample=3)


@pytest.mark.parametrize(
    ("source", "parameters", "kind", "built_in", "message"),
    [
        ("nowhere.parquet", {}, DataNotFoundError, FileNotFoundError, "^nowhere.parquet: there is no such file"),
        (3, {}, DataTypeError, TypeError, "^trips cannot be read from int"),
        (None, {"latitude": "a"}, UnknownParameterError, TypeError, "no parameter 'latitude'; did you mean 'lat'"),
        (None, {"sample": 0}, UsageError, ValueError, "^sample = 0: "),
        (None, {"bbox": (1, 2, 3)}, UsageError, ValueError, r"^bbox = \(1, 2, 3\): "),
        (None, {"lat": "a"}, DataError, ValueError, "^zones, lat, lon and crs need a file"),
        ({"a": [1.5], "b": [2.5]}, {}, DataError, ValueError, 'say which ones hold degrees with lat="COLUMN", lon='),
    ],
)
def test_errors_are_of_the_built_in_kinds_and_speak_of_keywords(source, parameters, kind, built_in, message, tmp_path):
    with pytest.raises(kind, match=message) as caught:
        taxi.load(source, **parameters)
    assert isinstance(caught.value, built_in)
    assert "--" not in str(caught.value)


def test_its_example_runs():
    assert doctest.testmod(module).failed == 0
