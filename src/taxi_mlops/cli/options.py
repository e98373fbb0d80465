"""Options that several commands share, and what they say of a document."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from taxi_mlops.errors import UsageError

if TYPE_CHECKING:
    from taxi_mlops.settings import Settings


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


def dataset_section(
    data: str | None,
    points: Side | None,
    lat: str | None,
    lon: str | None,
    zones: str | None,
    bbox: str | None,
    seed: int | None,
) -> dict[str, Any]:
    """What the options say of the document's section `dataset`; None where they say nothing."""
    return {
        "source": data,
        "points": points.value if points else None,
        "latitude_column": lat,
        "longitude_column": lon,
        "zones": zones,
        "bbox": parse_bbox(bbox),
        "seed": seed,
    }


def trials_section(
    adapters: str | None,
    reference: str | None,
    repeats: int | None,
    timeout: float | None,
    memory_limit: str | None,
    threads: int | None,
    seed: int | None,
) -> dict[str, Any]:
    """What the options say of the document's section `trials`; None where they say nothing."""
    return {
        "adapters": values_of(adapters),
        "reference": reference,
        "repeats": repeats,
        "timeout_seconds": timeout,
        "memory_limit": memory_limit,
        "threads": threads,
        "seed": seed,
    }


def check_resume_alone(sections: Mapping[str, Mapping[str, Any]], *others: Path | None) -> None:
    """Raise UsageError where more than --resume is given."""
    if any(others) or any(value is not None for section in sections.values() for value in section.values()):
        raise UsageError("--resume takes everything from the folder's own document; give it no other options")


def new_folder(settings: Settings, beginning: str = "") -> Path:
    """Where results go that are given no folder."""
    return settings.runs_dir / f"{beginning}{datetime.now(UTC):%Y-%m-%d-%H%M%S}"


def parse_bbox(text: str | None) -> tuple[float, float, float, float] | None:
    """Four degrees from the option. Raises DataError for anything else."""
    from dataclasses import astuple

    from taxi_mlops.data.regions import BoundingBox

    return None if text is None else astuple(BoundingBox.parse(text))
