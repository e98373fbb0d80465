"""The training and the promotion of a hotspot model as validated documents."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from taxi_mlops.clustering import Threads
from taxi_mlops.data.request import ColumnParameters, LoadRequest
from taxi_mlops.parameters import Named, Without
from taxi_mlops.specification import AdapterName, ClusteringParameters, Document

FASTEST: Literal["fastest"] = "fastest"

MODEL_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
ModelName = Annotated[str, Field(pattern=MODEL_NAME, description="Name of the model in the registry.")]


class Train(Document):
    """A hotspot model, made from trips and judged on trips that it has not seen."""

    schema_version: Literal[1] = 1
    dataset: Annotated[LoadRequest, Without("zones")] = Field(default_factory=LoadRequest)
    parameters: ClusteringParameters = Field(default_factory=ClusteringParameters)
    adapter: Annotated[AdapterName, Named("adapter", "NAME")] = Field(
        default=FASTEST,
        description="Implementation that clusters; fastest takes the winner of the newest recorded comparison.",
    )
    threads: Threads = None
    name: Annotated[ModelName, Named("name", "NAME")] = "hotspots"
    time_column: Annotated[str | None, Named("time", "COLUMN", "found by its name")] = Field(
        default=None, description="Column of the time of each trip."
    )
    holdout: Annotated[float, Named("holdout", "SHARE")] = Field(
        default=0.2,
        ge=0.0,
        le=0.9,
        description="Share of the trips that the model does not see and is judged on: the last by time, else random.",
    )


class TrainParameters(ColumnParameters, total=False):
    """The parameters of a training as keywords, for type checkers and editors; a test keeps them complete."""

    month: str | None
    bbox: tuple[float, float, float, float] | str | None
    sample: int | None
    seed: int
    eps: float | Literal["auto"]
    min_samples: int
    adapter: str
    threads: int | None
    name: str
    time: str | None
    holdout: float


class Promotion(Document):
    """A version of a hotspot model, and the gates that it must pass to become champion."""

    schema_version: Literal[1] = 1
    model: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(@[a-z0-9_-]{1,64})?$"),
        Named("model", "NAME[@VERSION]", positional=True),
    ] = Field(default="hotspots@challenger", description="Name of the model, and its version by number or alias.")
    against: Annotated[str, Field(pattern="^[a-z0-9_-]{1,64}$"), Named("against", "VERSION")] = Field(
        default="champion", description="Version to compare with."
    )
    margin: Annotated[float, Named("margin", "SCORE")] = Field(
        default=0.005,
        ge=0.0,
        le=1.0,
        description="How much worse the unseen-trip score may be, by the lower end of the paired interval.",
    )
    max_vanished: Annotated[float, Named("max_vanished", "SHARE")] = Field(
        default=0.2, ge=0.0, le=1.0, description="Share of the champion's hotspots that may vanish."
    )
