"""`taxi_mlops.cluster`: cluster trips once, with the results as an object."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, get_args, get_type_hints, overload

import numpy as np

from taxi_mlops.api.collections import cluster_collection, is_collection
from taxi_mlops.api.documents import document_for
from taxi_mlops.api.keywords import in_keywords, plain_values, takes_keywords
from taxi_mlops.api.libraries import require
from taxi_mlops.api.showing import Page, text_of
from taxi_mlops.api.tiled import TiledClusters
from taxi_mlops.api.trips import Trips, is_address, points_in_memory
from taxi_mlops.api.watching import watched
from taxi_mlops.clustering import Cluster, ClusterParameters, Prediction, PredictionParameters
from taxi_mlops.data.load import load_each, open_trips
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.domain import NOISE, BoolArray, LabelArray, Points
from taxi_mlops.errors import UsageError
from taxi_mlops.pipeline import cluster as steps
from taxi_mlops.pipeline.cluster_files import describe, labelled_points, model_of, write_clusters
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.place import choose_place
from taxi_mlops.pipeline.predict import predict_labels
from taxi_mlops.pipeline.resolve import threads_to_use
from taxi_mlops.pipeline.tiled_files import write_tiled
from taxi_mlops.pipeline.tiles import cluster_in_tiles
from taxi_mlops.reports.cluster_terminal import render
from taxi_mlops.reports.geojson import to_geojson
from taxi_mlops.reports.hotspots import Hotspots
from taxi_mlops.reports.labels import LabelledPoints
from taxi_mlops.reports.map_section import hotspots_of
from taxi_mlops.reports.notebook import clusters_html, map_page
from taxi_mlops.results.cluster_result import ClusterFolder, ClusterResult
from taxi_mlops.results.label_table import LabelFormat, clustering_table
from taxi_mlops.results.new_folder import folder_of_now
from taxi_mlops.settings import load_settings

if TYPE_CHECKING:
    import dask.dataframe as dd
    import geopandas as gpd
    import pandas as pd
    import ray.data

_STREET_MAPS = ("geopandas", "folium", "mapclassify", "matplotlib")
_HOTSPOT_COLUMNS = (
    "geometry",
    "rank",
    "size",
    "density_per_km2",
    "area_km2",
    "centroid_longitude",
    "centroid_latitude",
    "label",
)


class Clusters:
    """The clusters of trips. A notebook shows how many there are, the largest and a map; a terminal the first two."""

    def __init__(self, found: steps.Clusters) -> None:
        self._found = found
        self.trips: Trips = found.points if isinstance(found.points, Trips) else Trips.of(found.points)
        """The points that were clustered; `labels` and `core` are in their order."""
        self.labels: LabelArray = found.clustering.labels
        """The cluster of each point: int32 of shape (n,), numbered from 0, −1 for noise."""
        self.core: BoolArray | None = found.clustering.core_mask
        """Whether a point is a core point: bool of shape (n,), or None if the adapter does not report it."""
        self.eps: float = found.parameters.eps_metres
        """eps in metres, also if it was chosen from the points."""
        self.min_samples: int = found.parameters.min_samples

    @property
    def n_clusters(self) -> int:
        """The number of clusters, without noise."""
        return int(self.labels.max(initial=NOISE)) + 1

    @cached_property
    def result(self) -> ClusterResult:
        """All values: `cluster.json` as an object."""
        described = describe(
            self._found,
            self._hotspots,
            ClusterFolder(Path()).labels("parquet").name,
            steps.Stopwatch(dict(self._found.seconds)),
        )
        types = get_type_hints(ClusterParameters)
        warnings = tuple(in_keywords(warning, types) for warning in described.warnings)
        return described.model_copy(update={"warnings": warnings})

    def to_frame(self) -> pd.DataFrame:
        """Return `row`, `latitude`, `longitude`, `label` and `core` of each point.

        `row` is the position of a point in the source, from 0. Raises LibraryMissingError without pandas.
        """
        require("pandas")
        return clustering_table(self._found.points, self._found.clustering).to_pandas()

    def to_geopandas(self) -> gpd.GeoDataFrame:
        """Return the outline of each cluster in degrees (EPSG:4326), the largest first, with the columns of
        `hotspots.geojson`: `rank`, `size`, `density_per_km2`, `area_km2`, centroid, `label`.

        Raises LibraryMissingError without GeoPandas.
        """
        geopandas = require("geopandas")
        features = json.loads(to_geojson(self._hotspots, self._found.adapter.name, {}))["features"]
        columns = None if features else list(_HOTSPOT_COLUMNS)
        return geopandas.GeoDataFrame.from_features(features, crs="EPSG:4326", columns=columns)

    def explore(self, **options: Any) -> Any:  # noqa: ANN401 - of folium
        """Return a live map, which a notebook shows.

        With the libraries of `taxi-mlops[notebook]`, street maps under the outlines: a `folium.Map`, made by
        `GeoDataFrame.explore`, which takes the options; a browser then loads map tiles from the network. Without them,
        and without clusters, the page that `save` writes, which needs no network.

        Raises LibraryMissingError for options without these libraries.
        """
        if options:
            for name in _STREET_MAPS:
                require(name)
        if not len(self._hotspots) or not all(map(find_spec, _STREET_MAPS)):
            return Page(map_page(self._points, self._hotspots))
        return self.to_geopandas().explore(**{"column": "size", **options})

    def save(self, folder: str | os.PathLike[str], *, format: LabelFormat = "parquet") -> Path:
        """Write what `taxi cluster` writes into a new folder, and return its path.

        The labels (as Parquet, CSV or GeoJSON), hotspots, a model that predicts, the map, and `cluster.json`. Raises
        RunFolderError where the folder holds anything, TaxiError where a file cannot be written.
        """
        if format not in get_args(LabelFormat):
            raise UsageError(f"format = {format!r}: there are {', '.join(get_args(LabelFormat))}")
        target = ClusterFolder(Path(folder))
        write_clusters(self._found, target, Observer(), format)
        return target.path

    @takes_keywords(Prediction, PredictionParameters)
    def predict(self, trips: object, /, **parameters: Unpack[PredictionParameters]) -> LabelArray:
        """Label new points: the cluster of the nearest core point within eps.

        Parameters
        ----------
        trips : Trips, or whatever `load` takes
            The points. Each row is judged by itself; no region is found in the data.

        Returns
        -------
        int32 of shape (m,)
            A label for each row of the source, or each point of `Trips`; −1 where no core point is within eps, and for
            rows without a point.

        Raises
        ------
        UsageError
            Where the trips cannot be used, or the adapter did not report core points; a ValueError.
        """
        model = model_of(self._found)
        if model is None:
            raise UsageError(f"{self._found.adapter.name} does not report core points, so nothing can be predicted")
        threads = threads_to_use(parameters.pop("threads", None))
        points = _each_row(trips, parameters)
        found = predict_labels(model, points.latitude, points.longitude, threads)
        if isinstance(trips, Trips) or points.row is None:
            return found
        labels = np.full(points.provenance.rows_read, NOISE, dtype=np.int32)
        labels[points.row] = found
        return labels

    def __repr__(self) -> str:
        return text_of(render(self.result))

    def _repr_html_(self) -> str:
        return self._html

    @cached_property
    def _html(self) -> str:
        return clusters_html(self.result, self._points, self._hotspots)

    @cached_property
    def _points(self) -> LabelledPoints:
        return labelled_points(self._found)

    @cached_property
    def _hotspots(self) -> Hotspots:
        return hotspots_of(self._points, self.eps)


@overload
def cluster(  # type: ignore[overload-overlap]  # any object is trips
    trips: dd.DataFrame, /, **parameters: Unpack[ClusterParameters]
) -> dd.DataFrame: ...


@overload
def cluster(  # type: ignore[overload-overlap]  # any object is trips
    trips: ray.data.Dataset, /, **parameters: Unpack[ClusterParameters]
) -> ray.data.Dataset: ...


@overload
def cluster(trips: object = None, /, **parameters: Unpack[ClusterParameters]) -> Clusters | TiledClusters: ...


@takes_keywords(Cluster, ClusterParameters)
def cluster(trips: object = None, /, **parameters: Unpack[ClusterParameters]) -> Any:
    """Cluster trips once, in this process, or in tiles on disk if they do not fit into memory.

    Parameters
    ----------
    trips : Trips, whatever `load` takes, or a Dask DataFrame or Ray Dataset, default: a synthetic city of 20,000 trips
        What to cluster. Parameters that choose points are given here only where the trips are not loaded yet. A
        collection of Dask or Ray is clustered on its own cluster; it takes `eps`, `min_samples`, `lat`, `lon`,
        `points` and `threads` (of each task, 1 by default).

    Returns
    -------
    Clusters
        Labels, hotspots, and what predicts.
    TiledClusters
        In tiles: labels and hotspots, in a new folder of `runs`.
    dask.dataframe.DataFrame
        Of a Dask DataFrame: the same rows and partitions with `label`, int32, and `core`, bool. Nothing is computed
        before the frame is. Rows without coordinates are noise; nothing is cleaned.
    ray.data.Dataset
        Of a Ray Dataset: the same, clustered at once.

    Raises
    ------
    UsageError
        Where an argument is wrong or the trips cannot be used; a ValueError.
    TaxiError
        Where the implementation fails.

    Examples
    --------
    >>> import taxi_mlops as taxi
    >>> stops = [[-33.45, -70.66], [-33.4501, -70.66], [-33.4501, -70.6601], [-33.5, -70.6]]
    >>> hotspots = taxi.cluster(stops, eps=50, min_samples=3)
    >>> hotspots.labels
    array([ 0,  0,  0, -1], dtype=int32)
    >>> hotspots.predict([[-33.45, -70.6601], [-33.6, -70.6]])
    array([ 0, -1], dtype=int32)
    """
    if is_collection(trips):
        return cluster_collection(trips, parameters)
    document, load = document_for(Cluster(), trips, parameters)
    settings = load_settings()
    with watched() as observer:
        if is_address(trips):
            place = choose_place(document, open_trips(document.dataset, settings, observer.loading))
            if place.place == "tiles":
                folder = ClusterFolder(folder_of_now(settings.runs_dir, "cluster-"))
                found = cluster_in_tiles(document, place, settings, observer, folder)
                return TiledClusters(write_tiled(found, observer), folder)
        elif document.on not in (None, "memory"):
            raise UsageError(f'on = "{document.on}": these trips are in memory already; give the path of their file')
        return Clusters(steps.cluster(document, settings, observer, load))


def _each_row(trips: object, given: Mapping[str, Any]) -> Points:
    """Return the points of new trips; none is dropped for being far from the others."""
    if isinstance(trips, Points):
        return trips
    if is_address(trips):
        request = LoadRequest().with_parameters(plain_values({"data": trips, **given}))
        with watched() as observer:
            return load_each(request, load_settings(), observer.loading)
    return points_in_memory(trips, given, find_region=False)
