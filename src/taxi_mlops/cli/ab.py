"""`taxi ab`: test a challenger against the champion, in the service that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from taxi_mlops.cli.options import DocumentCommand, Json, Quiet, document_of, takes
from taxi_mlops.cli.printing import plain_table

if TYPE_CHECKING:
    from taxi_mlops.models.ab_store import AbStore
    from taxi_mlops.results.ab_status import AbStatus, DifferenceStatus

app = typer.Typer(name="ab", help="A/B tests of two versions of a hotspot model.", no_args_is_help=True)

Name = Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the model.")]

_VERDICTS = {
    "challenger_better": "the challenger is better: taxi ab decide promotes it",
    "champion_better": "the champion is better: taxi ab decide ends the test",
    "undecided": "not decided: the interval contains 0",
    "guard_rail": "a guard rail stopped the challenger: taxi ab decide ends the test",
    "wrong_sample_ratio": "the sample ratio is wrong, so the comparison cannot be trusted",
}


@app.command("start", cls=DocumentCommand)
@takes("taxi_mlops.training:AbStart")
def start(
    given: dict[str, str | None],
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Let the challenger answer the champion's requests too, and compare.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Give a share of the keys to a challenger; the service takes it up within seconds."""
    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.models.registry import open_registry
    from taxi_mlops.pipeline.ab import start as start_test
    from taxi_mlops.settings import load_settings
    from taxi_mlops.training import AbStart

    document = document_of(AbStart, given)
    with progress_observer(quiet) as observer:
        test = start_test(document, open_registry(load_settings()), _store(), observer, shadow)
    typer.echo(
        f"A/B test of {test.model}: version {test.challenger} gets {test.share:.0%} of the keys, "
        f"version {test.champion} the others"
    )
    typer.echo(f"their hotspots cover {test.challenger_area:.2%} and {test.champion_area:.2%} of the area")


@app.command("status")
def status(name: Name = "hotspots", json: Json = False) -> None:
    """Show what the newest test of a model has found so far. Looking often does no harm."""
    from taxi_mlops.pipeline.ab import status as status_of_test

    _show(status_of_test(name, _store()), json)


@app.command("decide", cls=DocumentCommand)
@takes("taxi_mlops.training:Promotion", without=("model", "against"))
def decide(given: dict[str, str | None], name: Name = "hotspots", json: Json = False, quiet: Quiet = False) -> None:
    """Promote the challenger if it is better and passes the gates, or end the test if it is worse."""
    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.models.registry import open_registry
    from taxi_mlops.pipeline.ab import decide as decide_test
    from taxi_mlops.settings import load_settings
    from taxi_mlops.training import Promotion

    document = document_of(Promotion, given)
    with progress_observer(quiet or json) as observer:
        found = decide_test(name, document, open_registry(load_settings()), _store(), observer)
    _show(found, json)


@app.command("stop")
def stop(name: Name = "hotspots", json: Json = False) -> None:
    """End the running test without a decision; the champion gets all keys again."""
    from taxi_mlops.pipeline.ab import stop as stop_test

    _show(stop_test(name, _store()), json)


def _store() -> AbStore:
    from taxi_mlops.audit.trail import trail_of
    from taxi_mlops.models.ab_store import AbStore
    from taxi_mlops.service_urls import needed_experiments_url
    from taxi_mlops.settings import load_settings

    settings = load_settings()
    return AbStore(needed_experiments_url(settings), trail_of(settings))


def _show(found: AbStatus, json: bool) -> None:
    from rich.console import Console

    from taxi_mlops.results.documents import to_json

    if json:
        typer.echo(to_json(found), nl=False)
        return
    console = Console(highlight=False)
    ended = f", {found.decision} {found.ended_at:%Y-%m-%d %H:%M}" if found.ended_at else ", running"
    console.print(f"[bold]A/B test of {found.name}[/] since {found.started_at:%Y-%m-%d %H:%M}{ended}")
    columns = ("", "version", "keys", "outcomes", "hits", "hit rate", "area", "corrected", "noise")
    table = plain_table(*columns, right=columns[1:])
    for arm in (found.champion, found.challenger):
        table.add_row(
            arm.role,
            arm.version,
            f"{arm.keys:,}",
            f"{arm.outcomes:,}",
            f"{arm.hits:,}",
            _share(arm.hit_rate),
            _share(arm.area_share),
            _share(arm.corrected_hit_rate),
            _share(arm.noise_share),
        )
    console.print(table)
    console.print(f"difference of the hit rates            {_interval(found.difference)}")
    console.print(
        f"difference of the corrected hit rates  {_interval(found.corrected_difference)}, p = {found.p_value:.2g}"
    )
    console.print(f"sample ratio                           p = {found.sample_ratio_p_value:.2g}")
    if found.shadow is not None and found.shadow.requests:
        shadow = found.shadow
        console.print(
            f"shadow answers: {shadow.agreed / shadow.points:.2%} of {shadow.points:,} points in the same hotspot; "
            f"{shadow.seconds_per_request * 1e3:.2f} ms a request, the champion "
            f"{shadow.champion_seconds_per_request * 1e3:.2f} ms",
            soft_wrap=True,
        )
    if found.guard_rail:
        console.print(f"guard rail: {found.guard_rail}", style="red", markup=False, soft_wrap=True)
    console.print(f"{found.reason}" if found.reason else _VERDICTS[found.verdict], markup=False, soft_wrap=True)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def _interval(found: DifferenceStatus) -> str:
    return f"{found.value:+.4f} \\[{found.low:+.4f}, {found.high:+.4f}]"
