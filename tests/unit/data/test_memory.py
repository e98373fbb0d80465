"""Trips that are in memory, as tables: each kind of object, and what is refused."""

from __future__ import annotations

import sys
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from taxi_mlops.data.load import load_table
from taxi_mlops.data.memory import table_in_memory
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.errors import DataError, DataTypeError

LATITUDE = [-33.44, -33.45, -33.46]
LONGITUDE = [-70.65, -70.66, -70.67]


def points_of(trips, **parameters):
    request = LoadRequest().with_parameters(parameters)
    named = bool(request.latitude_column or request.longitude_column)
    return load_table(table_in_memory(trips, columns_named=named), request)


def assert_the_points(points, name, rows=(0, 1, 2)):
    assert points.latitude.tolist() == [LATITUDE[row] for row in rows]
    assert points.longitude.tolist() == [LONGITUDE[row] for row in rows]
    assert points.row.tolist() == list(rows)
    assert points.provenance.uri == name
    assert points.provenance.data_version == "in memory"


def test_an_array_holds_latitude_and_longitude():
    points = points_of(np.column_stack((LATITUDE, LONGITUDE)))
    assert_the_points(points, "numpy.ndarray")
    assert points.provenance.columns == ("latitude", "longitude")
    assert_the_points(points_of(list(zip(LATITUDE, LONGITUDE, strict=True))), "list")
    assert points_of(np.array([[-33, -70], [-34, -71]])).latitude.tolist() == [-33.0, -34.0]


def test_values_that_are_masked_or_not_finite_are_missing():
    values = np.ma.masked_invalid(np.column_stack((LATITUDE, [-70.65, np.inf, -70.67])))
    points = points_of(values)
    assert_the_points(points, "numpy.MaskedArray", rows=(0, 2))
    assert points.provenance.dropped["missing"] == 1


def test_records_have_columns():
    records = np.array(
        [(b"a", *pair) for pair in zip(LONGITUDE, LATITUDE, strict=True)],
        dtype=[("name", "S1"), ("lon", "f8"), ("lat", "f8")],
    )
    assert_the_points(points_of(records), "numpy.ndarray")


@pytest.mark.parametrize(
    ("trips", "message"),
    [
        (np.zeros((2, 5)), r"^numpy.ndarray: has shape \(2, 5\), not \(n, 2\), latitude and longitude; transpose it"),
        (np.zeros((5, 3)), r"has shape \(5, 3\), not \(n, 2\), latitude and longitude; take the two columns"),
        ([1.0, 2.0], r"^list: has shape \(2,\)"),
        ([[1.0], [2.0, 3.0]], "^list: is not an array of numbers"),
        (np.array([["a", "b"]]), "^numpy.ndarray: holds <U1, not numbers"),
        (np.array([[1.0, None]]), "holds object, not numbers"),
        (np.zeros((3, 2)), "cleaning left none of 3 rows"),
        (np.full((3, 2), 500.0), "column 'latitude': outside ±90, so not in degrees"),
        ({"latitude": LATITUDE, "longitude": [1.0]}, "^dict: its columns cannot be read"),
        ({"a": LATITUDE, "b": [1, 2, 3]}, "^dict: the columns fit no known kind of trips; columns: 'a', 'b'"),
    ],
)
def test_other_arrays_and_columns_are_refused(trips, message):
    with pytest.raises(DataError, match=message) as caught:
        points_of(trips)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("trips", [3, 3.5, object(), {1, 2}, iter([1])])
def test_other_objects_are_a_type_error(trips):
    with pytest.raises(
        DataTypeError, match=r"give a path or URL, a data frame \(pandas, Polars, GeoPandas\)"
    ) as caught:
        table_in_memory(trips)
    assert isinstance(caught.value, TypeError)


def test_columns_are_found_by_their_names():
    columns = {"id": ["a", "b", "c"], "pickup_longitude": LONGITUDE, "pickup_latitude": LATITUDE, "y": [1, 2, 3]}
    for trips, name in (
        (columns, "dict"),
        (pa.table(columns), "pyarrow.Table"),
        (pa.RecordBatch.from_pydict(columns), "pyarrow.RecordBatch"),
        (pa.table(columns).to_reader(), "pyarrow.RecordBatchReader"),
    ):
        points = points_of(trips)
        assert_the_points(points, name)
        assert points.provenance.columns == ("pickup_latitude", "pickup_longitude")


def test_columns_are_named_as_those_of_files():
    columns = {"north": LATITUDE, "east": LONGITUDE, "end_lat": LONGITUDE, "end_lng": LATITUDE}
    assert_the_points(points_of(columns, lat="north", lon="east"), "dict")
    assert_the_points(points_of(columns, lat="1", lon="2"), "dict")
    with pytest.raises(DataError, match="there is no column 'south'"):
        points_of(columns, lat="south", lon="east")


def test_a_box_and_a_sample_are_drawn_as_from_files():
    columns = {"lat": np.linspace(-33.5, -33.4, 101), "lon": np.full(101, -70.65)}
    points = points_of(columns, bbox=(-33.46, -71.0, -33.4, -70.0), sample=10, seed=3)
    assert len(points) == 10
    assert points.latitude.min() >= -33.46
    assert points.provenance.dropped["outside_region"] == 40
    assert points.provenance.dropped["not_sampled"] == 51


def test_zones_need_a_file():
    with pytest.raises(DataError, match="--zones needs a file of trips"):
        points_of({"PULocationID": [1, 2], "DOLocationID": [3, 4]}, zones="zones.zip")
    with pytest.raises(DataError, match="these trips have zone numbers and no points"):
        points_of({"PULocationID": [1, 2], "DOLocationID": [3, 4]})


