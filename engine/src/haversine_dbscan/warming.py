"""Compile all kernels ahead, so that no first call waits: in the build of an image, or after an installation."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from haversine_dbscan.clustering import dbscan, dbscan_with_rivals
from haversine_dbscan.compiling import KERNELS
from haversine_dbscan.geodesy import EARTH_RADIUS_METRES
from haversine_dbscan.nearest import NearestCore
from haversine_dbscan.neighbours import count_neighbours
from haversine_dbscan.reaching import has_neighbour_of_label

_CASES = ((500.0, -70.66), (1_000_000.0, 180.0), (3_000_000.0, 180.0))
"""An eps in metres, and a longitude on the equator: one frame covers it, only zones do, nothing does. Each has kernels
of its own."""
_PLACES = (*[-1.78] * 9, -0.89, 0.0, 0.89, *[1.78] * 9)
"""In units of eps: two clusters, and between them a border point that is within eps of both."""
_MIN_SAMPLES = 4


class Warmed(NamedTuple):
    """What `warm` did: the kernels that it compiled and those that were on disk, and the folder that they are in."""

    compiled: int
    found: int
    seconds: float
    folder: Path


def warm() -> Warmed:
    """Compile every kernel, but for 2³¹ points and more, and keep the code on disk.

    Raises RuntimeError where NUMBA_DISABLE_JIT is set, and OSError where the code cannot be written.
    """
    if not KERNELS:
        raise RuntimeError("NUMBA_DISABLE_JIT is set, so that nothing is compiled")
    began = time.perf_counter()
    for eps, middle in _CASES:
        along = middle + np.degrees(eps / EARTH_RADIUS_METRES) * np.array(_PLACES)
        latitude, longitude = np.zeros(len(along)), (along + 180.0) % 360.0 - 180.0
        labels, core, _ = dbscan_with_rivals(latitude, longitude, eps, _MIN_SAMPLES)
        dbscan(latitude, longitude, eps, _MIN_SAMPLES)  # few points have kernels of their own
        dbscan_with_rivals(latitude, longitude, eps, _MIN_SAMPLES, np.ones(len(along)))
        count_neighbours(latitude, longitude, eps)
        count_neighbours(latitude, longitude, eps, np.ones(len(along)))
        has_neighbour_of_label(latitude, longitude, labels, eps, latitude, longitude, labels)
        model = NearestCore(longitude[core], latitude[core], labels[core], eps, spherical=True)
        model.predict(longitude, latitude, 1)
    for kernel in KERNELS:
        if kernel._cache.failure is not None:
            raise kernel._cache.failure
    return Warmed(
        compiled=sum(sum(kernel.stats.cache_misses.values()) for kernel in KERNELS),
        found=sum(sum(kernel.stats.cache_hits.values()) for kernel in KERNELS),
        seconds=time.perf_counter() - began,
        folder=Path(KERNELS[0].stats.cache_path),
    )
