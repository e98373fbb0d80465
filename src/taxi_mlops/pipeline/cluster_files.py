"""Write the files of one clustering: labels, hotspots, model, page and `cluster.json`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from haversine_dbscan.model_file import SavedModel, save_model
from taxi_mlops.domain import NOISE
from taxi_mlops.files import write_atomically
from taxi_mlops.pipeline.cluster import Clusters, Stopwatch
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.reports.cluster_page import render
from taxi_mlops.reports.geojson import to_geojson
from taxi_mlops.reports.hotspots import Hotspots
from taxi_mlops.reports.labels import LabelledPoints
from taxi_mlops.reports.map_section import LARGEST, about_hotspots, hotspots_of, make_section
from taxi_mlops.results.cluster_result import AdapterUsed, ClusteredPoints, ClusterFolder, ClusterResult, LargestCluster
from taxi_mlops.results.comparison import ClusteringParametersUsed
from taxi_mlops.results.documents import to_json
from taxi_mlops.results.label_table import LabelFormat, clustering_table, in_batches, with_trips, write_table
from taxi_mlops.results.new_folder import filled_folder
from taxi_mlops.trials.machine import describe_machine

if TYPE_CHECKING:
    import pyarrow as pa

ALL_NOISE = "all points are noise: a larger --eps or a smaller --min-samples finds clusters"


def write_clusters(
    clusters: Clusters,
    folder: ClusterFolder,
    observer: Observer,
    kind: LabelFormat = "parquet",
    trips: Iterable[pa.RecordBatch] | None = None,
) -> ClusterResult:
    """Write all files of a clustering into a new folder, which appears under its name once it is complete.

    trips: all rows of the input; their columns are then written beside the labels.

    Raises RunFolderError if the folder cannot be used, TaxiError if a file cannot be written, and what `with_trips` and
    `write_table` raise.
    """
    watch = Stopwatch(dict(clusters.seconds))
    with filled_folder(folder.path) as path:
        hidden = ClusterFolder(path)
        observer.stage("Writing the labels")
        with watch.stage("write_labels"):
            _write_labels(clusters, hidden, kind, trips)
        observer.stage("Drawing the map")
        points = labelled_points(clusters)
        with watch.stage("hotspots"):
            hotspots = hotspots_of(points, clusters.parameters.eps_metres)
            about = about_hotspots(
                clusters.points.provenance.uri, clusters.parameters.eps_metres, clusters.parameters.min_samples
            )
            write_atomically(hidden.hotspots, to_geojson(hotspots, clusters.adapter.name, about))
        with watch.stage("map"):
            section = make_section(points, hotspots)
        result = describe(clusters, hotspots, hidden.labels(kind).name, watch)
        write_atomically(hidden.page, render(result, section))
        write_atomically(hidden.result, to_json(result))
    return result


def labelled_points(clusters: Clusters) -> LabelledPoints:
    """Return the points with their labels, in the form that the reports take."""
    points = clusters.points
    return LabelledPoints(
        clusters.adapter.name, points.latitude, points.longitude, clusters.clustering.labels, points.weight
    )


def model_of(clusters: Clusters) -> SavedModel | None:
    """Return the model that predicts the cluster of new points; None if the implementation reports no core points."""
    core = clusters.clustering.core_mask
    if core is None:
        return None
    points = clusters.points
    return SavedModel(
        components=np.column_stack((points.latitude[core], points.longitude[core])),
        labels=clusters.clustering.labels[core],
        eps=clusters.parameters.eps_metres,
        min_samples=float(clusters.parameters.min_samples),
        metric=clusters.parameters.metric,
    )


def describe(clusters: Clusters, hotspots: Hotspots, labels: str, watch: Stopwatch) -> ClusterResult:
    """Return the document of a clustering. labels: name of the file of labels."""
    points, clustering, adapter = clusters.points, clusters.clustering, clusters.adapter
    n_noise = int(np.count_nonzero(clustering.labels == NOISE))
    return ClusterResult(
        created_at=clusters.created_at,
        dataset=ClusteredPoints.of(
            points.provenance, points.fingerprint, len(points), weighted=points.weight is not None
        ),
        parameters=ClusteringParametersUsed(
            eps_metres=clusters.parameters.eps_metres, min_samples=clusters.parameters.min_samples
        ),
        adapter=AdapterUsed.of(adapter),
        threads=clusters.threads,
        place_reason=clusters.place_reason,
        eps_choice=clusters.eps_choice,
        n_clusters=hotspots.n_clusters,
        n_noise=n_noise,
        noise_ratio=n_noise / len(points),
        n_core=None if clustering.core_mask is None else int(np.count_nonzero(clustering.core_mask)),
        largest=largest_of(hotspots),
        seconds=watch.seconds,
        labels=labels,
        model=None if clustering.core_mask is None else ClusterFolder.MODEL,
        warnings=tuple(_warnings(clusters, hotspots)),
        machine=describe_machine(),
    )


def _write_labels(
    clusters: Clusters, folder: ClusterFolder, kind: LabelFormat, trips: Iterable[pa.RecordBatch] | None
) -> None:
    points, clustering = clusters.points, clusters.clustering
    table = clustering_table(points, clustering)
    batches = in_batches(table) if trips is None else with_trips(table, points, trips)
    write_table(batches, folder.labels(kind), kind)
    model = model_of(clusters)
    if model is not None:
        save_model(model, folder.model)


def largest_of(hotspots: Hotspots) -> tuple[LargestCluster, ...]:
    """Return the largest clusters as the document has them."""
    density = hotspots.density
    return tuple(
        LargestCluster(
            label=int(hotspots.label[i]),
            points=int(hotspots.size[i]),
            latitude=round(float(hotspots.latitude[i]), 7),
            longitude=round((float(hotspots.longitude[i]) + 180.0) % 360.0 - 180.0, 7),
            area_km2=float(f"{hotspots.area_km2[i]:.6g}"),
            density_per_km2=None if np.isnan(density[i]) else float(f"{density[i]:.6g}"),
        )
        for i in range(min(LARGEST, len(hotspots)))
    )


def _warnings(clusters: Clusters, hotspots: Hotspots) -> Iterable[str]:
    yield from clusters.points.provenance.notes
    if clusters.eps_choice is not None:
        yield str(clusters.eps_choice)
    if clusters.adapter.note:
        yield f"{clusters.adapter.name}: {clusters.adapter.note}"
    if clusters.clustering.core_mask is None:
        yield f"{clusters.adapter.name} does not report core points, so there is no model that predicts"
    if not len(hotspots):
        yield ALL_NOISE
