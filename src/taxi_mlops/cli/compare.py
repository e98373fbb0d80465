"""`taxi compare`: run a comparison, or resume one."""

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
from taxi_mlops.cli.printing import advice_to_resume, print_files, warn

if TYPE_CHECKING:
    from taxi_mlops.results.comparison import Comparison
    from taxi_mlops.results.run_folder import RunFolder


@takes("taxi_mlops.specification:Specification")
def compare(
    given: dict[str, str | None],
    spec: Spec = None,
    output: Output = None,
    resume: Resume = None,
    flow: Annotated[
        bool | None,
        typer.Option("--flow/--no-flow", help="Run as a Prefect flow. [default: if PREFECT_API_URL is set]"),
    ] = None,
    cache: Cache = True,
    json: Annotated[bool, typer.Option("--json", help="Print comparison.json.")] = False,
    quiet: Quiet = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the log.")] = False,
) -> None:
    """Run every available DBSCAN on your trips, prove which clusterings are equal, and rank them."""
    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.cli.record import print_failures
    from taxi_mlops.flows.prefect_environment import server_is_configured
    from taxi_mlops.flows.prefect_run import run_flow
    from taxi_mlops.pipeline import compare as steps
    from taxi_mlops.recording.recordings import Recordings
    from taxi_mlops.results.run_folder import RunFolder
    from taxi_mlops.specification import Specification

    specification = document_to_run(Specification, given, spec, resume)
    settings = settings_with(cache)
    folder = RunFolder(folder_to_fill(output, resume, settings))
    with (
        advice_to_resume("taxi compare", folder.path, folder.specification),
        progress_observer(quiet=quiet) as observer,
    ):
        if server_is_configured(settings) if flow is None else flow:
            comparison = run_flow(specification, folder.path, settings, observer, verbose)
        elif specification is None:
            comparison = steps.resume(folder, settings, observer, verbose)
        else:
            comparison = steps.compare(specification, folder, settings, observer, verbose)
    _show(comparison, folder, json)
    if not folder.report.is_file():
        warn(f"the report failed ({folder.log} says why); try again with: taxi report {folder.path}")
    print_failures(Recordings.read(folder).failed, folder.path)
    if not succeeded(comparison):
        raise typer.Exit(1)


def succeeded(comparison: Comparison) -> bool:
    """Return whether an adapter has a rank; if nothing was timed, whether one succeeded."""
    timed = any(result.fit_seconds for result in comparison.adapters)
    if timed:
        return any(entry.rank is not None for entry in comparison.ranking)
    return any(result.status == "ok" for result in comparison.adapters)


def _show(comparison: Comparison, folder: RunFolder, json: bool) -> None:
    from rich.console import Console

    from taxi_mlops.reports.terminal import render
    from taxi_mlops.results.documents import to_json

    if json:
        typer.echo(to_json(comparison), nl=False)
        return
    Console(highlight=False).print(render(comparison))
    files = (
        (folder.report, "the report: open it in a browser"),
        (folder.hotspots, "the clusters, for QGIS or geojson.io"),
        (folder.comparison, "all values"),
        (folder.journal, "the journal, one line for each trial"),
        (folder.labels, "the labels of every point"),
        (folder.specification, "repeats the run: taxi compare --spec …"),
    )
    print_files(folder.path, files)
