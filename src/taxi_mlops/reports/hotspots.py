"""Measure clusters as places: size, density, centre, outline."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise, starmap
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.domain import NOISE, FloatArray
from taxi_mlops.limits import usable_cpus
from taxi_mlops.reports.labels import Frame, LabelledPoints

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

IndexArray = NDArray[np.int64]
GeometryArray = NDArray[np.object_]
"""Array of shapely geometries."""

MAX_HOTSPOTS = 10_000
CONCAVITY = 0.1
"""How closely outlines follow their points: 1 is the convex hull (ratio of `shapely.concave_hull`)."""
_CELLS_PER_EPS = 4
_SHARES_PER_CPU = 4
"""Of the outlines: clusters take unequal times."""
_FINEST_GRID = 2**20
_MIN_BREADTH_METRES = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Hotspots:
    """The clusters of one answer, the largest first: row i has rank i + 1.

    label: int32 (k,). size: points, int64 (k,). weight: sums of weights, or None. latitude, longitude: means of the
    points in degrees, longitudes in [cut, cut + 360) of the frame. outlines: shapely geometries (k,) in metres of the
    frame; lines and points if a cluster is narrower than a metre. area_km2: of the outlines on the sphere.
    n_clusters: of the answer, more than k if only the `MAX_HOTSPOTS` largest are kept.
    """

    frame: Frame
    label: NDArray[np.int32]
    size: IndexArray
    weight: FloatArray | None
    latitude: FloatArray
    longitude: FloatArray
    outlines: GeometryArray
    area_km2: FloatArray
    n_clusters: int

    def __len__(self) -> int:
        return int(self.label.shape[0])

    @property
    def density(self) -> FloatArray:
        """Points per km² of outline, NaN if it has no area."""
        density = np.full(len(self), np.nan)
        broad = self.area_km2 > 0
        density[broad] = self.size[broad] / self.area_km2[broad]
        return density

    def outlines_in_degrees(self) -> GeometryArray:
        """Return the outlines as (longitude, latitude), longitudes in [cut, cut + 360)."""
        return _in_degrees(self.outlines, self.frame)


def find_hotspots(points: LabelledPoints, frame: Frame, eps_metres: float) -> Hotspots:
    """Measure the clusters of an answer. O(n log n).

    An outline is the concave hull of one point for each quarter of eps, simplified by a tenth of eps: no point of the
    cluster is farther than eps / 2 outside it, and it follows the streets where the convex hull would cover whole
    quarters without a point. Around a pole outlines are meaningless, since degrees are.
    """
    clustered = np.flatnonzero(points.labels != NOISE)
    sizes = np.bincount(points.labels[clustered])
    kept = np.lexsort((np.arange(len(sizes)), -sizes))[: min(MAX_HOTSPOTS, np.count_nonzero(sizes))]
    rank = np.full(len(sizes), NOISE, dtype=np.int64)
    rank[kept] = np.arange(len(kept))
    rows = clustered[rank[points.labels[clustered]] != NOISE]
    ranks = rank[points.labels[rows]]
    east, north = frame.to_metres(points.latitude[rows], points.longitude[rows])
    counts = np.bincount(ranks, minlength=len(kept))
    latitude, longitude = frame.to_degrees(
        np.bincount(ranks, east, len(kept)) / counts, np.bincount(ranks, north, len(kept)) / counts
    )
    outlines = _outlines(ranks, east, north, eps_metres)
    return Hotspots(
        frame=frame,
        label=kept.astype(np.int32),
        size=counts,
        weight=None if points.weight is None else np.bincount(ranks, points.weight[rows], len(kept)).astype(np.float64),
        latitude=latitude,
        longitude=longitude,
        outlines=outlines,
        area_km2=_area_km2(_in_degrees(outlines, frame)),
        n_clusters=int(np.count_nonzero(sizes)),
    )


def _outlines(ranks: IndexArray, east: FloatArray, north: FloatArray, eps_metres: float) -> GeometryArray:
    import shapely

    if not len(ranks):
        return np.empty(0, dtype=np.object_)
    rows = _thinned(ranks, east, north, eps_metres / _CELLS_PER_EPS)
    rows = rows[np.argsort(ranks[rows], kind="stable")]
    outlines = _hulls(ranks[rows], np.column_stack((east[rows], north[rows])), eps_metres / 10.0)
    thin = 2.0 * shapely.area(outlines) < _MIN_BREADTH_METRES * shapely.length(outlines)
    for i in np.flatnonzero(thin):
        outlines[i] = _flattened(shapely.get_coordinates(outlines[i]))
    return outlines


def _hulls(ranks: IndexArray, places: FloatArray, tolerance: float) -> GeometryArray:
    """Return the simplified concave hull of each rank's places, (n, 2), in metres; ranks: (n,), increasing."""
    import shapely

    def hulls_of(share: slice) -> GeometryArray:
        clouds = shapely.multipoints(places[share], indices=ranks[share] - ranks[share.start])
        hulls = shapely.simplify(shapely.concave_hull(clouds, ratio=CONCAVITY), tolerance)
        return np.asarray(shapely.orient_polygons(hulls))

    cuts = np.unique(np.searchsorted(ranks, ranks[_even_cuts(len(ranks))]))  # to the first place of a cluster
    return _shared_out(hulls_of, cuts, len(ranks))


