"""Cluster trips wherever they fit, and write the results into a folder; resume what is there.

What clusters tiles is imported where there are tiles: that takes a quarter of a second.
"""

from __future__ import annotations

from dataclasses import replace

from taxi_mlops.audit.acts import Action
from taxi_mlops.audit.trail import trail_of
from taxi_mlops.clustering import Cluster
from taxi_mlops.data.load import open_trips
from taxi_mlops.data.request import of_version
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.place import ChosenPlace, choose_place
from taxi_mlops.results.cluster_result import ClusterFolder, ClusterResult
from taxi_mlops.results.label_table import LabelFormat
from taxi_mlops.results.tile_run import TileRunFolder
from taxi_mlops.scale.executors import start_server
from taxi_mlops.settings import Settings


def cluster_into(document: Cluster, folder: ClusterFolder, settings: Settings, observer: Observer) -> ClusterResult:
    """Cluster the points in memory or in tiles, and write the results. A clustering in tiles in the folder is resumed.

    Raises TaxiError for an error of the user's, and RunFolderError where the folder holds anything else.
    """
    if TileRunFolder(folder).run.is_file():
        return resume(folder, settings, observer)
    place = choose_place(document, open_trips(document.dataset, settings, observer.loading))
    result = cluster_at(place, document, folder, settings, observer)
    trail_of(settings).deliver_or_warn()
    return result


def cluster_at(
    place: ChosenPlace,
    document: Cluster,
    folder: ClusterFolder,
    settings: Settings,
    observer: Observer,
    *,
    kind: LabelFormat = "parquet",
    keep_columns: bool = False,
    spill: str | None = None,
) -> ClusterResult:
    """Cluster the points where that was chosen, and write the results.

    In memory, kind: parquet, csv or geojson, of the file of labels; keep_columns: write each trip's own columns, too.
    In tiles, spill: where points wait, a new folder or `s3://bucket/prefix`. Raises as `cluster_into` does.
    """
    trail_of(settings).note(
        Action.CLUSTERING_RUN,
        str(folder.path.absolute()),
        data=document.dataset.source,
        adapter=document.adapter,
        place=place.place,
    )
    if place.place == "tiles":
        if document.on in (None, "tiles"):
            start_server()
        from taxi_mlops.pipeline.tiled_files import write_tiled
        from taxi_mlops.pipeline.tiles import cluster_in_tiles

        return write_tiled(cluster_in_tiles(document, place, settings, observer, folder, spill), observer)
    from taxi_mlops.pipeline.cluster import cluster
    from taxi_mlops.pipeline.cluster_files import write_clusters

    clusters = replace(cluster(document, settings, observer), place_reason=place.reason)
    read = of_version(document.dataset, clusters.points.provenance)
    trips = open_trips(read, settings, observer.loading).rows() if keep_columns else None
    return write_clusters(clusters, folder, observer, kind, trips)


def resume(folder: ClusterFolder, settings: Settings, observer: Observer) -> ClusterResult:
    """Finish a clustering in tiles. Raises RunFolderError if there is none, or another input."""
    from taxi_mlops.pipeline.tiled_files import write_tiled
    from taxi_mlops.pipeline.tiles import resume_tiles

    return write_tiled(resume_tiles(folder, settings, observer), observer)
