"""Projected coordinates: which system is likely, the conversion, and the systems that files name themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely

from taxi_mlops.data.crs import identified, likely_systems, normalized, to_degrees
from taxi_mlops.data.load import LoadRequest, load_points
from taxi_mlops.errors import DataError

SANTIAGO, LONDON, NEW_YORK, PARIS, TOKYO = (
    (-33.4489, -70.6693),
    (51.5072, -0.1276),
    (40.7512, -73.9811),
    (48.8566, 2.3522),
    (35.6812, 139.7671),
)
PLACES = {
    32719: SANTIAGO,
    27700: LONDON,
    2263: NEW_YORK,
    3857: PARIS,
    2154: PARIS,
    28992: (52.3728, 4.8936),
    31370: (50.8467, 4.3525),
    5514: (50.0875, 14.4213),
    2056: (47.3769, 8.5417),
    3435: (41.8781, -87.6298),
    32618: NEW_YORK,
    6677: TOKYO,
    2180: (52.2297, 21.0122),
}


def around(place: tuple[float, float], n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return tuple(middle + 0.02 * rng.uniform(-1, 1, n) for middle in place)


def projected(place: tuple[float, float], code: int) -> tuple[np.ndarray, np.ndarray]:
    latitude, longitude = around(place)
    return pyproj.Transformer.from_crs("EPSG:4326", code, always_xy=True).transform(longitude, latitude)


def write(folder: Path, x: np.ndarray, y: np.ndarray, header: str = "x,y") -> str:
    path = folder / "trips.csv"
    path.write_text(f"{header}\n" + "".join(f"{a:.4f},{b:.4f}\n" for a, b in zip(x, y, strict=True)))
    return str(path)


@pytest.mark.parametrize(("code", "place"), PLACES.items())
def test_the_likeliest_system_is_the_right_one(code, place):
    x, y = (float(np.median(values)) for values in projected(place, code))
    assert likely_systems(x, y)[0].code == f"EPSG:{code}"
    assert any(one.code == f"EPSG:{code}" and one.exchanged for one in likely_systems(y, x))


def test_a_zone_or_code_in_the_names_counts():
    x, y = (float(np.median(values)) for values in projected((-33.1, 151.2), 32756))
    assert likely_systems(x, y)[0].code != "EPSG:32756"
    assert likely_systems(x, y, ("x_utm56s", "y_utm56s"))[0].code == "EPSG:32756"
    assert likely_systems(x, y, ("e_32756", "n_32756"))[0].code == "EPSG:32756"


def test_nothing_is_likely_far_from_every_city():
    assert likely_systems(-5e7, 5e7) == []


@pytest.mark.parametrize(
    ("header", "code", "place", "said"),
    [
        ("x,y", 32719, SANTIAGO, r"columns y and x are not degrees; .*EPSG:32719 \(WGS 84 / UTM zone 19S, around S"),
        ("easting,northing", 27700, LONDON, "columns northing and easting are not degrees; .*--crs EPSG:27700 "),
        ("lon,lat", 2263, NEW_YORK, r"'lat': outside ±90.*--crs EPSG:2263 \(NAD83 / New York Long Island \(ftUS\)"),
        ("Y,X", 6677, TOKYO, "columns Y and X are not degrees; .*--crs EPSG:6677"),
    ],
)  # fmt: skip
def test_projected_coordinates_are_refused_with_the_system(tmp_path, settings, header, code, place, said):
    source = write(tmp_path, *projected(place, code), header=header)
    with pytest.raises(DataError, match=said):
        load_points(LoadRequest(source=source), settings)


@pytest.mark.parametrize(("code", "place"), PLACES.items())
@pytest.mark.parametrize("header", ["x,y", "lon,lat", "easting,northing"])
def test_the_given_system_is_converted(tmp_path, settings, code, place, header):
    source = write(tmp_path, *projected(place, code), header=header)
    points = load_points(LoadRequest(source=source, crs=f"EPSG:{code}"), settings)
    latitude, longitude = around(place)
    np.testing.assert_allclose(points.latitude, latitude, atol=2e-5)  # datum shifts there and back: within 2 m
    np.testing.assert_allclose(points.longitude, longitude, atol=2e-5)
    assert points.provenance.crs == f"EPSG:{code}"
    (note,) = points.provenance.notes
    assert note.startswith(f"Converted from EPSG:{code} (")


def test_northing_first_in_the_definition_changes_no_column(tmp_path, settings):
    """EPSG:6677 and 2193 define northing, then easting: columns are taken by what they hold."""
    latitude, longitude = to_degrees(np.array([-5992.8]), np.array([-35366.6]), "EPSG:6677")
    assert (round(float(latitude[0]), 3), round(float(longitude[0]), 3)) == (35.681, 139.767)


def test_missing_cells_and_zeros_keep_their_rule(tmp_path, settings):
    x, y = projected(SANTIAGO, 32719)
    x[3], y[5], x[7], y[7] = np.nan, np.nan, 0.0, 0.0
    points = load_points(LoadRequest(source=write(tmp_path, x, y), crs="EPSG:32719"), settings)
    assert {rule: count for rule, count in points.provenance.dropped.items() if count} == {"missing": 2, "zero": 1}
    assert points.row is not None
    assert 3 not in points.row


def test_columns_of_points_are_converted(tmp_path, settings):
    x, y = projected(SANTIAGO, 32719)
    latitude, longitude = around(SANTIAGO)
    path = tmp_path / "trips.parquet"
    for srid, given in ((32719, None), (0, "EPSG:32719")):
        shapes = shapely.set_srid(shapely.points(x, y), srid)
        pq.write_table(pa.table({"where": shapely.to_wkb(shapes, include_srid=srid > 0).tolist()}), path)
        points = load_points(LoadRequest(source=str(path), crs=given), settings)
        np.testing.assert_allclose(points.latitude, latitude, atol=1e-7)
        np.testing.assert_allclose(points.longitude, longitude, atol=1e-7)
        assert points.provenance.crs == "EPSG:32719"


def geoparquet(folder: Path, code: int, crs: object, native: bool = False) -> str:
    x, y = projected(NEW_YORK, code)
    column = {"encoding": "point" if native else "WKB", "geometry_types": ["Point"], "crs": crs}
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    cells = (
        pa.array([{"x": a, "y": b} for a, b in zip(x.tolist(), y.tolist(), strict=True)])
        if native
        else pa.array(shapely.to_wkb(shapely.points(x, y)).tolist())
    )
    path = folder / "trips.parquet"
    pq.write_table(pa.table({"geometry": cells}).replace_schema_metadata({"geo": json.dumps(geo)}), path)
    return str(path)


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    "crs",
    [
        pyproj.CRS(2263).to_json_dict(),
        {name: value for name, value in pyproj.CRS(2263).to_json_dict().items() if name != "id"},
        pyproj.CRS(2263).to_wkt(),
        "EPSG:2263",
    ],
    ids=["PROJJSON", "without id", "WKT", "code"],
)
def test_the_system_of_geoparquet_is_respected(tmp_path, settings, crs, native):
    points = load_points(LoadRequest(source=geoparquet(tmp_path, 2263, crs, native)), settings)
    np.testing.assert_allclose(points.latitude, around(NEW_YORK)[0], atol=1e-6)
    assert points.provenance.crs == "EPSG:2263"


def test_the_given_system_counts_before_that_of_the_file(tmp_path, settings):
    source = geoparquet(tmp_path, 2263, pyproj.CRS(32118).to_json_dict())
    points = load_points(LoadRequest(source=source, crs="EPSG:2263"), settings)
    np.testing.assert_allclose(points.latitude, around(NEW_YORK)[0], atol=1e-6)
    assert points.provenance.notes[0] == (
        "The file says that its points are in EPSG:32118; they were taken as EPSG:2263, as --crs says"
    )


def test_an_unknown_system_of_geoparquet_is_named(tmp_path, settings):
    crs = {"name": "City grid", "id": {"authority": "CITY", "code": 1}}
    with pytest.raises(DataError, match=r"trips\.parquet: CITY:1: no such system of coordinates"):
        load_points(LoadRequest(source=geoparquet(tmp_path, 2263, crs)), settings)
    crs = pyproj.CRS("+proj=tmerc +lat_0=40 +lon_0=-74 +ellps=GRS80").to_json_dict()
    with pytest.raises(DataError, match=r"a system of coordinates without a code .*or say the system with --crs"):
        load_points(LoadRequest(source=geoparquet(tmp_path, 2263, crs)), settings)


@pytest.mark.parametrize(
    "name", ["urn:ogc:def:crs:EPSG::2263", "EPSG:2263", "http://www.opengis.net/def/crs/EPSG/0/2263"]
)
def test_the_system_of_old_geojson_is_respected(tmp_path, settings, name):
    x, y = projected(NEW_YORK, 2263)
    features = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [a, b]}}
        for a, b in zip(x.tolist(), y.tolist(), strict=True)
    ]
    crs = {"type": "name", "properties": {"name": name}}
    path = tmp_path / "trips.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}))
    points = load_points(LoadRequest(source=str(path)), settings)
    np.testing.assert_allclose(points.latitude, around(NEW_YORK)[0], atol=1e-6)


def test_degrees_are_not_converted_as_lengths(tmp_path, settings):
    latitude, longitude = around(PARIS)
    source = write(tmp_path, longitude, latitude, header="lon,lat")
    with pytest.raises(DataError, match=r"lat and lon hold degrees already, not coordinates of EPSG:2154 \(RGF93"):
        load_points(LoadRequest(source=source, crs="EPSG:2154"), settings)
    points = load_points(LoadRequest(source=source, crs="OGC:CRS84"), settings)
    assert (points.provenance.crs, points.provenance.notes) == (None, ())
    nad27 = load_points(LoadRequest(source=source, crs="EPSG:4258"), settings)
    np.testing.assert_allclose(nad27.latitude, np.round(latitude, 4), atol=1e-5)
    assert nad27.provenance.crs == "EPSG:4258"


def test_a_wrong_system_is_noticed(tmp_path, settings):
    source = write(tmp_path, *projected(SANTIAGO, 32719))
    notes = load_points(LoadRequest(source=source, crs="EPSG:32618"), settings).provenance.notes
    assert "more than 100 km from every city; is it the right system? Likelier is --crs EPSG:32719 (" in notes[-1]
    source = write(tmp_path, np.full(9, 4e8), np.full(9, 4e8))
    with pytest.raises(DataError, match=r"y and x are not coordinates of EPSG:27700"):
        load_points(LoadRequest(source=source, crs="EPSG:27700"), settings)


def test_degrees_times_a_power_of_ten_are_named(tmp_path, settings):
    latitude, longitude = around(NEW_YORK)
    source = write(tmp_path, np.round(longitude * 1e6), np.round(latitude * 1e6), header="lon,lat")
    with pytest.raises(DataError, match=r"degrees times 1,000,000 \(around New York City \(US\)\); divide them"):
        load_points(LoadRequest(source=source), settings)


@pytest.mark.parametrize(
    ("crs", "said"),
    [("EPSG:99999", "EPSG:99999: no such system"), ("EPSG:5773", "is not a system of geographic or projected"),
     ("EPSG:4978", "is not a system of geographic or projected")],
)  # fmt: skip
def test_other_systems_are_refused(tmp_path, settings, crs, said):
    with pytest.raises(DataError, match=said):
        load_points(LoadRequest(source=write(tmp_path, *projected(PARIS, 2154)), crs=crs), settings)


def test_trips_without_columns_of_points_take_no_system(tmp_path, settings):
    path = tmp_path / "zones.csv"
    path.write_text("PULocationID,DOLocationID\n1,2\n")
    with pytest.raises(DataError, match="--crs is for columns of points; leave it out"):
        load_points(LoadRequest(source=str(path), crs="EPSG:2263"), settings)
    with pytest.raises(DataError, match="need a file"):
        load_points(LoadRequest(crs="EPSG:2263"), settings)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("epsg:32719", "EPSG:32719"),
        ("32719", "EPSG:32719"),
        (" ESRI:102003 ", "ESRI:102003"),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", "OGC:CRS84"),
        ("urn:ogc:def:crs:EPSG::4326", "EPSG:4326"),
        ("http://www.opengis.net/def/crs/EPSG/0/25832", "EPSG:25832"),
    ],
)
def test_codes_are_written_in_one_way(text, code):
    assert normalized(text) == code


@pytest.mark.parametrize("text", ["", "UTM", "+proj=utm +zone=19", "EPSG:", "../x", "EPSG:1\n"])
def test_what_is_no_code_is_refused(text):
    if text == "EPSG:1\n":
        assert normalized(text) == "EPSG:1"
    else:
        with pytest.raises(ValueError, match="such as EPSG:32719"):
            normalized(text)


def test_degrees_have_no_system():
    assert identified("OGC:CRS84") is identified("EPSG:4326") is None
    assert identified(pyproj.CRS(4326).to_json_dict()) is None
