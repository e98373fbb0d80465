"""`taxi schema`: the JSON Schema of a document that taxi reads or writes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer


class Document(StrEnum):
    """Documents with a schema."""

    COMPARISON = "comparison"
    CLUSTER = "cluster"
    CLUSTER_RESULT = "cluster-result"
    PREDICTION_RESULT = "prediction-result"
    SPECIFICATION = "specification"
    JOURNAL = "journal"
    SWEEP = "sweep"
    SWEEP_RESULT = "sweep-result"
    TUNE = "tune"
    TUNING_RESULT = "tuning-result"
    TRAIN = "train"
    MODEL_CARD = "model-card"


def schema(
    name: Annotated[Document, typer.Argument(metavar="NAME", help=f"{', '.join(Document)}.")],
) -> None:
    """Print the JSON Schema of a document that taxi reads or writes."""
    import json

    typer.echo(json.dumps(json_schema(name), indent=2))


def json_schema(document: Document) -> dict[str, Any]:
    """Return the JSON Schema of a document; of the journal, that of one line."""
    from taxi_mlops.clustering import Cluster
    from taxi_mlops.results.cluster_result import ClusterResult, PredictionResult
    from taxi_mlops.results.comparison import Comparison
    from taxi_mlops.results.journal import RECORD
    from taxi_mlops.results.model_card import ModelCard
    from taxi_mlops.results.sweep_result import SweepResult
    from taxi_mlops.results.tuning import TuningResult
    from taxi_mlops.specification import Specification
    from taxi_mlops.sweep import Sweep
    from taxi_mlops.training import Train, Tune

    match document:
        case Document.COMPARISON:
            schema = Comparison.model_json_schema(mode="serialization")
        case Document.CLUSTER:
            schema = Cluster.model_json_schema()
        case Document.CLUSTER_RESULT:
            schema = ClusterResult.model_json_schema(mode="serialization")
        case Document.PREDICTION_RESULT:
            schema = PredictionResult.model_json_schema(mode="serialization")
        case Document.SPECIFICATION:
            schema = Specification.model_json_schema()
        case Document.JOURNAL:
            schema = RECORD.json_schema(mode="serialization")
        case Document.SWEEP:
            schema = Sweep.model_json_schema()
        case Document.TUNE:
            schema = Tune.model_json_schema()
        case Document.TUNING_RESULT:
            schema = TuningResult.model_json_schema(mode="serialization")
        case Document.TRAIN:
            schema = Train.model_json_schema()
        case Document.MODEL_CARD:
            schema = ModelCard.model_json_schema(mode="serialization")
        case Document.SWEEP_RESULT:
            schema = SweepResult.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
