"""One clustering, from a file of trips to the folder of results."""

from __future__ import annotations

import json
import subprocess
import sys

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from haversine_dbscan.estimator import GridDBSCAN
from taxi_mlops.cli.schema import Document, json_schema
from taxi_mlops.clustering import Cluster
from taxi_mlops.data.load import open_trips
from taxi_mlops.domain import AdapterInfo, Clustering
from taxi_mlops.errors import AdapterUnavailableError, RunFolderError, TaxiError, UsageError
from taxi_mlops.pipeline import cluster as steps
from taxi_mlops.pipeline.cluster_files import write_clusters
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.results.cluster_result import ClusterFolder
from taxi_mlops.settings import Settings
from taxi_mlops.testing.oracle import brute_force_dbscan


@pytest.fixture
def trips(tmp_path):
    """Two stands of 40 pickups each and 20 far apart, in three columns, the third a name; one row is missing."""
    generator = np.random.default_rng(0)
    latitude = np.concatenate([generator.normal(-33.44, 2e-4, 40), generator.normal(-33.40, 2e-4, 40)])
    longitude = np.concatenate([generator.normal(-70.65, 2e-4, 40), generator.normal(-70.60, 2e-4, 40)])
    latitude = np.concatenate([latitude, generator.uniform(-33.5, -33.3, 20), [np.nan]])
    longitude = np.concatenate([longitude, generator.uniform(-70.8, -70.5, 20), [-70.0]])
    order = generator.permutation(101)
    path = tmp_path / "trips.parquet"
    names = [f"trip {i}" for i in range(101)]
    pq.write_table(pa.table({"name": names, "lat": latitude[order], "lon": longitude[order]}), path)
    return path


@pytest.fixture
def settings(tmp_path):
    return Settings(cache_dir=tmp_path / "cache")


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def document(path, **parameters) -> Cluster:
    return Cluster().with_parameters({"data": str(path), "eps": 60, "min_samples": 8, **parameters})


def test_the_folder_holds_labels_hotspots_model_page_and_document(trips, settings, tmp_path):
    asked = document(trips)
    clusters = steps.cluster(asked, settings, Observer())
    folder = ClusterFolder(tmp_path / "out" / "here")
    result = write_clusters(clusters, folder, Observer(), trips=open_trips(asked.dataset, settings).rows())
    names = ["cluster.json", "clusters.html", "hotspots.geojson", "labels.parquet", "model.npz"]
    assert files(folder.path) == names
    assert files(folder.path.parent) == ["here"]

    source, labels = pq.read_table(trips), pq.read_table(folder.labels("parquet"))
    assert labels.column_names == ["row", "latitude", "longitude", "label", "core", "name", "lat", "lon"]
    there = np.flatnonzero(~np.isnan(source["lat"].to_numpy()))
    np.testing.assert_array_equal(labels["row"], there)
    for name in ("lat", "lon", "name"):
        assert labels[name].equals(source[name].take(there))
    degrees = np.column_stack((labels["latitude"], labels["longitude"]))
    np.testing.assert_array_equal(degrees, np.column_stack((labels["lat"], labels["lon"])))
    found = brute_force_dbscan(degrees[:, 0], degrees[:, 1], 60.0, 8)
    expected, core = found.labels, found.core_mask
    np.testing.assert_array_equal(labels["label"], expected)
    np.testing.assert_array_equal(labels["core"], core)

    model = GridDBSCAN.load(folder.model)
    assert (model.eps, model.min_samples) == (60.0, 8.0)
    np.testing.assert_array_equal(model.predict(degrees)[core], expected[core])

    written = json.loads(folder.result.read_text(encoding="utf-8"))
    jsonschema.validate(written, json_schema(Document.CLUSTER_RESULT))
    assert (written["n_clusters"], written["n_noise"], written["n_core"]) == (2, result.n_noise, int(core.sum()))
    assert written["n_noise"] == np.count_nonzero(expected == -1)
    assert written["dataset"]["columns"] == ["lat", "lon"]
    assert written["dataset"]["dropped"]["missing"] == 1
    sizes = sorted(np.bincount(expected[expected >= 0]).tolist(), reverse=True)
    assert [cluster["points"] for cluster in written["largest"]] == sizes
    assert list(written["seconds"]) == ["load", "warm_up", "prepare", "fit", "write_labels", "hotspots", "map"]
    features = json.loads(folder.hotspots.read_text(encoding="utf-8"))["features"]
    assert [feature["properties"]["size"] for feature in features] == sizes
    page = folder.page.read_text(encoding="utf-8")
    assert "2 clusters in 100 points" in page
    assert "lat, lon (columns)" in page


def test_eps_can_be_chosen_from_the_points(trips, settings):
    clusters = steps.cluster(document(trips, eps="auto"), settings, Observer())
    assert clusters.eps_choice is not None
    assert clusters.parameters.eps_metres == clusters.eps_choice.eps_metres
    assert "choose_eps" in clusters.seconds


