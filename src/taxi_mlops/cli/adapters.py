"""`taxi adapters`: list the implementations, check programs in other languages, and install those that are shipped."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Annotated

import typer

from taxi_mlops.cli.options import Json
from taxi_mlops.cli.printing import plain_table, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from taxi_mlops.testing.program_check import CaseResult, Counterexample

MAX_POINTS_SHOWN = 20
MAX_POINTS_WITH_DISTANCES = 4

app = typer.Typer(no_args_is_help=False)


@app.callback(invoke_without_command=True)
def adapters(context: typer.Context, json: Json = False) -> None:
    """List the DBSCAN implementations: installed or missing, and what each supports."""
    if context.invoked_subcommand is not None:
        return
    from rich.console import Console
    from rich.markup import escape

    from taxi_mlops.adapters.programs import shipped_listings
    from taxi_mlops.adapters.registry import AdapterListing, list_adapters
    from taxi_mlops.settings import load_settings

    programs = shipped_listings(load_settings().cache_dir)
    listings = tuple(sorted((*list_adapters(), *programs), key=lambda listing: listing.name))
    if json:
        print_json(tuple[AdapterListing, ...], listings)
        return
    console = Console(highlight=False)
    available = plain_table("adapter", "version", "exact", "weights", "parallel", "device", "what it is")
    others = plain_table("adapter", "", "why, and what to do")
    for table in (available, others):
        table.columns[0].no_wrap = True
    for listing in listings:
        info = listing.info
        if info is None:
            state, advice = ("missing", f"; install it with: {listing.install}") if listing.install else ("broken", "")
            others.add_row(listing.name, f"[yellow]{state}[/]", escape(f"{listing.reason}{advice}"))
            continue
        available.add_row(
            listing.name,
            info.version,
            _yes_or_no(info.exact),
            _yes_or_no(info.weighted),
            _yes_or_no(info.parallel),
            info.device,
            escape(info.summary),
        )
    console.print(available)
    if others.row_count:
        console.print("", others)
    for listing in listings:
        if listing.info is not None and listing.info.note:
            console.print(f"\n[bold]{listing.name}[/]: {escape(listing.info.note)}.")
    named = [listing.name for listing in listings if not listing.by_default]
    if named:
        console.print(f"\nA comparison runs {', '.join(named)} only if --adapters names them.")
    console.print(f"\nPrograms in other languages: {', '.join(program.name for program in programs)}.")


@app.command()
def install(name: Annotated[str, typer.Argument(help="Name of a program that comes with taxi-mlops.")]) -> None:
    """Build a program in another language in the cache: it runs npm, Maven or what else its file names."""
    from taxi_mlops.adapters.programs import install_program
    from taxi_mlops.settings import load_settings

    home = install_program(name, load_settings().cache_dir)
    typer.echo(f"installed in {home}; run it with: taxi compare --adapters sklearn,grid,{name}")


@app.command()
def check(
    file: Annotated[str, typer.Argument(help="TOML file of a program, or the name of a shipped one.")],
) -> None:
    """Run the conformance suite over a program, and show the smallest points that it gets wrong."""
    from rich.console import Console

    from taxi_mlops.adapters.programs import load_program, program_path
    from taxi_mlops.errors import AdapterUnavailableError
    from taxi_mlops.settings import load_settings
    from taxi_mlops.testing.program_check import Outcome, check_adapter

    path = program_path(file, load_settings().cache_dir)
    adapter = load_program(path)
    console = Console(highlight=False, soft_wrap=True)
    results: list[CaseResult] = []
    try:
        try:
            info = adapter.info
        except Exception as error:
            raise AdapterUnavailableError(f"{path}: {error}") from error
        console.print(f"{info.name} {info.version}, exact: {_yes_or_no(info.exact)}")
        for result in check_adapter(adapter):
            results.append(result)
            _show(console, result)
    finally:
        adapter.close()
    count = {outcome: sum(result.outcome is outcome for result in results) for outcome in Outcome}
    console.print(", ".join(f"{number} {outcome}" for outcome, number in count.items() if number))
    if count[Outcome.FAILED] or (info.exact and count[Outcome.WRONG]):
        raise typer.Exit(1)
    if info.note:
        console.print(f"its note: {info.note}", markup=False)


def _show(console: Console, result: CaseResult) -> None:
    reason = f": {result.reason}" if result.reason else ""
    console.print(f"{result.outcome:11} {result.case}{reason}", markup=False)
    if result.counterexample is not None:
        for line in _lines(result.counterexample):
            console.print(f"            {line}", markup=False)


def _lines(wrong: Counterexample) -> list[str]:
    from haversine_dbscan.geodesy import great_circle_distance

    points, parameters = wrong.workload.points, wrong.workload.parameters
    shown = min(len(points), MAX_POINTS_SHOWN)
    with_parameters = f"eps {parameters.eps_metres:g} m, min_samples {parameters.min_samples}"
    lines = [f"smallest found: {len(points)} points, {with_parameters}"]
    for i in range(shown):
        weight = "" if points.weight is None else f", weight {points.weight[i]:g}"
        lines.append(
            f"latitude {float(points.latitude[i])!r}, longitude {float(points.longitude[i])!r}{weight}: "
            f"label {wrong.found.labels[i]}, by definition {wrong.expected.labels[i]}"
        )
    for i, j in combinations(range(len(points)), 2) if len(points) <= MAX_POINTS_WITH_DISTANCES else ():
        metres = great_circle_distance(points.latitude[i], points.longitude[i], points.latitude[j], points.longitude[j])
        lines.append(f"distance of points {i} and {j}: {float(metres):.9g} m")
    return [*lines, f"and {len(points) - shown} more"] if shown < len(points) else lines


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"
