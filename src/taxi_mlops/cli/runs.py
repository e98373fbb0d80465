"""`taxi runs`: list runs and trials, compare two runs, analyse several together, and show trends."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from taxi_mlops.cli.options import Json
from taxi_mlops.cli.printing import plain_table, print_json, warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from taxi_mlops.runs.listing import RunFilter, RunSummary
    from taxi_mlops.runs.run_pair import AdapterPair, RunPair
    from taxi_mlops.runs.stored_trials import StoredTrial
    from taxi_mlops.settings import Settings


class _ListByDefault(TyperGroup):
    """The group `taxi runs`, which lists runs unless the first argument is one of its commands."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


Since = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], metavar="DATE", help="In UTC.")
]
DataLike = Annotated[
    str | None, typer.Option("--data", metavar="TEXT", help="Part of the data's address, or of its fingerprint.")
]

app = typer.Typer(
    cls=_ListByDefault, help="List the runs (as `list` does), compare two, analyze several, or follow all over time."
)


@app.command("list")
def list_runs(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="Only the runs in this folder. [default: the store and the runs folder]"),
    ] = None,
    adapter: Annotated[str | None, typer.Option(metavar="NAME", help="Runs of this adapter.")] = None,
    data: DataLike = None,
    since: Since = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="The newest N. [default: all]")] = None,
    json: Json = False,
) -> None:
    """List runs, the newest first: those of the experiment store, and those of the runs folder."""
    from rich.console import Console

    from taxi_mlops.runs.listing import RunFilter, RunSummary
    from taxi_mlops.runs.listing import list_runs as runs_in
    from taxi_mlops.settings import load_settings

    wanted = RunFilter(adapter, data, _utc(since), limit)
    settings = load_settings()
    found = runs_in(folder, wanted) if folder else _known(settings, wanted)
    if json:
        print_json(tuple[RunSummary, ...], found)
    elif found:
        Console(highlight=False).print(_listing(found))
    elif wanted == RunFilter(limit=limit):
        typer.echo(f"no runs in {folder or settings.runs_dir}/; start one with: taxi compare")
    else:
        typer.echo("no run matches")


@app.command("trials")
def list_trials(
    adapter: Annotated[str, typer.Argument(metavar="ADAPTER", help="Name of an adapter.")],
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="The newest N.")] = 100,
    json: Json = False,
) -> None:
    """List an adapter's trials over all runs of the experiment store, the newest first."""
    from rich.console import Console

    from taxi_mlops.runs.stored_trials import StoredTrial, stored_trials
    from taxi_mlops.service_urls import needed_experiments_url
    from taxi_mlops.settings import load_settings

    store = needed_experiments_url(load_settings())
    found = stored_trials(store, adapter, _utc(since), limit)
    if json:
        print_json(tuple[StoredTrial, ...], found)
    elif found:
        Console(highlight=False).print(_trials(found))
    else:
        typer.echo(f"no trials of {adapter!r} are recorded; `taxi runs` lists what is")


@app.command("compare")
def compare_two(
    first: Annotated[str, typer.Argument(metavar="A", help="Folder or run id; the start of it is enough.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Folder or run id; the start of it is enough.")],
    json: Json = False,
) -> None:
    """Compare two runs of the same data on the same machine. Different ones are refused."""
    from rich.console import Console

    from taxi_mlops.runs.run_pair import RunPair, compare_runs
    from taxi_mlops.runs.stored_runs import find_comparison
    from taxi_mlops.service_urls import experiments_url
    from taxi_mlops.settings import load_settings

    store = experiments_url(load_settings())
    pair = compare_runs(find_comparison(store, first), find_comparison(store, second))
    if json:
        print_json(RunPair, pair)
        return
    console = Console(highlight=False)
    console.print(f"1st: {pair.first}\n2nd: {pair.second}\n")
    console.print(_side_by_side(pair))
    for run, names in (("the 1st", pair.only_first), ("the 2nd", pair.only_second)):
        if names:
            console.print(f"only in {run}: {', '.join(names)}")
    console.print("\nIntervals cover the spread of the repeats, not changes of the host between the two runs.")


@app.command("analyze")
def analyze_runs(
    named: Annotated[list[str], typer.Argument(metavar="A B …", help="Folders or run ids; the start is enough.")],
    points: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Size to forecast the cost of. [default: 10 × the largest]")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with the plots, too.")] = None,
    json: Json = False,
) -> None:
    """Analyse runs of one machine together: how cost grows with points, and who is fast on all workloads."""
    from rich.console import Console

    from taxi_mlops.evaluation.workloads import AcrossWorkloads
    from taxi_mlops.reports.analysis_page import render_analysis
    from taxi_mlops.runs.analysis import analyze
    from taxi_mlops.runs.stored_runs import find_comparison
    from taxi_mlops.service_urls import experiments_url
    from taxi_mlops.settings import load_settings

    store = experiments_url(load_settings())
    runs = {run.run_id: run for run in (find_comparison(store, name) for name in named)}
    analysis = analyze(tuple(runs.values()), points)
    if output is not None:
        _write_page(output, render_analysis(analysis, tuple(runs.values())))
    if json:
        print_json(AcrossWorkloads, analysis)
        return
    from taxi_mlops.reports.analysis import render

    Console(highlight=False).print(render(analysis))
    if output is not None:
        typer.echo(f"wrote {output}")


