"""`taxi tune`: search for good parameters of a hotspot model, or resume such a search."""

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
    from taxi_mlops.results.tuning import TuningFolder, TuningResult


@takes("taxi_mlops.training:Tune")
def tune(
    given: dict[str, str | None],
    spec: Spec = None,
    output: Output = None,
    resume: Resume = None,
    cache: Cache = True,
    json: Annotated[bool, typer.Option("--json", help="Print tune.json.")] = False,
    quiet: Quiet = False,
) -> None:
    """Search for the eps and min_samples of a hotspot model with Optuna, judged on trips that it has not seen."""
    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.pipeline import tune as steps
    from taxi_mlops.results.tuning import TuningFolder
    from taxi_mlops.training import Tune

    document = document_to_run(Tune, given, spec, resume)
    settings = settings_with(cache)
    folder = TuningFolder(folder_to_fill(output, resume, settings, "tune-"))
    with advice_to_resume("taxi tune", folder.path, folder.document), progress_observer(quiet or json) as observer:
        if document is None:
            result = steps.resume(folder, settings, observer)
        else:
            result = steps.tune(document, folder, settings, observer)
    _show(result, folder, json)
    if result.best is None:
        raise typer.Exit(1)


def _show(result: TuningResult, folder: TuningFolder, json: bool) -> None:
    from rich.console import Console

    from taxi_mlops.reports.tuning_terminal import render
    from taxi_mlops.results.documents import to_json

    if json:
        typer.echo(to_json(result), nl=False)
        return
    Console(highlight=False).print(render(result), soft_wrap=True)
    files = (
        (folder.page, "history, front and map of the best: open it in a browser"),
        (folder.hotspots, "the hotspots of the best, for QGIS or geojson.io"),
        (folder.result, "all values"),
        (folder.journal, "one line for each trial"),
        (folder.document, "repeats the tuning: taxi tune --spec …"),
    )
    print_files(folder.path, files)
    if result.command is not None:
        typer.echo(f"\nTrain a model with them:\n  {result.command}")
