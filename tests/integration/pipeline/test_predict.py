"""The clusters of new points, from a saved model and a file of trips."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from haversine_dbscan.estimator import GridDBSCAN
from haversine_dbscan.geodesy import great_circle_distance
from taxi_mlops.cli.schema import Document, json_schema
from taxi_mlops.clustering import Prediction
from taxi_mlops.data.load import open_trips
from taxi_mlops.errors import UsageError
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.predict import predict, write_prediction
from taxi_mlops.results.cluster_result import PredictionFolder
from taxi_mlops.settings import Settings

EPS = 60.0


@pytest.fixture
def settings(tmp_path):
    return Settings(cache_dir=tmp_path / "cache")


@pytest.fixture
def model(tmp_path):
    """Two stands of 40 points each."""
    generator = np.random.default_rng(0)
    stands = [generator.normal(middle, 2e-4, (40, 2)) for middle in ((-33.44, -70.65), (-33.40, -70.60))]
    fitted = GridDBSCAN(eps=EPS, min_samples=8).fit(np.concatenate(stands))
    assert fitted.labels_.max() == 1
    fitted.save(tmp_path / "model.npz")
    return fitted


@pytest.fixture
def trips(tmp_path):
    """500 points around the stands, one on another continent, one missing and one at (0, 0)."""
    generator = np.random.default_rng(1)
    around = np.column_stack((generator.uniform(-33.445, -33.395, 500), generator.uniform(-70.655, -70.595, 500)))
    around[:100] = generator.normal((-33.44, -70.65), 4e-4, (100, 2))
    around[100:200] = generator.normal((-33.40, -70.60), 4e-4, (100, 2))
    degrees = np.concatenate([[[48.85, 2.35], [np.nan, -70.6], [0.0, 0.0]], around])
    path = tmp_path / "new.csv"
    names = [f"trip {i}" for i in range(503)]
    pc.write_csv(pa.table({"lat": degrees[:, 0], "lon": degrees[:, 1], "name": names}), path)
    return path


def document(model_path, data, **parameters) -> Prediction:
    return Prediction().with_parameters({"model": str(model_path), "data": str(data), **parameters})


def test_each_point_gets_the_cluster_of_the_nearest_core_point(model, trips, settings, tmp_path):
    asked = document(tmp_path / "model.npz", trips)
    predicted = predict(asked, settings, Observer())
    folder = PredictionFolder(tmp_path / "out")
    batches = open_trips(asked.dataset, settings).rows()
    result = write_prediction(predicted, asked.model, folder, Observer(), trips=batches)

    labels = pq.read_table(folder.labels("parquet"))
    assert labels.column_names == ["row", "latitude", "longitude", "label", "lat", "lon", "name"]
    assert labels["row"].to_pylist() == [0, *range(3, 503)], "the point far away stays, as noise"
    assert labels["name"].to_pylist()[1] == "trip 3"
    degrees = np.column_stack((labels["latitude"], labels["longitude"]))
    distances = great_circle_distance(
        degrees[:, 0, None], degrees[:, 1, None], model.components_[None, :, 0], model.components_[None, :, 1]
    )
    core_labels = model.labels_[model.core_sample_indices_]
    expected = np.where(distances.min(axis=1) <= EPS, core_labels[distances.argmin(axis=1)], -1)
    np.testing.assert_array_equal(labels["label"], expected)
    assert set(expected) == {-1, 0, 1}

    inside = int(np.count_nonzero(expected >= 0))
    assert (result.n_in_clusters, result.share_in_clusters) == (inside, inside / 501)
    assert result.dataset.dropped == {"missing": 1, "zero": 1, "out_of_range": 0, "swapped": 0, "outside_region": 0}
    written = json.loads(folder.result.read_text(encoding="utf-8"))
    jsonschema.validate(written, json_schema(Document.PREDICTION_RESULT))
    assert written["model"] == {
        "path": asked.model, "eps_metres": EPS, "min_samples": 8.0, "n_clusters": 2, "n_core": len(core_labels)
    }  # fmt: skip


def test_a_box_is_applied(model, trips, settings, tmp_path):
    predicted = predict(document(tmp_path / "model.npz", trips, bbox="-34,-71,-33,-70"), settings, Observer())
    assert len(predicted.points) == 500
    assert predicted.points.provenance.dropped["outside_region"] == 1


def test_a_wrong_model_is_one_line(model, trips, settings, tmp_path):
    plane = tmp_path / "plane.npz"
    GridDBSCAN(eps=1.0, min_samples=1, metric="euclidean").fit([[0.0, 0.0]]).save(plane)
    cases = (
        (tmp_path / "missing.npz", r"cannot read the model .*missing\.npz: No such file or directory"),
        (tmp_path, "cannot read the model .*: Is a directory"),
        (trips, r"new\.csv is not a saved model: .*; name the model\.npz of a folder that taxi cluster wrote"),
        (plane, r"plane\.npz is a model of points in the plane, and trips have degrees"),
    )
    for path, message in cases:
        with pytest.raises(UsageError, match=message):
            predict(document(path, trips), settings, Observer())