def _write_page(path: Path, page: str) -> None:
    from taxi_mlops.errors import UsageError
    from taxi_mlops.files import write_atomically

    try:
        write_atomically(path, page)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


@app.command("trends")
def follow(
    adapter: Annotated[str | None, typer.Option(metavar="NAME", help="Only this adapter.")] = None,
    data: DataLike = None,
    since: Since = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the page with all plots.")] = None,
    json: Json = False,
) -> None:
    """Show the trend of every adapter on every workload over the store's runs, and regressions."""
    from rich.console import Console

    from taxi_mlops.pipeline.aggregate import write_trends
    from taxi_mlops.reports.trends import render
    from taxi_mlops.runs.listing import RunFilter
    from taxi_mlops.runs.trends import Trends
    from taxi_mlops.settings import load_settings

    wanted = RunFilter(adapter=adapter, data=data, since=_utc(since))
    trends = write_trends(load_settings(), wanted, output)
    if json:
        print_json(Trends, trends)
        return
    Console(highlight=False).print(render(trends))
    if output is not None:
        typer.echo(f"the plots are in {output}: open it in a browser")


def _utc(since: datetime | None) -> datetime | None:
    return since.replace(tzinfo=UTC) if since else None


def _known(settings: Settings, wanted: RunFilter) -> tuple[RunSummary, ...]:
    from taxi_mlops.errors import ServiceError
    from taxi_mlops.runs.listing import list_runs as runs_in
    from taxi_mlops.runs.stored_runs import known_runs
    from taxi_mlops.service_urls import experiments_url

    try:
        return known_runs(experiments_url(settings), settings.runs_dir, wanted)
    except ServiceError as error:
        warn(f"only the runs in {settings.runs_dir}/ are shown: {error}")
        return runs_in(settings.runs_dir, wanted)


def _listing(runs: Sequence[RunSummary]) -> Table:
    columns = ("begun (UTC)", "data", "points", "eps", "min", "fastest", "state", "folder")
    table = plain_table(*columns, right=("points", "eps", "min"))
    for run in runs:
        table.add_row(
            f"{run.created_at:%Y-%m-%d %H:%M}" if run.created_at else "",
            (run.uri or "").rsplit("/", 1)[-1],
            f"{run.points:,}" if run.points is not None else "",
            f"{run.eps_metres:g} m" if run.eps_metres is not None else "",
            str(run.min_samples or ""),
            ", ".join(run.winners),
            f"{run.state}, not in {' or '.join(run.unrecorded)}" if run.unrecorded else run.state,
            _relative(run.folder),
        )
    return table


def _trials(trials: Sequence[StoredTrial]) -> Table:
    from taxi_mlops.reports.units import UNDEFINED, memory, seconds

    columns = ("ended (UTC)", "run", "workload", "trial", "fit", "memory", "clusters", "status")
    table = plain_table(*columns, right=("fit", "memory", "clusters"))
    for trial in trials:
        table.add_row(
            f"{trial.finished_at:%Y-%m-%d %H:%M:%S}",
            trial.run_id,
            trial.workload,
            f"{trial.kind} {trial.block}",
            seconds(trial.fit_seconds),
            memory(trial.peak_memory_bytes),
            UNDEFINED if trial.n_clusters is None else f"{trial.n_clusters:,}",
            f"{trial.status}: {trial.cause}" if trial.cause else trial.status,
        )
    return table


def _relative(folder: Path) -> str:
    here = Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)


def _side_by_side(pair: RunPair) -> Table:
    columns = ("fit, 1st", "fit, 2nd", "2nd : 1st [95 %]", "memory", "clusters")
    table = plain_table("adapter", *columns, right=columns)
    table.columns[0].no_wrap = True
    for adapter in pair.adapters:
        table.add_row(*_cells(adapter))
    return table


def _cells(adapter: AdapterPair) -> tuple[str, ...]:
    from taxi_mlops.reports.units import UNDEFINED, memory, seconds, speedup

    times = [
        seconds(median) if status == "ok" else status
        for status, median in zip(adapter.status, adapter.fit_seconds_median, strict=True)
    ]
    peaks = [memory(peak) for peak in adapter.peak_memory_bytes]
    clusters = [UNDEFINED if count is None else f"{count:,}" for count in adapter.n_clusters]
    ratio = speedup(adapter.fit_seconds_ratio)
    return (adapter.name, *times, ratio, *(" → ".join(dict.fromkeys(cells)) for cells in (peaks, clusters)))
