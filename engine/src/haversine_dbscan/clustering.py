"""Exact DBSCAN (Ester et al., KDD 1996) on the great circle and in the plane, in near-linear time.

Few points are swept (`sweeping`). More are laid out by cells, cells are decided by bounds (`counting`), connected
(`connecting`) and numbered (`labelling`); every step is parallel over ranges of rows, and the result does not depend on
how they are cut. Peak memory is some 30 bytes a point beyond the input.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from haversine_dbscan.arrays import BoolArray, FloatArray, IndexArray, LabelArray
from haversine_dbscan.cores import gather_core_points
from haversine_dbscan.frame import Extent, Frame, UnframedError, plane_frame, sphere_frame
from haversine_dbscan.geodesy import SMALLEST_EPS_METRES
from haversine_dbscan.inputs import as_floats, as_weights
from haversine_dbscan.labelling import decode_labels, number_clusters
from haversine_dbscan.layout import Layout, lay_out
from haversine_dbscan.pairwise import cluster_pairwise
from haversine_dbscan.resolution import COARSE, choose_resolution
from haversine_dbscan.rivals import Rivals, find_rivals, joined
from haversine_dbscan.steps import connect_cells, find_core, label_points
from haversine_dbscan.sweeping import MOST_SWEPT, sweep_plane, sweep_sphere
from haversine_dbscan.threads import Range, Run, even_ranges, workers, worthwhile_threads
from haversine_dbscan.worldwide import cluster_worldwide

_BLOCK = 65_536
"""Points at once, so that they stay in the processor's cache."""


def dbscan(
    latitude: ArrayLike,
    longitude: ArrayLike,
    eps_metres: float,
    min_samples: float,
    weight: ArrayLike | None = None,
    threads: int | None = None,
) -> tuple[LabelArray, BoolArray]:
    """Cluster points in degrees by their distance on the great circle.

    latitude, longitude: shape (n,), arrays, Series or lists; float32 and float64 are not copied. eps is inclusive. A
    point is core where the weights within eps of it, its own included, add up to `min_samples`; without weights, each
    counts once. threads: how many to use; as many as the process has CPUs by default.

    Returns the labels, int32 (n,), −1 for noise, and which points are core, bool (n,). Clusters are numbered by their
    first core point, and a border point goes to the lowest-numbered cluster within eps: the labels of scikit-learn.

    Raises ValueError where eps is not a length of at least a micrometre, a coordinate not finite, masked or out of
    range, or a weight not finite.
    """
    return _dbscan(latitude, longitude, eps_metres, min_samples, weight, threads, None)


def dbscan_with_rivals(
    latitude: ArrayLike,
    longitude: ArrayLike,
    eps_metres: float,
    min_samples: float,
    weight: ArrayLike | None = None,
    threads: int | None = None,
) -> tuple[LabelArray, BoolArray, Rivals]:
    """Cluster as `dbscan` does; list also the further clusters within eps of each border point.

    For those who cluster points in parts, and join the clusters afterwards.
    """
    rivals: list[Rivals] = []
    labels, core = _dbscan(latitude, longitude, eps_metres, min_samples, weight, threads, rivals)
    return labels, core, joined(rivals)


def _dbscan(
    latitude: ArrayLike,
    longitude: ArrayLike,
    eps_metres: float,
    min_samples: float,
    weight: ArrayLike | None,
    threads: int | None,
    rivals: list[Rivals] | None,
) -> tuple[LabelArray, BoolArray]:
    """Cluster points in degrees. Rivals are appended to the list, where there is one."""
    if not eps_metres >= SMALLEST_EPS_METRES:
        raise ValueError(f"eps must be at least {SMALLEST_EPS_METRES} metres, got {eps_metres!r}")
    latitude, longitude = as_floats("latitude", latitude), as_floats("longitude", longitude)
    weight = None if weight is None else as_weights(weight)
    check_shapes(latitude, longitude, weight)
    if weight is None and rivals is None and 0 < len(latitude) <= MOST_SWEPT:
        swept = sweep_sphere(latitude, longitude, eps_metres, min_samples)
        if swept is not None:
            return swept
    threads = worthwhile_threads(threads, len(latitude))
    with workers(threads) as run:
        extent = bounds_of(longitude, latitude, ("longitude", "latitude"), run, threads)
        check_degrees(extent)
        try:
            coarse = sphere_frame(extent, eps_metres, COARSE)
            resolution = choose_resolution(longitude, latitude, coarse.width, coarse.height, min_samples)
            frame = sphere_frame(extent, eps_metres, resolution)
        except UnframedError:
            return _cluster_anywhere(latitude, longitude, eps_metres, min_samples, weight, run, threads, rivals)
        return _cluster(longitude, latitude, frame, min_samples, weight, run, threads, rivals)


def _cluster_anywhere(
    latitude: FloatArray,
    longitude: FloatArray,
    eps_metres: float,
    min_samples: float,
    weight: FloatArray | None,
    run: Run,
    threads: int,
    rivals: list[Rivals] | None,
) -> tuple[LabelArray, BoolArray]:
    """Cluster points that no single frame covers."""
    try:
        return cluster_worldwide(latitude, longitude, eps_metres, min_samples, weight, run, threads, rivals)
    except UnframedError:
        return cluster_pairwise(latitude, longitude, eps_metres, min_samples, weight, run, threads, rivals)


