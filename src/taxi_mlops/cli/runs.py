"""`taxi runs`: what was run here, and how it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from taxi_mlops.cli.options import Json


def runs(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Folder of runs. [default: the runs folder of the settings]")
    ] = None,
    json: Json = False,
) -> None:
    """List the runs in a folder, the newest first."""
    from pydantic import TypeAdapter
    from rich.console import Console
    from rich.table import Table

    from taxi_mlops.recording.runs import RunSummary, list_runs
    from taxi_mlops.settings import load_settings

    parent = folder or load_settings().runs_dir
    found = list_runs(parent)
    if json:
        typer.echo(TypeAdapter(tuple[RunSummary, ...]).dump_json(found, indent=2).decode())
        return
    if not found:
        typer.echo(f"no runs in {parent}/; start one with: taxi compare")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("folder", "begun (UTC)", "data", "points", "eps", "min", "fastest", "state"):
        table.add_column(name, justify="right" if name in ("points", "eps", "min") else "left", overflow="fold")
    for run in found:
        table.add_row(
            str(run.folder),
            f"{run.created_at:%Y-%m-%d %H:%M}" if run.created_at else "",
            (run.uri or "").rsplit("/", 1)[-1],
            f"{run.points:,}" if run.points is not None else "",
            f"{run.eps_metres:g} m" if run.eps_metres is not None else "",
            str(run.min_samples or ""),
            ", ".join(run.winners),
            run.state,
        )
    Console(highlight=False).print(table)
