"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Side(StrEnum):
    """Which end of a trip."""

    PICKUP = "pickup"
    DROPOFF = "dropoff"


SOURCES = "CSV or Parquet file or glob, http(s) URL, s3://bucket/key, tlc:yellow/2010-01, or synthetic:rows=1000000"

Data = Annotated[str | None, typer.Argument(metavar="DATA", help=f"{SOURCES}; without it, the synthetic city.")]
Points = Annotated[Side | None, typer.Option(help="Which end of the trips. [default: pickup]")]
Latitude = Annotated[str | None, typer.Option("--lat", metavar="COLUMN", help="Column of latitudes.")]
Longitude = Annotated[str | None, typer.Option("--lon", metavar="COLUMN", help="Column of longitudes.")]
Zones = Annotated[
    str | None, typer.Option(metavar="FILE", help="Zone polygons (zipped shapefile) for trips without points.")
]
Bbox = Annotated[str | None, typer.Option(metavar="S,W,N,E", help="Keep points inside this box, in degrees.")]
Sizes = Annotated[
    str | None, typer.Option(metavar="N,M,…", help="Samples of so many points; all is one, too. [default: all]")
]

Adapters = Annotated[str | None, typer.Option(metavar="A,B,…", help="Which to run. [default: all]")]
Reference = Annotated[str | None, typer.Option(metavar="NAME", help="Whose clustering counts. [default: sklearn]")]
Timeout = Annotated[float | None, typer.Option(metavar="S", help="Seconds a trial may take. [default: 600]")]
MemoryLimit = Annotated[str | None, typer.Option(metavar="SIZE", help="Memory of a trial, as 8GB. [default: 75 %]")]
Threads = Annotated[int | None, typer.Option(metavar="N", help="Threads of a trial. [default: all CPUs]")]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Of every random choice. [default: 0]")]

Cache = Annotated[bool, typer.Option("--cache/--no-cache", help="Take points prepared earlier.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


TRIAL_FLAGS = {
    "dataset.seed": "--seed",
    "trials.reference": "--reference",
    "trials.repeats": "--repeats",
    "trials.timeout_seconds": "--timeout",
    "trials.memory_limit": "--memory-limit",
    "trials.threads": "--threads",
    "trials.seed": "--seed",
}
"""What users call the keys of a document that these options set."""


def values_of(text: str | None) -> tuple[str, ...] | None:
    """What a list with commas holds; None for none."""
    return tuple(text.split(",")) if text else None


def parse_bbox(text: str | None) -> tuple[float, float, float, float] | None:
    """Four degrees from the option. Raises DataError for anything else."""
    from dataclasses import astuple

    from taxi_mlops.data.regions import BoundingBox

    return None if text is None else astuple(BoundingBox.parse(text))