def dbscan_plane(
    x: ArrayLike,
    y: ArrayLike,
    eps: float,
    min_samples: float,
    weight: ArrayLike | None = None,
    threads: int | None = None,
) -> tuple[LabelArray, BoolArray]:
    """Cluster points by their Euclidean distance in the plane; eps is in the unit of x and y.

    Otherwise as `dbscan`. Raises ValueError where eps is not positive, a coordinate is not finite, or the points lie so
    far apart that float64 cannot tell one eps from the next.
    """
    if not (eps > 0 and np.isfinite(eps)):
        raise ValueError(f"eps must be a positive number, got {eps!r}")
    x, y, eps = as_floats("x", x), as_floats("y", y), float(eps)
    weight = None if weight is None else as_weights(weight)
    check_shapes(x, y, weight)
    if weight is None and 0 < len(x) <= MOST_SWEPT:
        swept = sweep_plane(x, y, eps, min_samples)
        if swept is not None:
            return swept
    threads = worthwhile_threads(threads, len(x))
    with workers(threads) as run:
        extent = bounds_of(x, y, ("x", "y"), run, threads)
        coarse = plane_frame(extent, eps, COARSE)
        resolution = choose_resolution(x, y, coarse.width, coarse.height, min_samples)
        frame = plane_frame(extent, eps, resolution)
        return _cluster(x, y, frame, min_samples, weight, run, threads)


def check_shapes(first: FloatArray, second: FloatArray, weight: FloatArray | None) -> None:
    """Raise ValueError where coordinates and weights are not (n,), all of one length."""
    for array in (first, second) if weight is None else (first, second, weight):
        if array.ndim != 1 or array.shape != first.shape:
            raise ValueError(f"coordinates and weights must be of one length, got {first.shape} and {array.shape}")


def check_degrees(extent: Extent) -> None:
    """Raise ValueError where a box of longitudes (x) and latitudes (y) leaves the range of degrees."""
    for name, bound, values in (("longitude", 180.0, extent[:2]), ("latitude", 90.0, extent[2:])):
        for value in values:
            if abs(value) > bound:
                raise ValueError(f"{name} must be in [-{bound:g}, {bound:g}] degrees, got {value:g}")


def bounds_of(x: FloatArray, y: FloatArray, names: tuple[str, str], run: Run, threads: int) -> Extent:
    """Return the bounding box of the points. Raises ValueError where a coordinate is not finite."""
    if len(x) == 0:
        return Extent(0.0, 0.0, 0.0, 0.0)
    parts = even_ranges(len(x), threads)
    ends = np.empty((len(parts), 2, 2))
    run(lambda part: _ends_of_range(x, y, part, ends[parts.index(part)]), parts)
    for name, values, found in zip(names, (x, y), ends.swapaxes(0, 1), strict=True):
        if not np.isfinite(found).all():
            wrong = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ValueError(f"{name} must be finite, got {values[wrong]} at {wrong}")
    low, high = ends[:, :, 0].min(axis=0), ends[:, :, 1].max(axis=0)
    return Extent(float(low[0]), float(high[0]), float(low[1]), float(high[1]))


def _ends_of_range(x: FloatArray, y: FloatArray, part: Range, ends: FloatArray) -> None:
    """Fill in the lowest and the highest x and y, (2, 2); NaN where one is NaN. Both at once: they may be one array."""
    blocks = [slice(begin, min(begin + _BLOCK, part[1])) for begin in range(part[0], part[1], _BLOCK)]
    found = np.array([[(values[one].min(), values[one].max()) for values in (x, y)] for one in blocks], np.float64)
    ends[:, 0], ends[:, 1] = found[:, :, 0].min(axis=0), found[:, :, 1].max(axis=0)


def _cluster(
    x: FloatArray,
    y: FloatArray,
    frame: Frame,
    min_samples: float,
    weight: FloatArray | None,
    run: Run,
    threads: int,
    rivals: list[Rivals] | None = None,
) -> tuple[LabelArray, BoolArray]:
    core = np.zeros(len(x), dtype=np.bool_)
    if len(x) == 0:
        return np.empty(0, dtype=np.int32), core
    layout, frame = lay_out(x, y, frame, run, threads)
    n_core = find_core(frame, layout, weight, min_samples, core, run, threads)
    return cluster_core_points(frame, layout, core, n_core, run, threads, rivals)


def cluster_core_points(
    frame: Frame,
    layout: Layout,
    core: BoolArray,
    n_core: IndexArray,
    run: Run,
    threads: int,
    rivals: list[Rivals] | None = None,
) -> tuple[LabelArray, BoolArray]:
    """Return labels and core flags of laid out points whose core points are known, both in the original order.

    core: bool (n,), of the sorted points, looked at only in cells where some points are core and some are not; it is
    written to. n_core: (C,), how many points of each cell are core. The points of the layout are reordered in place.
    """
    n = len(core)
    code = np.empty(n, dtype=np.int32)
    cores = gather_core_points(layout, core, n_core, run, threads)
    root, run_end = connect_cells(frame, layout, cores, run, threads)
    label = number_clusters(root, cores.first)
    label_points(frame, layout, cores, n_core, label, run_end, code, run, threads)
    if rivals is not None:
        rivals.append(find_rivals(frame, layout, cores, n_core, label, run_end, code, run, threads))
    run(lambda part: decode_labels(code, part, core), even_ranges(n, threads))
    return code, core
