"""Cluster trips wherever they fit, and write the results into a folder; resume what is there."""

from __future__ import annotations

from dataclasses import replace

from taxi_mlops.clustering import Cluster
from taxi_mlops.data.load import open_trips
from taxi_mlops.pipeline.cluster import cluster
from taxi_mlops.pipeline.cluster_files import write_clusters
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.place import choose_place
from taxi_mlops.pipeline.tiled_files import write_tiled
from taxi_mlops.pipeline.tiles import cluster_in_tiles, resume_tiles
from taxi_mlops.results.cluster_result import ClusterFolder, ClusterResult
from taxi_mlops.results.tile_run import TileRunFolder
from taxi_mlops.settings import Settings


def cluster_into(document: Cluster, folder: ClusterFolder, settings: Settings, observer: Observer) -> ClusterResult:
    """Cluster the points in memory or in tiles, and write the results. A clustering in tiles in the folder is resumed.

    Raises TaxiError for an error of the user's, and RunFolderError where the folder holds anything else.
    """
    if TileRunFolder(folder).run.is_file():
        return write_tiled(resume_tiles(folder, settings, observer), observer)
    place = choose_place(document, open_trips(document.dataset, settings, observer.loading))
    if place.place == "tiles":
        return write_tiled(cluster_in_tiles(document, place, settings, observer, folder), observer)
    clusters = replace(cluster(document, settings, observer), place_reason=place.reason)
    return write_clusters(clusters, folder, observer, "parquet")
