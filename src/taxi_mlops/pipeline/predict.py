"""Predict the clusters of new points with the model of an earlier clustering: `taxi predict`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from haversine_dbscan.model_file import SavedModel, load_model
from taxi_mlops.clustering import Prediction
from taxi_mlops.data.load import load_each
from taxi_mlops.domain import NOISE, FloatArray, LabelArray, Points
from taxi_mlops.errors import UsageError
from taxi_mlops.files import write_atomically
from taxi_mlops.pipeline.cluster import Stopwatch
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.resolve import threads_to_use
from taxi_mlops.results.cluster_result import ModelUsed, PredictionFolder, PredictionResult
from taxi_mlops.results.comparison import Dataset
from taxi_mlops.results.documents import to_json
from taxi_mlops.results.label_table import LabelFormat, in_batches, label_table, with_trips, write_table
from taxi_mlops.results.new_folder import filled_folder
from taxi_mlops.settings import Settings
from taxi_mlops.trials.machine import describe_machine

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_POINTS = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """New points and their clusters: int32 (n,), −1 if no core point of the model is within eps.

    seconds: wall-clock time of each stage so far, by name.
    """

    model: SavedModel
    points: Points
    labels: LabelArray
    created_at: datetime
    seconds: Mapping[str, float]


def predict(document: Prediction, settings: Settings, observer: Observer) -> Predicted:
    """Load the points and label them. Raises UsageError for an unusable model, DataError for unusable trips."""
    model, threads = read_model(Path(document.model)), threads_to_use(document.threads)
    watch = Stopwatch()
    with watch.stage("load"):
        points = load_each(document.dataset, settings, observer.loading)
    observer.stage("Predicting")
    with watch.stage("predict"):
        labels = predict_labels(model, points.latitude, points.longitude, threads)
    return Predicted(model, points, labels, datetime.now(UTC), watch.seconds)


def read_model(path: Path) -> SavedModel:
    """Read a model of points in degrees. Raises UsageError if the file is not one."""
    try:
        model = load_model(path)
    except ValueError as error:
        raise UsageError(f"{error}; name the model.npz of a folder that taxi cluster wrote") from None
    except OSError as error:
        raise UsageError(f"cannot read the model {path}: {error.strerror or error}") from None
    if model.metric != "great_circle":
        raise UsageError(f"{path} is a model of points in the plane, and trips have degrees; fit it with great_circle")
    return model


def predict_labels(model: SavedModel, latitude: FloatArray, longitude: FloatArray, threads: int) -> LabelArray:
    """Return the cluster of the nearest core point within eps of each point, int32 (n,), or −1. Degrees in range."""
    from haversine_dbscan.nearest import NearestCore

    core = model.components
    nearest = NearestCore(core[:, 1], core[:, 0], model.labels, model.eps, spherical=True)
    labels = np.empty(len(latitude), dtype=np.int32)
    for first in range(0, len(latitude), _BATCH_POINTS):
        batch = slice(first, first + _BATCH_POINTS)
        labels[batch] = nearest.predict(longitude[batch], latitude[batch], threads)
    return labels


def write_prediction(
    predicted: Predicted,
    path: str,
    folder: PredictionFolder,
    observer: Observer,
    kind: LabelFormat = "parquet",
    trips: Iterable[pa.RecordBatch] | None = None,
) -> PredictionResult:
    """Write labels and document into a new folder, which appears under its name once it is complete.

    path: of the model. trips: all rows of the input; their columns are then written beside the labels. Raises what
    `write_clusters` raises.
    """
    watch, points = Stopwatch(dict(predicted.seconds)), predicted.points
    with filled_folder(folder.path) as hidden_path:
        hidden = PredictionFolder(hidden_path)
        observer.stage("Writing the labels")
        with watch.stage("write_labels"):
            table = label_table(points, predicted.labels)
            batches = in_batches(table) if trips is None else with_trips(table, points, trips)
            write_table(batches, hidden.labels(kind), kind)
        inside = int(np.count_nonzero(predicted.labels != NOISE))
        model = predicted.model
        result = PredictionResult(
            created_at=predicted.created_at,
            dataset=Dataset.of(points.provenance, points.fingerprint, len(points), weighted=False),
            model=ModelUsed(
                path=path,
                eps_metres=model.eps,
                min_samples=model.min_samples,
                n_clusters=len(np.unique(model.labels)),
                n_core=len(model.labels),
            ),
            n_in_clusters=inside,
            share_in_clusters=inside / len(points),
            seconds=watch.seconds,
            labels=hidden.labels(kind).name,
            warnings=points.provenance.notes,
            machine=describe_machine(),
        )
        write_atomically(hidden.result, to_json(result))
    return result
