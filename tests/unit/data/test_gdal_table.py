"""Points of FlatGeobuf, GeoPackage and Shapefiles, in the system of coordinates that the file names."""

from __future__ import annotations

import gzip
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import shapely

from taxi_mlops.data.load import LoadRequest, load_points
from taxi_mlops.data.loader import DataLoader
from taxi_mlops.data.sources import data_version, identity
from taxi_mlops.errors import DataError

pyogrio = pytest.importorskip("pyogrio")
pyproj = pytest.importorskip("pyproj")

RNG = np.random.default_rng(0)
LATITUDE, LONGITUDE = 40.75 + RNG.uniform(-0.02, 0.02, 50), -73.98 + RNG.uniform(-0.02, 0.02, 50)
KINDS = {"trips.fgb": "FlatGeobuf", "trips.gpkg": "GPKG", "trips.shp": "ESRI Shapefile"}


def write(folder: Path, name: str, crs: str | None = "EPSG:4326", layer: str | None = None, **options: object) -> Path:
    """Write the points in a system of coordinates, with two fields; `geometry` other than points if it is given."""
    x, y = LONGITUDE, LATITUDE
    if crs not in {None, "EPSG:4326"}:
        x, y = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(x, y)
    shapes = options.pop("shapes", shapely.points(x, y))
    pyogrio.raw.write(
        folder / name,
        geometry=shapely.to_wkb(shapes),
        field_data=[np.arange(50), np.array([f"note {number}" for number in range(50)])],
        fields=["number", "note"],
        geometry_type=options.pop("geometry_type", "Point"),
        crs=crs,
        driver=KINDS[name],
        layer=layer or "trips",
        **options,
    )
    return folder / name


def degrees(path: Path) -> tuple[np.ndarray, np.ndarray]:
    points = load_points(LoadRequest(source=str(path)), SETTINGS)
    order = np.argsort(points.latitude)
    return points.latitude[order], points.longitude[order]


SETTINGS = None


@pytest.fixture(autouse=True)
def _settings(settings, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "SETTINGS", settings)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:2263", "EPSG:32618", "EPSG:3857"])
def test_points_are_read_in_degrees(tmp_path, name, crs):
    path = write(tmp_path, name, crs)
    latitude, longitude = degrees(path)
    order = np.argsort(LATITUDE)
    np.testing.assert_allclose(latitude, LATITUDE[order], atol=1e-7)
    np.testing.assert_allclose(longitude, LONGITUDE[order], atol=1e-7)
    provenance = load_points(LoadRequest(source=str(path)), SETTINGS).provenance
    assert provenance.crs == (None if crs == "EPSG:4326" else crs)
    assert provenance.columns == ("latitude", "longitude")


@pytest.mark.parametrize("name", KINDS)
def test_the_fields_are_columns(tmp_path, name):
    loader = DataLoader([write(tmp_path, name)])
    assert loader.tables[0].columns == ("number", "note", "latitude", "longitude")
    assert loader.count_rows() == 50
    (batch,) = loader.rows()
    notes = {note: round(value, 9) for note, value in zip(*(batch.column(i).to_pylist() for i in (1, 2)), strict=True)}
    assert notes["note 7"] == round(LATITUDE[7], 9)


def test_a_zipped_shapefile_is_read(tmp_path):
    write(tmp_path, "trips.shp", "EPSG:2263")
    path = tmp_path / "trips.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for part in tmp_path.glob("trips.*"):
            if part != path:
                archive.write(part, part.name)
    np.testing.assert_allclose(degrees(path)[0], np.sort(LATITUDE), atol=1e-7)


def test_a_folder_of_a_shapefile_is_read_and_its_projection_is_a_part_of_it(tmp_path):
    path = write(tmp_path, "trips.shp", "EPSG:2263")
    np.testing.assert_allclose(degrees(tmp_path)[0], np.sort(LATITUDE), atol=1e-7)
    before = data_version([path]), identity([path])
    path.with_suffix(".prj").unlink()
    assert data_version([path]) != before[0]
    assert identity([path]) != before[1]
    with pytest.raises(DataError, match=r"look like projected coordinates: convert them with --crs EPSG:2263 \("):
        degrees(path)


def test_several_layers_of_points_and_none_are_refused(tmp_path):
    path = write(tmp_path, "trips.gpkg", layer="pickups")
    lines = np.array([shapely.LineString([(0, 0), (1, 1)])] * 50)
    write(tmp_path, "trips.gpkg", layer="routes", append=True, shapes=lines, geometry_type="LineString")
    np.testing.assert_allclose(degrees(path)[0], np.sort(LATITUDE), atol=1e-9)
    write(tmp_path, "trips.gpkg", layer="dropoffs", append=True)
    with pytest.raises(DataError, match=r"2 layers of points: pickups \(Point\), routes \(LineString\), dropoffs"):
        degrees(path)
    path = write(tmp_path, "trips.fgb", shapes=lines, geometry_type="LineString")
    with pytest.raises(DataError, match=r"no layer of points: trips \(LineString\); export one layer of points"):
        degrees(path)


def test_missing_geometries_are_missing_points(tmp_path):
    shapes = shapely.points(LONGITUDE, LATITUDE)
    shapes[3] = None
    path = write(tmp_path, "trips.gpkg", shapes=shapes)
    assert load_points(LoadRequest(source=str(path)), SETTINGS).provenance.dropped["missing"] == 1


def test_geometries_of_several_kinds_are_named(tmp_path):
    shapes = shapely.points(LONGITUDE, LATITUDE)
    shapes[3] = shapely.LineString([(0, 0), (1, 1)])
    path = write(tmp_path, "trips.gpkg", shapes=shapes, geometry_type="Unknown")
    with pytest.raises(DataError, match="holds LineStrings, not points; take their centroids first"):
        degrees(path)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_part_of_a_file_is_one_clear_error(tmp_path, name, share):
    path = write(tmp_path, name)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match="truncated"):
        degrees(path)


def test_a_compressed_file_is_to_be_unpacked_first(tmp_path):
    path = tmp_path / "trips.fgb.gz"
    path.write_bytes(gzip.compress(write(tmp_path, "trips.fgb").read_bytes()))
    with pytest.raises(DataError, match="can only be read unpacked; unpack it first"):
        degrees(path)


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    path = write(tmp_path, "trips.fgb")
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    with pytest.raises(DataError, match=r'needs the package pyogrio: pip install "taxi-mlops\[geo\]"; or conv'):
        degrees(path)
