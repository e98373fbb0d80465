"""`taxi sweep`: a grid of parameters and sizes, every cell a comparison; go on with one, or share one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from taxi_mlops.cli.options import Output, Quiet, Resume, Spec, check_resume_alone, flag, new_folder, takes
from taxi_mlops.cli.printing import print_files, warn

if TYPE_CHECKING:
    from taxi_mlops.recording.sweep_folder import SweepFolder
    from taxi_mlops.recording.sweep_result import SweepResult
    from taxi_mlops.settings import Settings
    from taxi_mlops.sweep import Sweep


@takes("taxi_mlops.sweep:Sweep")
def sweep(
    given: dict[str, str | None],
    spec: Spec = None,
    output: Output = None,
    resume: Resume = None,
    json: Annotated[bool, typer.Option("--json", help="Print sweep.json.")] = False,
    quiet: Quiet = False,
) -> None:
    """Run a comparison for every eps, min_samples and size of a grid, and show which are the best."""
    from taxi_mlops.recording.sweep_folder import SweepFolder
    from taxi_mlops.settings import load_settings
    from taxi_mlops.sweep import Sweep

    settings = load_settings()
    if resume is not None:
        check_resume_alone(given, spec, output)
        _execute(None, SweepFolder(resume), settings, json, quiet)
        return
    document = (Sweep.from_file(spec) if spec else Sweep()).with_parameters(given, flag)
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
