"""Write the files of a clustering in tiles beside its labels: hotspots, page and `cluster.json`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from taxi_mlops.files import write_atomically
from taxi_mlops.pipeline.cluster_files import ALL_NOISE, largest_of
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.tiles import TiledClusters, adapter_info, finish
from taxi_mlops.reports.cluster_page import render
from taxi_mlops.reports.geojson import to_geojson
from taxi_mlops.reports.hotspots import Hotspots
from taxi_mlops.reports.labels import LabelledPoints
from taxi_mlops.reports.map_section import about_hotspots, hotspots_of, make_section
from taxi_mlops.results.cluster_result import AdapterUsed, ClusteredPoints, ClusterResult, TilesUsed
from taxi_mlops.results.comparison import ClusteringParametersUsed
from taxi_mlops.results.documents import to_json
from taxi_mlops.trials.machine import describe_machine


def write_tiled(clusters: TiledClusters, observer: Observer) -> ClusterResult:
    """Write what is left to write, `cluster.json` last, and remove the working files.

    The map and the outlines are of a sample of the points; how many each cluster has is counted.

    Raises OSError if a file cannot be written.
    """
    folder, tiled = clusters.folder, clusters.tiled
    observer.stage("Drawing the map")
    name, parameters = clusters.run.document.adapter, clusters.run.document.parameters.to_domain()
    points = LabelledPoints(name, tiled.latitude, tiled.longitude, tiled.labels)
    with clusters.watch.stage("hotspots"):
        hotspots = _with_true_sizes(hotspots_of(points, parameters.eps_metres), clusters)
        about = about_hotspots(clusters.provenance.uri, parameters.eps_metres, parameters.min_samples)
        write_atomically(folder.hotspots, to_geojson(hotspots, name, about))
    with clusters.watch.stage("map"):
        section = make_section(points, hotspots)
    result = _describe(clusters, hotspots)
    write_atomically(folder.page, render(result, section))
    write_atomically(folder.result, to_json(result))
    finish(clusters)
    return result


def _describe(clusters: TiledClusters, hotspots: Hotspots) -> ClusterResult:
    """Return the document of a clustering in tiles."""
    tiled, adapter = clusters.tiled, adapter_info()
    parameters = clusters.run.document.parameters.to_domain()
    return ClusterResult(
        created_at=clusters.run.created_at,
        dataset=ClusteredPoints.of(clusters.provenance, None, tiled.points, weighted=False),
        parameters=ClusteringParametersUsed(eps_metres=parameters.eps_metres, min_samples=parameters.min_samples),
        adapter=AdapterUsed.of(adapter),
        threads=clusters.workers,
        place="tiles",
        place_reason=clusters.run.reason,
        tiles=TilesUsed(
            tiles=len(clusters.plan.tiles),
            on=clusters.run.document.on or "tiles",
            workers=clusters.workers,
            points_in_halos=tiled.halo,
            spill_bytes=clusters.spill_bytes,
        ),
        n_clusters=tiled.n_clusters,
        n_noise=tiled.n_noise,
        noise_ratio=tiled.n_noise / tiled.points,
        n_core=tiled.n_core,
        largest=largest_of(hotspots),
        seconds=clusters.watch.seconds,
        labels=clusters.folder.parts.name,
        model=None,
        warnings=tuple(_warnings(clusters)),
        machine=describe_machine(),
    )


def _with_true_sizes(hotspots: Hotspots, clusters: TiledClusters) -> Hotspots:
    """Return hotspots of a sample with the sizes of all points, the largest first."""
    size = clusters.tiled.sizes[hotspots.label]
    order = np.lexsort((hotspots.label, -size))
    return replace(
        hotspots,
        label=hotspots.label[order],
        size=size[order],
        latitude=hotspots.latitude[order],
        longitude=hotspots.longitude[order],
        outlines=hotspots.outlines[order],
        area_km2=hotspots.area_km2[order],
        n_clusters=clusters.tiled.n_clusters,
    )


def _warnings(clusters: TiledClusters) -> Iterable[str]:
    tiled = clusters.tiled
    yield from clusters.provenance.notes
    if tiled.sample_step > 1:
        yield f"map, outlines and middles are of one point in {tiled.sample_step}; sizes are of all points"
    yield "there is no model that predicts: the core points of a clustering in tiles are left in the labels"
    if not tiled.n_clusters:
        yield ALL_NOISE
