"""`taxi cluster`: cluster trips once, and write the results."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from taxi_mlops.cli.options import Cache, Output, Quiet, Spec, document_of, folder_to_fill, settings_with, takes
from taxi_mlops.cli.printing import print_files

if TYPE_CHECKING:
    from taxi_mlops.results.cluster_result import ClusterFolder, ClusterResult


class Format(StrEnum):
    """Formats of the file of labels."""

    PARQUET = "parquet"
    CSV = "csv"
    GEOJSON = "geojson"


FormatOption = Annotated[Format, typer.Option("--format", help="Format of the file of labels.")]
KeepColumns = Annotated[bool, typer.Option("--keep-columns", help="Write each trip's own columns beside its label.")]


@takes("taxi_mlops.clustering:Cluster")
def cluster(
    given: dict[str, str | None],
    spec: Spec = None,
    output: Output = None,
    kind: FormatOption = Format.PARQUET,
    keep_columns: KeepColumns = False,
    cache: Cache = True,
    json: Annotated[bool, typer.Option("--json", help="Print cluster.json.")] = False,
    quiet: Quiet = False,
) -> None:
    """Cluster your trips: labels, hotspots, a map, and a model that predicts."""
    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.clustering import Cluster
    from taxi_mlops.data.load import open_trips
    from taxi_mlops.pipeline.cluster import cluster as cluster_points
    from taxi_mlops.pipeline.cluster_files import write_clusters
    from taxi_mlops.results.cluster_result import ClusterFolder
    from taxi_mlops.results.new_folder import require_empty

    document = document_of(Cluster, given, spec)
    settings = settings_with(cache)
    folder = ClusterFolder(folder_to_fill(output, None, settings, "cluster-"))
    require_empty(folder.path)
    with progress_observer(quiet=quiet or json) as observer:
        clusters = cluster_points(document, settings, observer)
        trips = open_trips(document.dataset, settings, observer.loading).rows() if keep_columns else None
        result = write_clusters(clusters, folder, observer, kind.value, trips)
    _show(result, folder, kind, json)


def _show(result: ClusterResult, folder: ClusterFolder, kind: Format, json: bool) -> None:
    from rich.console import Console

    from taxi_mlops.reports.cluster_terminal import render
    from taxi_mlops.results.documents import to_json

    if json:
        typer.echo(to_json(result), nl=False)
        return
    Console(highlight=False).print(render(result))
    files = (
        (folder.page, "the map: open it in a browser"),
        (folder.hotspots, "the clusters, for QGIS or geojson.io"),
        (folder.labels(kind.value), "the label of every point"),
        (folder.model, "labels new points: taxi predict MODEL DATA"),
        (folder.result, "all values"),
    )
    print_files(folder.path, files)
