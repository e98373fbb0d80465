"""`taxi compare`: run a comparison, or go on with one."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from taxi_mlops.errors import UsageError

if TYPE_CHECKING:
    from taxi_mlops.recording.comparison import Comparison
    from taxi_mlops.recording.run_folder import RunFolder
    from taxi_mlops.settings import Settings
    from taxi_mlops.specification import Specification


class Side(StrEnum):
    """Which end of a trip."""

    PICKUP = "pickup"
    DROPOFF = "dropoff"


_DATA, _PARAMETERS, _TRIALS, _RUN = "Data", "DBSCAN", "Trials", "Run"

Source = Annotated[
    str | None,
    typer.Argument(
        metavar="[DATA]",
        help="CSV or Parquet file or glob, http(s) URL, tlc:yellow/2010-01, or nothing for the synthetic city.",
    ),
]


def compare(
    data: Source = None,
    points: Annotated[Side | None, typer.Option(help="Which end of the trips.", rich_help_panel=_DATA)] = None,
    lat: Annotated[str | None, typer.Option(metavar="COLUMN", help="Latitudes.", rich_help_panel=_DATA)] = None,
    lon: Annotated[str | None, typer.Option(metavar="COLUMN", help="Longitudes.", rich_help_panel=_DATA)] = None,
    zones: Annotated[
        Path | None,
        typer.Option(help="Zone polygons (zipped shapefile) for trips without points.", rich_help_panel=_DATA),
    ] = None,
    bbox: Annotated[
        str | None,
        typer.Option(metavar="S,W,N,E", help="Keep points inside, in degrees.", rich_help_panel=_DATA),
    ] = None,
    sample: Annotated[int | None, typer.Option(metavar="N", help="Draw N points.", rich_help_panel=_DATA)] = None,
    eps: Annotated[
        float | None, typer.Option(metavar="METRES", help="Radius. [default: 100]", rich_help_panel=_PARAMETERS)
    ] = None,
    min_samples: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Points within eps, itself included. [default: 10]", rich_help_panel=_PARAMETERS
        ),
    ] = None,
    adapters: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Which to run. [default: all]", rich_help_panel=_TRIALS)
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Whose clustering counts. [default: sklearn]", rich_help_panel=_TRIALS),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(metavar="N", help="Timed trials of each. [default: 5]", rich_help_panel=_TRIALS)
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="S", help="Seconds a trial may take. [default: 600]", rich_help_panel=_TRIALS),
    ] = None,
    memory_limit: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Memory of a trial, as 8GB. [default: 75 %]", rich_help_panel=_TRIALS),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Threads of a trial. [default: all CPUs]", rich_help_panel=_TRIALS)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Of every random choice. [default: 0]", rich_help_panel=_TRIALS)
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Experiment as TOML or YAML; flags go first.", rich_help_panel=_RUN),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="New folder of the run. [default: runs/…]", rich_help_panel=_RUN)
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Go on with the run in this folder.", rich_help_panel=_RUN)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print comparison.json.", rich_help_panel=_RUN)] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.", rich_help_panel=_RUN)] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the log.", rich_help_panel=_RUN)] = False,
) -> None:
    """Run every available DBSCAN on your trips, prove which clusterings are equal, and rank them."""
    from taxi_mlops.recording.run_folder import RunFolder
    from taxi_mlops.settings import load_settings
    from taxi_mlops.specification import Specification

    changes: dict[str, dict[str, Any]] = {
        "dataset": {
            "source": data,
            "points": points.value if points else None,
            "latitude_column": lat,
            "longitude_column": lon,
            "zones": zones,
            "bbox": _bbox(bbox),
            "sample": sample,
            "seed": seed,
        },
        "parameters": {"eps_metres": eps, "min_samples": min_samples},
        "trials": {
            "adapters": tuple(adapters.split(",")) if adapters else None,
            "reference": reference,
            "repeats": repeats,
            "timeout_seconds": timeout,
            "memory_limit": memory_limit,
            "threads": threads,
            "seed": seed,
        },
    }
    settings = load_settings()
    if resume is not None:
        given = [value for section in changes.values() for value in section.values() if value is not None]
        if given or spec or output:
            raise UsageError("--resume takes everything from the run's own specification; give it no other options")
        _execute(None, RunFolder(resume), settings, json, quiet, verbose)
        return
    specification = (Specification.from_file(spec) if spec else Specification()).merged(changes)
    _execute(specification, RunFolder(output or _new_folder(settings)), settings, json, quiet, verbose)


def _execute(
    specification: Specification | None, folder: RunFolder, settings: Settings, json: bool, quiet: bool, verbose: bool
) -> None:
    from taxi_mlops.cli.progress import watched
    from taxi_mlops.flows import compare as flow

    try:
        with watched(quiet=quiet) as observer:
            if specification is None:
                comparison = flow.resume(folder, settings, observer, verbose)
            else:
                comparison = flow.compare(specification, folder, settings, observer, verbose)
    except KeyboardInterrupt:
        if folder.specification.is_file():
            typer.secho(f"stopped; go on with: taxi compare --resume {folder.path}", fg=typer.colors.YELLOW, err=True)
        raise
    _show(comparison, folder, json)
    if all(entry.rank is None for entry in comparison.ranking):
        raise typer.Exit(1)


def _show(comparison: Comparison, folder: RunFolder, json: bool) -> None:
    from rich.console import Console

    from taxi_mlops.recording.run_folder import to_json
    from taxi_mlops.reports.terminal import render

    if json:
        typer.echo(to_json(comparison), nl=False)
        return
    console = Console(highlight=False)
    console.print(render(comparison))
    console.print(f"\nResults in {folder.path}/", soft_wrap=True)
    for path, what in (
        (folder.comparison, "all figures"),
        (folder.journal, "the journal, a line a trial"),
        (folder.labels, "the labels of every point"),
        (folder.specification, "runs the same again: taxi compare --spec …"),
    ):
        console.print(f"  {path.name:<20} {what}", soft_wrap=True)


def _bbox(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--bbox takes four degrees as south,west,north,east, got {text!r}") from None


def _new_folder(settings: Settings) -> Path:
    from datetime import UTC, datetime

    return settings.runs_dir / f"{datetime.now(UTC):%Y-%m-%d-%H%M%S}"
