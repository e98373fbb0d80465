"""One clustering from Python: the same answer as the command line's, labels of new points, maps, files."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import taxi_mlops as taxi
from taxi_mlops.api import clusters as module
from taxi_mlops.api.showing import Page
from taxi_mlops.errors import (
    AdapterUnavailableError,
    DataError,
    DataNotFoundError,
    LibraryMissingError,
    RunFolderError,
    UnknownParameterError,
    UsageError,
)
from taxi_mlops.testing.oracle import brute_force_dbscan


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("TAXI_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def columns():
    """Two stands of 60 and 40 pickups, ten far apart, and a row without a point."""
    generator = np.random.default_rng(0)
    stands = np.repeat([[-33.44, -70.65], [-33.40, -70.60]], [60, 40], axis=0)
    points = np.concatenate((stands + generator.normal(0.0, 2e-4, stands.shape), [[-33.3, -70.5]] * 10, [[0.0, 0.0]]))
    points[100:110] += np.arange(10)[:, None] * 0.01
    return {"lat": points[:, 0], "lon": points[:, 1]}


@pytest.fixture(scope="module")
def hotspots(columns):
    return taxi.cluster(columns, eps=60, min_samples=8)


def test_the_clusters_are_those_of_dbscan(columns, hotspots):
    expected = brute_force_dbscan(columns["lat"][:110], columns["lon"][:110], 60.0, 8)
    np.testing.assert_array_equal(hotspots.labels, expected.labels)
    np.testing.assert_array_equal(hotspots.core, expected.core_mask)
    assert (hotspots.n_clusters, hotspots.eps, hotspots.min_samples) == (2, 60.0, 8)
    assert len(hotspots.trips) == 110
    assert hotspots.result.n_noise == np.count_nonzero(expected.labels == -1)


def test_files_and_loaded_trips_give_the_same(columns, hotspots, tmp_path):
    path = tmp_path / "trips.parquet"
    pq.write_table(pa.table(columns), path)
    for trips in (path, taxi.load(path), taxi.load(columns)):
        found = taxi.cluster(trips, eps=60, min_samples=8, threads=1)
        np.testing.assert_array_equal(found.labels, hotspots.labels)
        assert found.trips.fingerprint == hotspots.trips.fingerprint


def test_a_sample_is_drawn_from_loaded_trips(columns):
    found = taxi.cluster(taxi.load(columns), eps=60, sample=50, seed=4)
    assert found.trips.fingerprint == taxi.load(columns, sample=50, seed=4).fingerprint


def test_eps_can_be_chosen_from_the_points(columns):
    found = taxi.cluster(columns, eps="auto", min_samples=8)
    assert found.eps == found.result.eps_choice.eps_metres
    assert "a rule of thumb, which eps overrides" in " ".join(repr(found).split())


def test_a_terminal_and_a_notebook_show_the_largest_clusters(hotspots):
    assert "2 clusters; " in repr(hotspots)
    assert max(map(len, repr(hotspots).splitlines())) <= 80
    html = hotspots._repr_html_()
    assert html.count("<path") == 2
    assert "<script" not in html


def test_a_frame_has_a_row_a_point(columns, hotspots):
    pytest.importorskip("pandas")
    frame = hotspots.to_frame()
    assert frame.columns.tolist() == ["row", "latitude", "longitude", "label", "core"]
    assert frame.label.tolist() == hotspots.labels.tolist()
    assert frame.row.tolist() == list(range(110))


def test_outlines_are_a_geo_data_frame(hotspots):
    pytest.importorskip("geopandas")
    frame = hotspots.to_geopandas()
    assert frame.crs == "EPSG:4326"
    assert frame["rank"].tolist() == [1, 2]
    assert frame["size"].tolist() == np.sort(np.bincount(hotspots.labels[hotspots.labels >= 0]))[::-1].tolist()
    assert frame.geometry.iloc[0].distance(frame.geometry.iloc[0].centroid) == 0.0
    assert abs(frame.geometry.iloc[0].centroid.y - -33.44) < 1e-3


def test_without_clusters_there_is_still_a_frame_and_a_map():
    pytest.importorskip("geopandas")
    alone = taxi.cluster([[45.0, -30.0], [45.1, -30.1]], eps=1)
    assert alone.n_clusters == 0
    frame = alone.to_geopandas()
    assert len(frame) == 0
    assert "size" in frame.columns
    assert isinstance(alone.explore(), Page)
    assert "a larger eps or a smaller min_samples finds clusters" in " ".join(repr(alone).split())
    assert alone.predict([[45.0, -30.0]]).tolist() == [-1]


def test_the_live_map_is_on_street_maps_where_the_libraries_are(hotspots):
    folium = pytest.importorskip("folium")
    if any(importlib.util.find_spec(name) is None for name in module._STREET_MAPS):
        pytest.skip("libraries of street maps are missing")
    drawn = hotspots.explore(tiles=None)
    assert isinstance(drawn, folium.Map)
    assert drawn.get_root().render().count('"rank": 1') >= 1


def test_the_live_map_is_a_page_of_our_own_without_them(hotspots, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "find_spec", {}.get)
    page = hotspots.explore()
    assert "Content-Security-Policy" in page.html
    framed = page._repr_html_()
    assert framed.startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert 'sandbox="allow-scripts"' in framed
    page.save(tmp_path / "map.html")
    assert (tmp_path / "map.html").read_text(encoding="utf-8") == page.html


def test_a_missing_library_is_named_with_what_installs_it(hotspots, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("taxi_mlops.api.libraries.import_module", missing)
    for call in (hotspots.to_frame, hotspots.to_geopandas, lambda: hotspots.explore(tiles=None)):
        with pytest.raises(
            LibraryMissingError, match=r"is not installed; install it with: pip install 'taxi-mlops\[not"
        ):
            call()
    assert issubclass(LibraryMissingError, ImportError)


def test_new_points_get_a_label_a_row(columns, hotspots, tmp_path):
    new = {"lat": [-33.44, np.nan, -33.40, -33.3, 0.0], "lon": [-70.65, -70.65, -70.60, -70.9, 0.0]}
    first, second = hotspots.predict([[-33.44, -70.65], [-33.40, -70.60]])
    assert {first, second} == {0, 1}
    expected = [first, -1, second, -1, -1]
    assert hotspots.predict(new).tolist() == expected
    assert hotspots.predict(new, lat="lat", lon="lon", threads=1).tolist() == expected
    path = tmp_path / "new.parquet"
    pq.write_table(pa.table(new), path)
    assert hotspots.predict(path).tolist() == expected
    assert hotspots.predict(path).dtype == np.int32


def test_loaded_trips_get_a_label_a_point(hotspots):
    predicted = hotspots.predict(hotspots.trips)
    assert len(predicted) == len(hotspots.trips)
    np.testing.assert_array_equal(predicted[hotspots.core], hotspots.labels[hotspots.core])


def test_saving_writes_what_the_command_writes(hotspots, tmp_path):
    folder = hotspots.save(tmp_path / "saved", format="csv")
    assert sorted(path.name for path in folder.iterdir()) == [
        "cluster.json",
        "clusters.html",
        "hotspots.geojson",
        "labels.csv",
        "model.npz",
    ]
    assert json.loads((folder / "cluster.json").read_text())["n_clusters"] == 2
    loaded = taxi.GridDBSCAN.load(folder / "model.npz")
    points = np.asarray(hotspots.trips)
    np.testing.assert_array_equal(loaded.predict(points), hotspots.predict(points))
    with pytest.raises(RunFolderError, match="is not empty"):
        hotspots.save(folder)
    with pytest.raises(UsageError, match=r"^format = 'xlsx': there are parquet, csv, geojson$"):
        hotspots.save(tmp_path / "other", format="xlsx")


@pytest.mark.parametrize(
    ("trips", "parameters", "kind", "built_in", "message"),
    [
        (None, {"min_sample": 3}, UnknownParameterError, TypeError, "no parameter 'min_sample'; did you mean 'min_sam"),
        (None, {"min_samples": 0}, UsageError, ValueError, "^min_samples = 0: "),
        (None, {"adapter": "nothing"}, AdapterUnavailableError, ValueError, "^there is no adapter 'nothing'"),
        ("nowhere.csv", {}, DataNotFoundError, FileNotFoundError, "^nowhere.csv: there is no such file"),
        ([[np.nan, 1.0]], {}, DataError, ValueError, "^list: "),
    ],
)
def test_errors_are_of_the_built_in_kinds(trips, parameters, kind, built_in, message):
    with pytest.raises(kind, match=message) as caught:
        taxi.cluster(trips, **parameters)
    assert isinstance(caught.value, built_in)


def test_every_parameter_is_in_the_signatures():
    assert {"trips", "eps", "min_samples", "adapter", "threads", "seed"} <= set(
        inspect.signature(taxi.cluster).parameters
    )
    assert {"trips", "lat", "lon", "points", "threads"} <= set(inspect.signature(module.Clusters.predict).parameters)


def test_its_example_runs():
    assert doctest.testmod(module).failed == 0
