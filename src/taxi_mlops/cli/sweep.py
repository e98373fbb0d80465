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
    check_resume_alone,
    dataset_section,
    new_folder,
    trials_section,
    values_of,
)
from taxi_mlops.cli.printing import print_files, warn

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
    from taxi_mlops.recording.sweep_folder import SweepFolder
    from taxi_mlops.settings import load_settings
    from taxi_mlops.sweep import Sweep

    changes: dict[str, dict[str, Any]] = {
        "dataset": dataset_section(data, points, lat, lon, zones, bbox, seed),
        "grid": {"eps_metres": values_of(eps), "min_samples": values_of(min_samples), "sizes": values_of(sizes)},
        "trials": trials_section(adapters, reference, repeats, timeout, memory_limit, threads, seed),
    }
    settings = load_settings()
    if resume is not None:
        check_resume_alone(changes, spec, output)
        _execute(None, SweepFolder(resume), settings, json, quiet)
        return
    document = (Sweep.from_file(spec) if spec else Sweep()).merged(changes, _FLAGS)
    _execute(document, SweepFolder(output or new_folder(settings, "sweep-")), settings, json, quiet)


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
            warn(f"stopped; go on with: taxi sweep --resume {folder.path}")
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
    Console(highlight=False).print(render(result))
    files = (
        (folder.report, "heat maps and the front: open it in a browser"),
        (folder.result, "all figures"),
        (folder.cells, "a run folder for each cell, with its report"),
        (folder.document, "runs the same again: taxi sweep --spec …"),
    )
    print_files(folder.path, files)