def on_all_cpus(function: Callable[[GeometryArray], GeometryArray], shapes: GeometryArray) -> GeometryArray:
    """Return what a function returns of shapes, (n,), whose shares are given to all CPUs at a time."""
    return _shared_out(lambda share: function(shapes[share]), _even_cuts(len(shapes)), len(shapes))


def _even_cuts(count: int) -> IndexArray:
    """Return where the shares of so many clusters begin, enough of them for all CPUs."""
    return np.unique(np.linspace(0, count, _SHARES_PER_CPU * len(usable_cpus()), endpoint=False, dtype=np.int64))


def _shared_out(function: Callable[[slice], GeometryArray], cuts: IndexArray, end: int) -> GeometryArray:
    """Return the results of all shares; shapely releases the interpreter's lock."""
    with ThreadPoolExecutor(len(usable_cpus())) as pool:
        shares = list(pool.map(function, starmap(slice, pairwise([*cuts.tolist(), end]))))
    return np.concatenate([np.empty(0, dtype=np.object_), *shares])


def _flattened(corners: FloatArray) -> BaseGeometry:
    """Return the line between the ends of a shape without breadth, or a point if it has no length either."""
    import shapely

    first = corners[np.argmax(np.hypot(*(corners - corners.mean(axis=0)).T))]
    last = corners[np.argmax(np.hypot(*(corners - first).T))]
    if np.hypot(*(last - first)) < _MIN_BREADTH_METRES:
        return shapely.Point(corners.mean(axis=0))
    return shapely.LineString([first, last])


def _thinned(ranks: IndexArray, east: FloatArray, north: FloatArray, cell: float) -> IndexArray:
    """Return one row for each cluster and square cell, so that a million pickups at one stand cost no more than one."""
    extent = max(np.ptp(east), np.ptp(north))
    cell = max(cell, extent / _FINEST_GRID)
    column = ((east - east.min()) / cell).astype(np.int64)
    row = ((north - north.min()) / cell).astype(np.int64)
    key = (ranks * (_FINEST_GRID + 1) + row) * (_FINEST_GRID + 1) + column
    return np.unique(key, return_index=True)[1]


def _in_degrees(outlines: GeometryArray, frame: Frame) -> GeometryArray:
    import shapely

    def convert(coordinates: FloatArray) -> FloatArray:
        latitude, longitude = frame.to_degrees(coordinates[:, 0], coordinates[:, 1])
        return np.column_stack((longitude, latitude))

    converted: GeometryArray = shapely.transform(outlines, convert)
    return converted


def _area_km2(outlines: GeometryArray) -> FloatArray:
    """Return the area on the sphere, by Lambert's cylindrical projection (1772), which preserves areas."""
    import shapely

    from haversine_dbscan.geodesy import EARTH_RADIUS_METRES

    def project(degrees: FloatArray) -> FloatArray:
        radians = np.radians(degrees)
        return np.asarray(EARTH_RADIUS_METRES / 1e3 * np.column_stack((radians[:, 0], np.sin(radians[:, 1]))))

    return np.asarray(shapely.area(shapely.transform(outlines, project)), dtype=np.float64)