def test_radians_are_refused():
    with pytest.raises(DataError, match="as in radians"):
        points_of(np.radians(np.column_stack((LATITUDE, LONGITUDE))))


class TestPandas:
    @pytest.fixture
    def pandas(self):
        return pytest.importorskip("pandas")

    def test_columns_of_a_data_frame(self, pandas):
        frame = pandas.DataFrame({"name": list("abc"), "lon": LONGITUDE, "lat": LATITUDE}, index=[7, 7, 9])
        assert_the_points(points_of(frame), "pandas.DataFrame")
        assert_the_points(points_of(frame.astype({"lat": "float64[pyarrow]"})), "pandas.DataFrame")

    def test_cells_of_several_types_are_read_as_text(self, pandas):
        frame = pandas.DataFrame(
            {"other": [object(), 3, None], "lat": [-33.44, "NA", "-33.46"], "lon": [-70.65, Decimal("-70.66"), -70.67]}
        )
        assert_the_points(points_of(frame), "pandas.DataFrame", rows=(0, 2))
        with pytest.raises(DataError, match=r"column 'lat': not of the right type in 1 row .*row 2: north"):
            points_of(frame.replace("NA", "north"))

    def test_columns_that_are_not_asked_for_are_not_converted(self, pandas):
        class Opaque:
            def __str__(self):
                raise AssertionError("was looked at")

        frame = pandas.DataFrame({"other": [Opaque()] * 3, "lat": LATITUDE, "lon": LONGITUDE})
        assert_the_points(points_of(frame), "pandas.DataFrame")

    def test_names_that_are_no_text(self, pandas):
        frame = pandas.DataFrame(np.column_stack((LATITUDE, LONGITUDE)))
        assert_the_points(points_of(frame, lat="0", lon="1"), "pandas.DataFrame")
        with pytest.raises(DataError, match="columns: '0', '1'; say which ones hold degrees"):
            points_of(frame)

    def test_a_column_that_is_there_twice_is_refused(self, pandas):
        frame = pandas.DataFrame([[-33.44, -33.44, -70.65]], columns=["lat", "lat", "lon"])
        with pytest.raises(DataError, match=r"'lat' appears more than once|several pairs of columns"):
            points_of(frame)


class TestPolars:
    @pytest.fixture
    def polars(self):
        return pytest.importorskip("polars")

    def test_columns_of_a_data_frame(self, polars):
        frame = polars.DataFrame({"name": list("abc"), "lon": LONGITUDE, "lat": LATITUDE})
        assert_the_points(points_of(frame), "polars.DataFrame")
        assert_the_points(points_of(frame.lazy()), "polars.LazyFrame")
        assert_the_points(points_of(frame.with_columns(polars.col("lat").cast(polars.String))), "polars.DataFrame")


class TestGeoPandas:
    @pytest.fixture
    def geopandas(self):
        return pytest.importorskip("geopandas")

    @pytest.fixture
    def series(self, geopandas):
        return geopandas.GeoSeries.from_xy(LONGITUDE, LATITUDE, crs="EPSG:4326")

    def test_points_in_degrees(self, geopandas, series):
        assert_the_points(points_of(series), "geopandas.GeoSeries")
        frame = geopandas.GeoDataFrame({"end_lat": LONGITUDE, "end_lng": LATITUDE}, geometry=series)
        assert_the_points(points_of(frame), "geopandas.GeoDataFrame")
        assert_the_points(points_of(frame.set_crs(None, allow_override=True)), "geopandas.GeoDataFrame")
        assert_the_points(points_of(frame, lat="end_lng", lon="end_lat"), "geopandas.GeoDataFrame")

    def test_points_in_metres_are_converted(self, series):
        points = points_of(series.to_crs("EPSG:32719"))
        assert points.provenance.crs == "EPSG:32719"
        np.testing.assert_allclose(points.latitude, LATITUDE, atol=1e-9)
        np.testing.assert_allclose(points.longitude, LONGITUDE, atol=1e-9)

    def test_points_without_a_reference_system_are_degrees_or_refused(self, series):
        metres = series.to_crs("EPSG:32719").set_crs(None, allow_override=True)
        np.testing.assert_allclose(points_of(metres, crs="EPSG:32719").latitude, LATITUDE, atol=1e-9)
        with pytest.raises(DataError, match="outside ±90, so not in degrees"):
            points_of(metres)

    def test_a_plan_without_a_place_on_earth_is_refused(self, series):
        local = series.set_crs('LOCAL_CS["site plan",UNIT["metre",1]]', allow_override=True)
        with pytest.raises(DataError, match="a system of coordinates without a code"):
            points_of(local)

    def test_missing_and_empty_points_are_dropped(self, geopandas):
        import shapely

        series = geopandas.GeoSeries(
            [shapely.Point(-70.65, -33.44), None, shapely.Point(), shapely.Point(-70.7, -33.5)]
        )
        points = points_of(series)
        assert points.row.tolist() == [0, 3]
        assert points.provenance.dropped["missing"] == 2

    def test_other_geometries_are_refused(self, series):
        with pytest.raises(DataError, match=r"holds Polygons, not points; take their \.centroid"):
            points_of(series.to_crs("EPSG:32719").buffer(10.0))


@pytest.mark.parametrize("library", ["pandas", "polars", "geopandas"])
def test_no_library_is_imported_to_look_at_an_object(library):
    import subprocess

    program = (
        "import sys, numpy; from taxi_mlops.data.memory import table_in_memory; "
        f"table_in_memory(numpy.ones((2, 2))); print({library!r} in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed == "False\n"