def test_an_implementation_without_core_points_leaves_no_model(trips, settings, tmp_path, declared):
    declared("simple", lambda problem: Clustering(np.zeros(problem, dtype=np.int64)))
    clusters = steps.cluster(document(trips, adapter="simple"), settings, Observer())
    folder = ClusterFolder(tmp_path / "out")
    result = write_clusters(clusters, folder, Observer(), "csv")
    assert not folder.model.exists()
    assert (result.model, result.n_core, result.n_clusters) == (None, None, 1)
    assert "simple does not report core points, so there is no model that predicts" in result.warnings


def test_only_noise_is_a_result_with_advice(trips, settings, tmp_path):
    clusters = steps.cluster(document(trips, min_samples=90), settings, Observer())
    result = write_clusters(clusters, ClusterFolder(tmp_path / "out"), Observer(), "geojson")
    assert (result.n_clusters, result.n_noise, result.largest) == (0, 100, ())
    assert result.warnings == ("all points are noise: a larger --eps or a smaller --min-samples finds clusters",)


def test_a_folder_that_is_in_use_is_refused_and_left_as_it_is(trips, settings, tmp_path):
    clusters = steps.cluster(document(trips), settings, Observer())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(RunFolderError, match=r"out is not empty \(mine.txt, …\); name a new folder"):
        write_clusters(clusters, ClusterFolder(tmp_path / "out"), Observer())
    assert files(tmp_path / "out") == ["mine.txt"]
    with pytest.raises(RunFolderError, match=r"cannot use .* as output folder: Not a directory"):
        write_clusters(clusters, ClusterFolder(trips / "out"), Observer())


def test_whatever_stops_it_nothing_half_written_is_left(trips, settings, tmp_path):
    class Impatient(Observer):
        def stage(self, text):
            if text == "Drawing the map":
                raise KeyboardInterrupt

    clusters = steps.cluster(document(trips), settings, Observer())
    before = files(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        write_clusters(clusters, ClusterFolder(tmp_path / "out"), Impatient())
    assert files(tmp_path) == before


@pytest.fixture
def declared(monkeypatch):
    """Declares an adapter of this test alone."""

    def declare(name, fit, reason=None):
        class Adapter:
            requires, install = None, ""
            info = AdapterInfo(name, "1.0", "a test's own", exact=True, weighted=True, parallel=False, homepage="")

            def unsupported(self, workload):
                return reason

            def prepare(self, points, parameters, resources):
                return len(points)

            def warm_up(self, problem):
                pass

            def fit(self, problem):
                return fit(problem)

            def close(self):
                closed.append(name)

        monkeypatch.setattr(steps, "open_adapter", lambda _name, _cache_dir: Adapter())
        return closed

    closed = []
    return declare


def test_what_an_implementation_does_wrong_is_one_line(trips, settings, declared):
    def raising(error):
        def fit(problem):
            raise error

        return fit

    cases = (
        (raising(ValueError("no\nidea")), TaxiError, "adapter odd failed: ValueError: no idea"),
        (raising(MemoryError()), TaxiError, "adapter odd ran out of memory; take --adapter grid"),
        (lambda problem: [0] * problem, TaxiError, "gave no clustering: fit returned list, not a Clustering"),
        (lambda problem: Clustering(np.full(problem, -2, np.int32)), TaxiError, "label -2 is below -1"),
    )
    for fit, kind, message in cases:
        closed = declared("odd", fit)
        with pytest.raises(kind, match=message):
            steps.cluster(document(trips, adapter="odd"), settings, Observer())
    assert closed == ["odd"] * len(cases)
    declared("odd", raising(AssertionError), reason="too many points")
    with pytest.raises(UsageError, match="adapter odd cannot cluster these points: too many points"):
        steps.cluster(document(trips, adapter="odd"), settings, Observer())


def test_an_unknown_adapter_or_too_many_threads_are_refused_before_anything_is_read(settings, tmp_path):
    missing = tmp_path / "nowhere.parquet"
    with pytest.raises(AdapterUnavailableError, match="there is no adapter 'gridd'; available"):
        steps.cluster(document(missing, adapter="gridd"), settings, Observer())
    with pytest.raises(UsageError, match="--threads 5000 is more than"):
        steps.cluster(document(missing, threads=5000), settings, Observer())


def test_clustering_and_writing_import_neither_pandas_nor_scikit_learn(trips, settings, tmp_path):
    """Both take longer to import than the whole work on most files."""
    code = f"""
import sys
from taxi_mlops.clustering import Cluster
from taxi_mlops.pipeline.cluster import cluster
from taxi_mlops.pipeline.cluster_files import write_clusters
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.results.cluster_result import ClusterFolder
from taxi_mlops.settings import Settings
document = Cluster().with_parameters({{"data": {str(trips)!r}, "eps": 60, "min_samples": 8}})
clusters = cluster(document, Settings(cache_dir={str(settings.cache_dir)!r}), Observer())
write_clusters(clusters, ClusterFolder(__import__("pathlib").Path({str(tmp_path / "out")!r})), Observer())
print(*sorted({{name.partition(".")[0] for name in sys.modules}} & {{"pandas", "sklearn", "mlflow", "prefect"}}))
"""
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout == "\n"
    assert files(tmp_path / "out")
