"""`taxi cluster`: cluster trips once, and write what is found."""

from __future__ import annotations

from enum import StrEnum
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
from taxi_mlops.cli.printing import print_files
from taxi_mlops.errors import UsageError

if TYPE_CHECKING:
    from taxi_mlops.clustering import Cluster
    from taxi_mlops.pipeline.place import ChosenPlace
    from taxi_mlops.results.cluster_result import ClusterFolder, ClusterResult
    from taxi_mlops.settings import Settings


class Format(StrEnum):
    """Formats of the file of labels."""

    PARQUET = "parquet"
    CSV = "csv"
    GEOJSON = "geojson"


FormatOption = Annotated[Format, typer.Option("--format", help="Format of the file of labels.")]
KeepColumns = Annotated[bool, typer.Option("--keep-columns", help="Write each trip's own columns beside its label.")]
Spill = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Where the points of tiles wait: a new folder, or s3://bucket/prefix for workers that share no disk. "
        "[default: in --output]",
    ),
]
ShowPlan = Annotated[bool, typer.Option("--plan", help="Print the tiles that the points would be cut into, and stop.")]


@takes("taxi_mlops.clustering:Cluster")
def cluster(
    given: dict[str, str | None],
    spec: Spec = None,
    output: Output = None,
    resume: Resume = None,
    kind: FormatOption = Format.PARQUET,
    keep_columns: KeepColumns = False,
    spill: Spill = None,
    plan: ShowPlan = False,
    cache: Cache = True,
    json: Annotated[bool, typer.Option("--json", help="Print cluster.json.")] = False,
    quiet: Quiet = False,
) -> None:
    """Cluster your trips: labels, hotspots, a map, and a model that predicts."""
    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.clustering import Cluster
    from taxi_mlops.data.load import open_trips
    from taxi_mlops.pipeline import cluster_run
    from taxi_mlops.pipeline.place import choose_place
    from taxi_mlops.results.cluster_result import ClusterFolder
    from taxi_mlops.results.new_folder import require_empty

    settings = settings_with(cache)
    folder = ClusterFolder(folder_to_fill(output, resume, settings, "cluster-"))
    document = document_to_run(Cluster, given, spec, resume)
    if document is None:
        with progress_observer(quiet=quiet or json) as observer:
            result = cluster_run.resume(folder, settings, observer)
        _show(result, folder, None, json)
        return
    require_empty(folder.path)
    with progress_observer(quiet=quiet or json) as observer:
        place = choose_place(document, open_trips(document.dataset, settings, observer.loading))
        in_tiles = place.place == "tiles"
        if in_tiles or plan:
            if kind != Format.PARQUET or keep_columns:
                raise UsageError(f"--format and --keep-columns are for points in memory, not in tiles ({place.reason})")
        elif spill:
            raise UsageError(f"--spill is for points in tiles; these are clustered in memory ({place.reason})")
    if plan:
        _show_plan(document, place, settings, quiet, json)
        return
    with progress_observer(quiet=quiet or json) as observer:
        result = cluster_run.cluster_at(
            place, document, folder, settings, observer, kind=kind.value, keep_columns=keep_columns, spill=spill
        )
    _show(result, folder, None if in_tiles else kind, json)


def _show_plan(document: Cluster, place: ChosenPlace, settings: Settings, quiet: bool, json: bool) -> None:
    from rich.console import Console

    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.pipeline.tiles import plan_tiles
    from taxi_mlops.reports.plan_terminal import render
    from taxi_mlops.results.documents import to_json

    with progress_observer(quiet or json) as observer:
        plan = plan_tiles(document, place, settings, observer)
    if json:
        typer.echo(to_json(plan), nl=False)
    else:
        Console(highlight=False).print(render(plan))


def _show(result: ClusterResult, folder: ClusterFolder, kind: Format | None, json: bool) -> None:
    """Print the result. kind: of the file of labels; None if they are a folder of parts."""
    from rich.console import Console

    from taxi_mlops.reports.cluster_terminal import render
    from taxi_mlops.results.documents import to_json

    if json:
        typer.echo(to_json(result), nl=False)
        return
    Console(highlight=False).print(render(result))
    labels = folder.parts if kind is None else folder.labels(kind.value)
    files = [
        (folder.page, "the map: open it in a browser"),
        (folder.hotspots, "the clusters, for QGIS or geojson.io"),
        (labels, "the label of every point"),
        (folder.model, "labels new points: taxi predict MODEL DATA"),
        (folder.plan, "the tiles"),
        (folder.result, "all values"),
    ]
    print_files(folder.path, [(path, what) for path, what in files if path.exists()])
