"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Side(StrEnum):
    """Which end of a trip."""

    PICKUP = "pickup"
    DROPOFF = "dropoff"


SOURCES = "CSV or Parquet file or glob, http(s) URL, s3://bucket/key, or tlc:yellow/2010-01"

Points = Annotated[Side | None, typer.Option(help="Which end of the trips. [default: pickup]")]
Latitude = Annotated[str | None, typer.Option("--lat", metavar="COLUMN", help="Column of latitudes.")]
Longitude = Annotated[str | None, typer.Option("--lon", metavar="COLUMN", help="Column of longitudes.")]
Zones = Annotated[
    str | None, typer.Option(metavar="FILE", help="Zone polygons (zipped shapefile) for trips without points.")
]
Bbox = Annotated[str | None, typer.Option(metavar="S,W,N,E", help="Keep points inside this box, in degrees.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def parse_bbox(text: str | None) -> tuple[float, float, float, float] | None:
    """Four degrees from the option. Raises DataError for anything else."""
    from dataclasses import astuple

    from taxi_mlops.data.regions import BoundingBox

    return None if text is None else astuple(BoundingBox.parse(text))
