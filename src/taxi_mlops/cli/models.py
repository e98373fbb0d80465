"""`taxi models`: the versions of hotspot models in MLflow's registry, and which of them is champion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from taxi_mlops.cli.options import DocumentCommand, Json, Quiet, document_of, takes
from taxi_mlops.cli.printing import plain_table, print_facts

if TYPE_CHECKING:
    from taxi_mlops.models.registry import Registry
    from taxi_mlops.results.gates import Examination

app = typer.Typer(name="models", help="Versions of hotspot models, and which of them is champion.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the model.")]
Reference = Annotated[
    str, typer.Argument(metavar="NAME[@VERSION]", help="Name of the model, and its version by number or alias.")
]


@app.command("list")
def list_models(json: Json = False) -> None:
    """List all hotspot models with their champion and challenger."""
    from rich.console import Console

    from taxi_mlops.cli.printing import print_json
    from taxi_mlops.models.registry import CHALLENGER, CHAMPION

    registry = _registry()
    found = {name: registry.versions(name) for name in registry.names()}
    rows = [
        {
            "name": name,
            "versions": str(len(versions)),
            **{
                alias: next((one.version for one in versions if alias in one.aliases), "–")
                for alias in (CHAMPION, CHALLENGER)
            },
            "newest": f"{versions[0].created_at:%Y-%m-%d %H:%M}" if versions else "–",
        }
        for name, versions in found.items()
    ]
    if json:
        print_json(list[dict[str, str]], rows)
        return
    if not rows:
        typer.echo("No models yet: taxi train makes one.")
        return
    table = plain_table("name", "versions", CHAMPION, CHALLENGER, "newest", right=("versions", CHAMPION, CHALLENGER))
    for row in rows:
        table.add_row(*row.values())
    Console(highlight=False).print(table)


@app.command("show")
def show(model: Reference, json: Json = False) -> None:
    """Show the versions of a model, or the card and the gates of one."""
    from rich.console import Console

    from taxi_mlops.models.registry import CHALLENGER, CHAMPION, split_reference
    from taxi_mlops.pipeline.promote import fetch_card
    from taxi_mlops.reports.model_card import facts
    from taxi_mlops.results.documents import to_json

    registry = _registry()
    name, wanted = split_reference(model, "")
    versions = registry.versions(name)
    version = registry.find(
        name, wanted or (CHAMPION if any(CHAMPION in one.aliases for one in versions) else CHALLENGER)
    )
    card = fetch_card(version, registry)
    if json:
        typer.echo(to_json(card), nl=False)
        return
    console = Console(highlight=False)
    console.print(f"[bold]{name} version {version.version}[/] {', '.join(version.aliases)}")
    print_facts(console, facts(card))
    for gate in version.gates.values():
        passed = "passed" if gate.get("passed") else "failed"
        console.print(f"  gate {gate.get('name')}: {passed}: {gate.get('reason')}", soft_wrap=True, markup=False)
    if wanted:
        return
    table = plain_table(
        "version", "made", "aliases", "score", "hotspots", "data", right=("version", "score", "hotspots")
    )
    for one in versions:
        table.add_row(
            one.version,
            f"{one.created_at:%Y-%m-%d %H:%M}",
            ", ".join(one.aliases),
            one.values.get("unseen_score", "–"),
            one.values.get("hotspots", "–"),
            one.values.get("data", "–"),
        )
    console.print()
    console.print(table)


@app.command("compare", cls=DocumentCommand)
@takes("taxi_mlops.training:Promotion", required=("model",))
def compare(given: dict[str, str | None], json: Json = False, quiet: Quiet = False) -> None:
    """Compare a version with the champion, or another, by the gates of a promotion. Nothing is changed."""
    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.pipeline.promote import examine
    from taxi_mlops.training import Promotion

    document = document_of(Promotion, given)
    with progress_observer(quiet or json) as observer:
        found = examine(document, _registry(), observer)
    _show(found, json)


@app.command("promote", cls=DocumentCommand)
@takes("taxi_mlops.training:Promotion", required=("model",), without=("against",))
def promote(given: dict[str, str | None], json: Json = False, quiet: Quiet = False) -> None:
    """Make a version the champion, if it passes the gates."""
    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.pipeline.promote import promote as promote_version
    from taxi_mlops.pipeline.promote import refusal
    from taxi_mlops.training import Promotion

    document = document_of(Promotion, given)
    with progress_observer(quiet or json) as observer:
        found = promote_version(document, _registry(), observer)
    _show(found, json)
    if found.failed:
        raise refusal(found)
    typer.echo(f"\nversion {found.version} of {found.name} is champion", err=json)


@app.command("rollback")
def rollback(name: Name) -> None:
    """Make the champion before the present one champion again."""
    now, earlier = _registry().roll_back(name)
    typer.echo(f"version {earlier.version} of {name} is champion again, instead of version {now.version}")


def _registry() -> Registry:
    from taxi_mlops.models.registry import open_registry
    from taxi_mlops.settings import load_settings

    return open_registry(load_settings())


def _show(found: Examination, json: bool) -> None:
    from rich.console import Console

    from taxi_mlops.reports.model_card import changes
    from taxi_mlops.results.documents import to_json

    if json:
        typer.echo(to_json(found), nl=False)
        return
    console = Console(highlight=False)
    against = f"against version {found.against}" if found.against else "without a champion"
    console.print(f"[bold]{found.name} version {found.version}[/], {against}")
    table = plain_table("gate", "", "what was found")
    for gate in found.gates:
        table.add_row(gate.name, "[green]passed[/]" if gate.passed else "[red]failed[/]", gate.reason)
    console.print(table)
    for line in changes(found.changes) if found.changes else ():
        console.print(line, soft_wrap=True, markup=False)
