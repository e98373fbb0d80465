"""`taxi train`: make a hotspot model from trips, and register it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from taxi_mlops.cli.options import Cache, Output, Quiet, Spec, document_of, folder_to_fill, settings_with, takes
from taxi_mlops.cli.printing import print_facts, print_files

if TYPE_CHECKING:
    from taxi_mlops.models.registry import ModelVersion
    from taxi_mlops.results.model_card import ModelCard, TrainingFolder


@takes("taxi_mlops.training:Train")
def train(
    given: dict[str, str | None],
    spec: Spec = None,
    output: Output = None,
    cache: Cache = True,
    json: Annotated[bool, typer.Option("--json", help="Print model.json.")] = False,
    quiet: Quiet = False,
) -> None:
    """Make a hotspot model from your trips, judge it on trips that it has not seen, and register it in MLflow."""
    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.models.registry import open_registry
    from taxi_mlops.pipeline import train as steps
    from taxi_mlops.results.model_card import TrainingFolder
    from taxi_mlops.results.new_folder import require_empty
    from taxi_mlops.training import Train

    document = document_of(Train, given, spec)
    settings = settings_with(cache)
    folder = TrainingFolder(folder_to_fill(output, None, settings, "train-"))
    require_empty(folder.path)
    registry = open_registry(settings)
    with progress_observer(quiet or json) as observer:
        trained = steps.train(document, settings, registry, observer)
        steps.write_training(trained, folder, observer)
        version = steps.register(trained, folder, registry, observer)
    _show(trained.card, version, folder, json)


def _show(card: ModelCard, version: ModelVersion, folder: TrainingFolder, json: bool) -> None:
    from rich.console import Console

    from taxi_mlops.reports.model_card import changes, facts
    from taxi_mlops.results.documents import to_json

    if json:
        typer.echo(to_json(card), nl=False)
        return
    console = Console(highlight=False)
    console.print(f"[bold]{version.name} version {version.version}[/], registered as {', '.join(version.aliases)}")
    print_facts(console, facts(card))
    for line in changes(card.changes) if card.changes else ():
        console.print(f"  {line}", soft_wrap=True, markup=False)
    for warning in card.warnings:
        console.print(f"warning: {warning}", style="yellow", soft_wrap=True, markup=False)
    print_files(
        folder.path,
        (
            (folder.page, "the model card: open it in a browser"),
            (folder.markdown, "the card as Markdown"),
            (folder.hotspots, "the hotspots, for QGIS or geojson.io"),
            (folder.model, "the model, as MLflow loads it"),
            (folder.result, "all values"),
        ),
    )
