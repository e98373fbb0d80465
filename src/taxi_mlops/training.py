"""The tuning, the training, the promotion and the A/B test of a hotspot model as validated documents."""

from __future__ import annotations

import re
from os import PathLike
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from taxi_mlops.clustering import Threads
from taxi_mlops.data.request import ColumnParameters, LoadRequest
from taxi_mlops.parameters import COMMA_SEPARATED, Named, Without
from taxi_mlops.specification import AdapterName, ClusteringParameters, Document, Metres, MinSamples

FASTEST: Literal["fastest"] = "fastest"

_NAME, _VERSION = "[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", "[a-z0-9_-]{1,64}"
MODEL_NAME = f"^{_NAME}$"
_MODEL_REFERENCE = f"^{_NAME}(@{_VERSION})?$"
ModelName = Annotated[str, Field(pattern=MODEL_NAME, description="Name of the model in the registry.")]


TimeColumn = Annotated[
    str | None,
    Field(description="Column of the time of each trip."),
    Named("time", "COLUMN", "found by its name"),
]


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
    time_column: TimeColumn = None
    places: Annotated[str | None, Named("places", "FILE", "no names")] = Field(
        default=None, min_length=1, description="Places with names, GeoJSON: hotspots get the name of the nearest."
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
    places: str | PathLike[str] | None
    holdout: float


_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def _seconds(value: object) -> object:
    """Convert a time such as 10m to seconds; leave every other value to pydantic."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h)?\s*", value) if isinstance(value, str) else None
    return value if found is None else float(found[1]) * _UNITS[found[2] or ""]


Seconds = Annotated[
    float,
    Field(gt=0),
    BeforeValidator(_seconds),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}]}),
]


def _ordered(bounds: tuple[float, ...] | None) -> tuple[float, ...] | None:
    if bounds and bounds[0] > bounds[-1]:
        raise PydanticCustomError("range", "Input should be LOW,HIGH: two numbers, the lower one first")
    return bounds


_Two = Field(min_length=2, max_length=2)
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Objective = Literal["unseen", "stability", "noise"]
"""What is optimised: of the first two higher is better, of the share of noise lower."""
SamplerName = Literal["tpe", "nsga2", "random"]


class Tune(Document):
    """A search for the eps and the min_samples of a hotspot model, judged as `taxi train` judges it."""

    schema_version: Literal[1] = 1
    dataset: Annotated[LoadRequest, Without("zones")] = Field(default_factory=LoadRequest)
    objectives: Annotated[tuple[Objective, ...], COMMA_SEPARATED, Named("objective", "A,B,…")] = Field(
        default=("unseen", "stability"),
        min_length=1,
        description="What is optimised, the most important first: unseen (score on unseen trips), stability (under "
        "resampling), noise (its share, as little as possible).",
    )
    noise: Annotated[tuple[Share, ...], _Two, AfterValidator(_ordered), COMMA_SEPARATED, Named("noise", "LOW,HIGH")] = (
        Field(default=(0.0, 0.5), description="Bounds of the share of noise; outside, parameters are not taken.")
    )
    trials: Annotated[int, Named("trials", "N")] = Field(
        default=200, ge=1, le=100_000, description="Pairs of eps and min_samples to try."
    )
    timeout_seconds: Annotated[Seconds | None, Named("timeout", "TIME", "none")] = Field(
        default=None, description="Time after which no further trial starts, as 90s, 10m or 1h."
    )
    eps_metres: Annotated[
        tuple[Metres, ...] | None,
        AfterValidator(_ordered),
        COMMA_SEPARATED,
        Named("eps", "LOW,HIGH", "from the distances between the points"),
    ] = Field(default=None, min_length=2, max_length=2, description="Range of eps in metres.")
    min_samples: Annotated[
        tuple[MinSamples, ...] | None,
        AfterValidator(_ordered),
        COMMA_SEPARATED,
        Named("min_samples", "LOW,HIGH", "from the number of points"),
    ] = Field(default=None, min_length=2, max_length=2, description="Range of min_samples.")
    sampler: Annotated[SamplerName, Named("sampler", "tpe|nsga2|random")] = Field(
        default="tpe", description="Optuna's sampler: tree-structured Parzen estimator, NSGA-II, or random."
    )
    threads: Threads = None
    time_column: TimeColumn = None
    holdout: Annotated[float, Named("holdout", "SHARE")] = Field(
        default=0.2,
        gt=0.0,
        le=0.5,
        description="Share of the trips that tuning leaves to `taxi train`, and of the others that trials are judged "
        "on: the last by time, else random.",
    )


class TuneParameters(ColumnParameters, total=False):
    """The parameters of a tuning as keywords, for type checkers and editors; a test keeps them complete."""

    month: str | None
    bbox: tuple[float, float, float, float] | str | None
    sample: int | None
    seed: int
    objective: tuple[Objective, ...] | str
    noise: tuple[float, ...] | str
    trials: int
    timeout: float | str | None
    eps: tuple[float, ...] | str | None
    min_samples: tuple[int, ...] | str | None
    sampler: SamplerName
    threads: int | None
    time: str | None
    holdout: float


class Promotion(Document):
    """A version of a hotspot model, and the gates that it must pass to become champion."""

    schema_version: Literal[1] = 1
    model: Annotated[
        str,
        Field(pattern=_MODEL_REFERENCE),
        Named("model", "NAME[@VERSION]", positional=True),
    ] = Field(default="hotspots@challenger", description="Name of the model, and its version by number or alias.")
    against: Annotated[str, Field(pattern=f"^{_VERSION}$"), Named("against", "VERSION")] = Field(
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


def _read_share(value: object) -> object:
    """Read 20% as 0.2."""
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            return float(value.strip()[:-1]) / 100.0
        except ValueError:
            return value
    return value


PercentOrShare = Annotated[float, BeforeValidator(_read_share)]
"""A share of 1, also written as 20%."""


class AbStart(Document):
    """An A/B test of a challenger against the champion."""

    schema_version: Literal[1] = 1
    name: Annotated[ModelName, Named("name", "NAME")] = "hotspots"
    challenger: Annotated[
        str | None,
        Field(pattern=_MODEL_REFERENCE),
        Named("challenger", "NAME@VERSION", "NAME@challenger"),
    ] = Field(default=None, description="Version to test, by number or alias.")
    share: Annotated[PercentOrShare, Named("share", "SHARE")] = Field(
        default=0.2, ge=0.01, le=0.5, description="Share of the keys that get the challenger, as 0.2 or 20%."
    )
    max_errors: Annotated[PercentOrShare, Named("max_errors", "SHARE")] = Field(
        default=0.01, ge=0.0, le=1.0, description="Guard rail: share of the challenger's answers that may fail."
    )
    max_slowdown: Annotated[float, Named("max_slowdown", "TIMES")] = Field(
        default=3.0,
        ge=1.0,
        le=1000.0,
        description="Guard rail: 90th percentile of the challenger's time, as a multiple of the champion's.",
    )
    max_noise: Annotated[PercentOrShare, Named("max_noise", "SHARE")] = Field(
        default=0.2,
        ge=0.0,
        le=1.0,
        description="Guard rail: how many more of the challenger's points may be outside of hotspots.",
    )
