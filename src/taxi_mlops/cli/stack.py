"""`taxi stack`: run the services as processes of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from taxi_mlops.cli.options import Json
from taxi_mlops.cli.printing import print_json

if TYPE_CHECKING:
    from taxi_mlops.audit.acts import Action
    from taxi_mlops.stack.native import Stack

app = typer.Typer(
    help="Start and stop the services: PostgreSQL, Redis, an object store, Prefect, MLflow.", no_args_is_help=True
)

Folder = Annotated[Path, typer.Option("--dir", metavar="DIR", help="The stack's folder.")]
DEFAULT = Path("stack")


@app.command()
def up(
    native: Annotated[
        bool, typer.Option("--native", help="As processes of this machine; containers: make stack-up.")
    ] = False,
    folder: Folder = DEFAULT,
    services: Annotated[
        str, typer.Option(metavar="A,B,…", help="Only these, and what they need. [default: all but dask and ray]")
    ] = "",
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Workers of dask and ray. [default: one for each CPU]")
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="single, or production: servers that replace each other. [default: single]"),
    ] = None,
) -> None:
    """Start the services, wait until each answers, and write DIR/settings.toml. Running services stay as they are."""
    from taxi_mlops.audit.acts import Action
    from taxi_mlops.errors import UsageError

    if not native:
        raise UsageError("use --native for processes of this machine; for containers: make stack-up")
    stack = _stack(folder)
    secrets_before = stack.folder.secret_names()
    stack.up([name for name in services.split(",") if name], typer.echo, workers=workers, profile=profile)
    made = ", ".join(sorted(stack.folder.secret_names() - secrets_before))
    _note(stack, Action.STACK_STARTED, services=", ".join(stack.folder.services()), made=made or None)
    typer.echo(f"settings: export TAXI_SETTINGS={stack.folder.settings_file}")


@app.command()
def down(folder: Folder = DEFAULT) -> None:
    """Stop all services. Their data stay in DIR."""
    from taxi_mlops.audit.acts import Action

    stack = _stack(folder)
    if stack.folder.services():
        _note(stack, Action.STACK_STOPPED)  # while its experiment store can be written
    stack.down()


@app.command()
def status(folder: Folder = DEFAULT, json: Json = False) -> None:
    """Show the state of each service. The exit code is 1 if one is not up."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from taxi_mlops.stack.native import ServiceStatus

    found = _stack(folder).status()
    if json:
        print_json(tuple[ServiceStatus, ...], found)
    else:
        table = Table(
            "service", "", "version", "address", "latency", "memory", "what is wrong", box=None, pad_edge=False
        )
        for each in found:
            state = "[green]up[/]" if each.up else "[red]down[/]"
            latency = "" if each.latency_seconds is None else f"{each.latency_seconds * 1e3:.0f} ms"
            memory = "" if each.memory_bytes is None else f"{each.memory_bytes / 1e6:.0f} MB"
            table.add_row(each.name, state, each.version, each.address, latency, memory, escape(each.problem or ""))
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = 200  # in a pipe, one line for each service
        console.print(table if found else f"no stack in {folder}")
        for each in found:
            if each.dashboard:
                console.print(f"dashboard of {each.name}: {each.dashboard}")
    if not found or any(not each.up for each in found):
        raise typer.Exit(1)


@app.command()
def logs(
    names: Annotated[list[str] | None, typer.Argument(metavar="[SERVICE…]", help="[default: all]")] = None,
    folder: Folder = DEFAULT,
    lines: Annotated[int, typer.Option(min=0, help="Number of lines.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow until interrupted.")] = False,
) -> None:
    """Show the last lines of the services' logs."""
    import subprocess

    files = _stack(folder).logs(names or ())
    if files:
        more = ["-F"] if follow else []
        subprocess.run(["tail", "-n", str(lines), *more, *map(str, files)], check=False)  # noqa: S603, S607
    else:
        typer.echo(f"no logs in {folder}")


def _note(stack: Stack, action: Action, **details: str | None) -> None:
    """Note in the stack's own audit trail what is done to it."""
    from taxi_mlops.stack.acts import stack_trail

    trail = stack_trail(stack.folder)
    trail.note(action, str(stack.folder.path), **details)
    trail.deliver_or_warn()


def _stack(folder: Path) -> Stack:
    from importlib.util import find_spec

    from taxi_mlops.errors import UsageError
    from taxi_mlops.stack.native import Stack

    if find_spec("supervisor") is None:
        raise UsageError("the stack needs more libraries; get them with: pip install 'taxi-mlops[stack]'")
    return Stack.at(folder)
