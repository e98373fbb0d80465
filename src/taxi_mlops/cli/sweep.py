"""`taxi sweep`: run a grid of parameters and sizes, every cell a comparison; resume a sweep, or share one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from taxi_mlops.cli.options import (
    Cache,
    Output,
    Quiet,
    Resume,
    Spec,
    document_to_run,
    folder_to_fill,
    settings_with,
    takes,
)
from taxi_mlops.cli.printing import advice_to_resume, print_files

if TYPE_CHECKING:
    from taxi_mlops.results.sweep_folder import SweepFolder
    from taxi_mlops.results.sweep_result import SweepResult


@takes("taxi_mlops.sweep:Sweep")
def sweep(
    given: dict[str, str | None],
    spec: Spec = None,
    output: Output = None,
    resume: Resume = None,
    cache: Cache = True,
    json: Annotated[bool, typer.Option("--json", help="Print sweep.json.")] = False,
    quiet: Quiet = False,
) -> None:
    """Run a comparison for every eps, min_samples and size of a grid, and show which are the best."""
    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.pipeline import sweep as steps
    from taxi_mlops.results.sweep_folder import SweepFolder
    from taxi_mlops.sweep import Sweep

    document = document_to_run(Sweep, given, spec, resume)
    settings = settings_with(cache)
    folder = SweepFolder(folder_to_fill(output, resume, settings, "sweep-"))
    with advice_to_resume("taxi sweep", folder.path, folder.document), progress_observer(quiet=quiet) as observer:
        if document is None:
            result = steps.resume(folder, settings, observer)
        else:
            result = steps.sweep(document, folder, settings, observer)
    _show(result, folder, json)
    if not result.candidates:
        raise typer.Exit(1)


def _show(result: SweepResult, folder: SweepFolder, json: bool) -> None:
    from rich.console import Console

    from taxi_mlops.reports.sweep_terminal import render
    from taxi_mlops.results.documents import to_json

    if json:
        typer.echo(to_json(result), nl=False)
        return
    Console(highlight=False).print(render(result))
    files = (
        (folder.report, "heat maps and the front: open it in a browser"),
        (folder.result, "all values"),
        (folder.cells, "a run folder for each cell, with its report"),
        (folder.document, "repeats the sweep: taxi sweep --spec …"),
    )
    print_files(folder.path, files)
