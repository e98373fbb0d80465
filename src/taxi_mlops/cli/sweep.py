"""`taxi sweep`: a grid of parameters and sizes, every cell a comparison; go on with one, or share one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from taxi_mlops.cli.options import (
    TRIAL_FLAGS,
    Adapters,
    Bbox,
    Data,
    Latitude,
    Longitude,
    MemoryLimit,
    Points,
    Quiet,
    Reference,
    Seed,
    Sizes,
    Threads,
    Timeout,
    Zones,
    parse_bbox,
    values_of,
)
from taxi_mlops.errors import UsageError

if TYPE_CHECKING:
    from taxi_mlops.recording.sweep_folder import SweepFolder
    from taxi_mlops.recording.sweep_result import SweepResult
    from taxi_mlops.settings import Settings
    from taxi_mlops.sweep import Sweep

_FLAGS = TRIAL_FLAGS | {
    "grid.eps_metres": "--eps",
    "grid.min_samples": "--min-samples",
    "grid.sizes": "--sizes",
}


def sweep(
    data: Data = None,
    points: Points = None,
    lat: Latitude = None,
    lon: Longitude = None,
    zones: Zones = None,
    bbox: Bbox = None,
    eps: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Radii in metres. [default: around what the points suggest]")
    ] = None,
    min_samples: Annotated[
        str | None, typer.Option(metavar="N,M,…", help="Points within eps, itself included. [default: 5,10,20]")
    ] = None,
    sizes: Sizes = None,
    adapters: Adapters = None,
    reference: Reference = None,
    repeats: Annotated[
        int | None, typer.Option(metavar="N", help="Timed trials of each; 0 measures quality alone. [default: 3]")
    ] = None,
    timeout: Timeout = None,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
    seed: Seed = None,
    spec: Annotated[Path | None, typer.Option(metavar="FILE", help="Sweep as TOML or YAML; flags go first.")] = None,
    output: Annotated[Path | None, typer.Option(metavar="DIR", help="New folder. [default: runs/sweep-…]")] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Go on with the sweep in this folder, beside others that do.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print sweep.json.")] = False,
    quiet: Quiet = False,
) -> None:
    """Run a comparison for every eps, min_samples and size of a grid, and show which are the best."""
    from taxi_mlops.flows.sweep import new_folder
    from taxi_mlops.recording.sweep_folder import SweepFolder
    from taxi_mlops.settings import load_settings
    from taxi_mlops.sweep import Sweep

    changes: dict[str, dict[str, Any]] = {
        "dataset": {
            "source": data,
            "points": points.value if points else None,
            "latitude_column": lat,
            "longitude_column": lon,
            "zones": zones,
            "bbox": parse_bbox(bbox),
            "seed": seed,
        },
        "grid": {"eps_metres": values_of(eps), "min_samples": values_of(min_samples), "sizes": values_of(sizes)},
        "trials": {
            "adapters": values_of(adapters),
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
            raise UsageError("--resume takes everything from the sweep's own document; give it no other options")
        _execute(None, SweepFolder(resume), settings, json, quiet)
        return
    document = (Sweep.from_file(spec) if spec else Sweep()).merged(changes, _FLAGS)
    _execute(document, SweepFolder(output or new_folder(settings)), settings, json, quiet)


def _execute(document: Sweep | None, folder: SweepFolder, settings: Settings, json: bool, quiet: bool) -> None:
    from taxi_mlops.cli.progress import watched
    from taxi_mlops.flows import sweep as steps

    try:
        with watched(quiet=quiet) as observer:
            if document is None:
                result = steps.resume(folder, settings, observer)
            else:
                result = steps.sweep(document, folder, settings, observer)
    except KeyboardInterrupt:
        if folder.document.is_file():
            typer.secho(f"stopped; go on with: taxi sweep --resume {folder.path}", fg=typer.colors.YELLOW, err=True)
        raise
    _show(result, folder, json)
    if not result.candidates:
        raise typer.Exit(1)


def _show(result: SweepResult, folder: SweepFolder, json: bool) -> None:
    from rich.console import Console

    from taxi_mlops.recording.documents import to_json
    from taxi_mlops.reports.sweep_terminal import render

    if json:
        typer.echo(to_json(result), nl=False)
        return
    console = Console(highlight=False)
    console.print(render(result))
    console.print(f"\nResults in {folder.path}/", soft_wrap=True)
    for path, what in (
        (folder.report, "heat maps and the front: open it in a browser"),
        (folder.result, "all figures"),
        (folder.path / "cells", "a run folder for each cell, with its report"),
        (folder.document, "runs the same again: taxi sweep --spec …"),
    ):
        console.print(f"  {path.name:<20} {what}", soft_wrap=True)
