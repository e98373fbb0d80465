"""The section `dataset` of every document: the trips, and which of their points are wanted."""

from __future__ import annotations

from dataclasses import astuple
from os import PathLike
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from taxi_mlops.data.coordinate_names import TripEnd
from taxi_mlops.parameters import Named, Section

if TYPE_CHECKING:
    from taxi_mlops.domain import Provenance

DELTA = "delta:"
"""Beginning of the names of tables that have versions (see `data.delta`)."""

MONTH_PATTERN = r"^\d{4}-(?:0[1-9]|1[0-2])$"

Seed = Annotated[
    int,
    Field(ge=0, lt=2**63, description="Seed of every random choice: samples, the order of trials, resampling."),
    Named("seed", "N"),
]
"""One parameter, which sets every seed of a document."""


def _box(value: object) -> tuple[float, float, float, float]:
    from taxi_mlops.data.regions import BoundingBox

    try:
        text = value if isinstance(value, str) else ",".join(map(str, value))  # type: ignore[call-overload]
        return astuple(BoundingBox.parse(text.strip().removeprefix("[").removesuffix("]")))
    except TypeError:
        raise PydanticCustomError("box", "Input should be four degrees, min_lat,min_lon,max_lat,max_lon") from None
    except ValueError as error:
        raise PydanticCustomError("box", "Input {error}", {"error": str(error)}) from None


_DEGREES: dict[str, Any] = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}

Box = Annotated[
    tuple[float, float, float, float],
    BeforeValidator(_box),
    WithJsonSchema({"anyOf": [_DEGREES, {"type": "string"}]}, mode="validation"),
]


def _crs_code(value: object) -> str:
    from taxi_mlops.data.crs import normalized

    try:
        return normalized(str(value))
    except ValueError as error:
        raise PydanticCustomError("crs", "Input {error}", {"error": str(error)}) from None


CrsCode = Annotated[str, BeforeValidator(_crs_code)]


class LoadRequest(Section):
    """The trips and points of a run."""

    source: Annotated[str | None, Named("data", "DATA", "a synthetic city of 20,000 trips", positional=True)] = Field(
        default=None,
        description="Trips: a file (CSV, Parquet, Arrow, GeoJSON, GPX, …), folder or glob, - for standard input, "
        "http(s) URL, s3://bucket/key, delta:TABLE@VERSION, tlc:yellow/2010-01, or synthetic:rows=1000000,seed=0.",
    )
    points: Annotated[TripEnd, Named("points", "pickup|dropoff")] = Field(
        default="pickup", description="Which end of the trips; not with lat and lon, which name the columns."
    )
    latitude_column: Annotated[str | None, Named("lat", "COLUMN", "found by its name")] = Field(
        default=None, description="Column of latitudes; alone, a column of both coordinates."
    )
    longitude_column: Annotated[str | None, Named("lon", "COLUMN", "found by its name")] = Field(
        default=None, description="Column of longitudes; alone, a column of pairs in which they stand first."
    )
    crs: Annotated[CrsCode | None, Named("crs", "EPSG:CODE", "the one that the file names, or degrees")] = Field(
        default=None,
        description="System of projected or other coordinates, such as EPSG:32719; they are converted to degrees.",
    )
    month: Annotated[str | None, Named("month", "YYYY-MM", "all months")] = Field(
        default=None,
        pattern=MONTH_PATTERN,
        description="Of a table of versions, only the trips that were committed as this month's.",
    )
    zones: Annotated[str | None, Named("zones", "FILE")] = Field(
        default=None, description="Zone polygons (zipped shapefile) for trips without points."
    )
    bbox: Annotated[Box | None, Named("bbox", "S,W,N,E", "a region found in the data")] = Field(
        default=None,
        description="Keep points inside this box: least latitude and longitude, then greatest, in degrees.",
    )
    sample: Annotated[int | None, Named("sample", "N", "all points")] = Field(
        default=None, ge=1, description="Draw so many of the cleaned points, uniformly without replacement."
    )
    seed: Seed = 0
    synthetic_rows: int = Field(default=20_000, ge=1, description="Trips of the synthetic city if there is no source.")


def of_version(request: LoadRequest, provenance: Provenance) -> LoadRequest:
    """Return the request with the number of the version that was read, if the source is a table that has versions."""
    if request.source is None or not request.source.startswith(DELTA):
        return request
    return request.model_copy(update={"source": provenance.uri})


class ColumnParameters(TypedDict, total=False):
    """Where a source holds the points, as keywords, for type checkers and editors; a test keeps them complete."""

    points: TripEnd
    lat: str | None
    lon: str | None
    crs: str | None


class DatasetParameters(ColumnParameters, total=False):
    """Which points of a source are wanted, as keywords, for type checkers and editors; a test keeps them complete."""

    month: str | None
    zones: str | PathLike[str] | None
    bbox: tuple[float, float, float, float] | str | None
    sample: int | None
    seed: int
