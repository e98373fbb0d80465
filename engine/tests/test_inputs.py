"""What users pass for points: lists, Series, data frames, geometries, masked arrays."""

import warnings

import numpy as np
import pytest

from haversine_dbscan.clustering import dbscan, dbscan_plane
from haversine_dbscan.estimator import GridDBSCAN

PLACES = np.random.default_rng(0).normal([-33.45, -70.66], 0.005, (300, 2))
LABELS, CORE = dbscan(PLACES[:, 0], PLACES[:, 1], 100, 4)
assert LABELS.max() > 2


def pandas_frame(columns):
    return pytest.importorskip("pandas").DataFrame(columns)


def polars_frame(columns):
    return pytest.importorskip("polars").DataFrame(columns)


FRAMES = [pandas_frame, polars_frame]


@pytest.mark.parametrize("frame", FRAMES)
def test_lists_integers_and_series_are_taken(frame):
    table = frame({"lat": [1, 1, 9], "lon": [2, 2, 9]})
    for latitude, longitude in ((table["lat"], table["lon"]), ([1, 1, 9], [2, 2, 9])):
        np.testing.assert_array_equal(dbscan(latitude, longitude, 100, 2)[0], [0, 0, -1])
    np.testing.assert_array_equal(dbscan(table["lat"], table["lon"], 100, 2, table["lon"])[0], [0, 0, 1])


def test_whole_numbers_of_pandas_that_may_be_missing_are_taken():
    latitude = pytest.importorskip("pandas").Series([1, 1, 9], dtype="Int64")
    np.testing.assert_array_equal(dbscan(latitude, latitude, 100, 2)[0], [0, 0, -1])
    latitude[1] = None
    with pytest.raises(ValueError, match="must be finite, got nan at 1"):
        dbscan(latitude, latitude, 100, 2)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        ("latitude", "longitude"),
        ("lat", "lon"),
        ("LAT", "LNG"),
        ("start_lat", "start_lng"),
        ("PickupLatitude", "PickupLong"),
        ("geo.latitude", "geo.longitude"),
    ],
)
def test_columns_are_found_by_name_in_any_order(frame, latitude, longitude):
    table = frame(
        {"flat": np.full(300, 5.0), longitude: PLACES[:, 1], "plat_form": PLACES[:, 1], latitude: PLACES[:, 0]}
    )
    model = GridDBSCAN(eps=100, min_samples=4).fit(table)
    np.testing.assert_array_equal(model.labels_, LABELS)
    assert model.feature_names_in_.tolist() == [latitude, longitude]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predicted = model.predict(frame({latitude: PLACES[CORE, 0], longitude: PLACES[CORE, 1]}))
    np.testing.assert_array_equal(predicted, LABELS[CORE])


@pytest.mark.parametrize("frame", FRAMES)
def test_other_names_are_taken_in_their_order(frame):
    table = frame({"a": PLACES[:, 0], "b": PLACES[:, 1]})
    np.testing.assert_array_equal(GridDBSCAN(eps=100, min_samples=4).fit_predict(table), LABELS)
    with pytest.raises(ValueError, match=r"takes 2 columns, .* got n_features = 3"):
        GridDBSCAN().fit(frame({"lat": [1.0], "b": [2.0], "c": [3.0]}))


@pytest.mark.parametrize("frame", FRAMES)
def test_in_the_plane_names_say_nothing(frame):
    table = frame({"lon": PLACES[:, 1], "lat": PLACES[:, 0]})
    model = GridDBSCAN(eps=1e-3, min_samples=4, metric="euclidean").fit(table)
    np.testing.assert_array_equal(model.components_, PLACES[model.core_sample_indices_, ::-1])


@pytest.mark.parametrize("frame", FRAMES)
def test_several_columns_of_a_name_are_refused(frame):
    table = frame({"pickup_lat": [1.0], "pickup_lon": [1.0], "dropoff_lat": [1.0]})
    with pytest.raises(ValueError, match="several columns are named latitude: pickup_lat, dropoff_lat; pass the two"):
        GridDBSCAN().fit(table)


@pytest.mark.parametrize("crs", [None, 4326, 32719])
def test_points_of_geopandas(crs):
    geopandas = pytest.importorskip("geopandas")
    points = geopandas.GeoSeries.from_xy(PLACES[:, 1], PLACES[:, 0], crs=crs and 4326)
    if crs == 32719:
        points = points.to_crs(crs)
    model = GridDBSCAN(eps=100, min_samples=4)
    for given in (points, geopandas.GeoDataFrame({"lat": np.arange(300)}, geometry=points)):
        np.testing.assert_array_equal(model.fit_predict(given), LABELS)
        np.testing.assert_allclose(model.components_, PLACES[CORE], rtol=0, atol=1e-9)
        np.testing.assert_array_equal(model.predict(given)[CORE], LABELS[CORE])


def test_in_the_plane_geometries_stay_in_their_reference_system():
    geopandas = pytest.importorskip("geopandas")
    points = geopandas.GeoSeries.from_xy([346_000.0, 346_010.0], [6_297_000.0, 6_297_000.0], crs=32719)
    model = GridDBSCAN(eps=11, min_samples=2, metric="euclidean").fit(points)
    np.testing.assert_array_equal(model.components_, [[346_000, 6_297_000], [346_010, 6_297_000]])


@pytest.mark.parametrize(
    ("geometry", "kind"),
    [("LINESTRING (0 0, 1 1)", "LineString"), ("POINT EMPTY", "an empty Point"), (None, "nothing")],
)
def test_geometries_that_are_no_points_are_refused(geometry, kind):
    geopandas = pytest.importorskip("geopandas")
    points = geopandas.GeoSeries.from_wkt(["POINT (1 2)", geometry])
    with pytest.raises(ValueError, match=f"the geometries must be points, got {kind} in row 1"):
        GridDBSCAN().fit(points)


def test_masked_values_are_refused():
    masked = np.ma.array([1.0, 2.0, 3.0], mask=[False, False, True])
    whole = np.ma.array([1.0, 1.0, 3.0], mask=False)
    np.testing.assert_array_equal(dbscan(whole, whole, 100, 2)[0], [0, 0, -1])
    with pytest.raises(ValueError, match="latitude has masked values, the first in row 2: leave out the rows"):
        dbscan(masked, whole, 100, 2)
    with pytest.raises(ValueError, match="y has masked values"):
        dbscan_plane(whole, masked, 100, 2)
    with pytest.raises(ValueError, match="weight has masked values"):
        dbscan(whole, whole, 100, 2, masked)
    points = np.ma.array(np.zeros((4, 2)), mask=[[False, False], [False, True], [True, False], [False, False]])
    with pytest.raises(ValueError, match="X has masked values, the first in row 1"):
        GridDBSCAN().fit(points)
    with pytest.raises(ValueError, match="X has masked values"):
        GridDBSCAN(100, 1).fit([[1.0, 20.0]]).predict(points)
