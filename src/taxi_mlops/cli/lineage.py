"""`taxi lineage`: from trips to runs and models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from taxi_mlops.cli.options import Json
from taxi_mlops.cli.printing import print_json, warn


def lineage(
    reference: Annotated[
        str,
        typer.Argument(metavar="REFERENCE", help="delta:TABLE@5, a run by id or folder, or a model, NAME@VERSION."),
    ],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a picture: lineage.svg, or lineage.html.")
    ] = None,
    json: Json = False,
) -> None:
    """Show where the trips of a run or model came from, and what else came from them."""
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    from taxi_mlops.pipeline.lineage import Lineage, lineage_of
    from taxi_mlops.settings import load_settings

    found = lineage_of(reference, load_settings())
    if output is not None:
        found.save(output)
    if json:
        print_json(Lineage, found)
        return
    tree = Tree(Text(found.uri, style="bold"))
    commits = tree.add("commits") if found.commits else None
    for one in found.commits:
        month = f" of {one.month}" if one.month else ""
        said = " · ".join(text for text in (one.source, one.message, ", ".join(one.tags)) if text)
        if commits is not None:
            commits.add(Text(f"version {one.number}: {one.rows:,} rows{month} · {said}"))
    runs = tree.add("runs" if found.runs else "no runs in the runs folder")
    for run in found.runs:
        best = f" · best: {', '.join(run.winners)}" if run.winners else ""
        runs.add(Text(f"{run.folder.name} · {', '.join(run.adapters)}{best}"))
    models = tree.add("models" if found.models else "no models")
    for model in found.models:
        models.add(Text(" · ".join((f"{model.name} version {model.version}", *model.aliases))))
    Console(highlight=False).print(tree)
    if output is not None:
        typer.echo(f"wrote {output}")
    if found.no_models:
        warn(f"models: {found.no_models}")
