"""Rows to tiles: the points of a chunk, sorted by the tile that owns them, its inner points before its outer ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from haversine_dbscan.arrays import FloatArray, IntArray
from taxi_mlops.scale.plan import Finder, tile_of

PositionArray = NDArray[np.uint32]
KeyArray = NDArray[np.int32]


class Batch(NamedTuple):
    """Some points of a chunk, in the order of rows.

    latitude, longitude: float64 (n,), degrees. position: uint32 (n,), the row of each within the chunk. weight: float64
    (n,); of shape (0,) where each point counts once.
    """

    latitude: FloatArray
    longitude: FloatArray
    position: PositionArray
    weight: FloatArray


class Scattered(NamedTuple):
    """The points of a chunk by tile, otherwise in their order, as in `Batch`.

    counts: int64 (2 t,), how many inner and outer points of each tile there are.
    """

    latitude: FloatArray
    longitude: FloatArray
    position: PositionArray
    weight: FloatArray
    counts: IntArray


class Scatterer:
    """Takes the points of one chunk, batch by batch. O(1) a point.

    inner: (t, 4), as of `plan.inner_boxes`.
    """

    def __init__(self, finder: Finder, inner: FloatArray) -> None:
        self._finder, self._inner = finder, inner
        self._counts = np.zeros(2 * len(inner), dtype=np.int64)
        self._batches: list[tuple[Batch, KeyArray]] = []

    def add(self, batch: Batch) -> None:
        """Take some points."""
        keys = np.empty(len(batch.latitude), dtype=np.int32)
        find_keys(batch.latitude, batch.longitude, self._finder, self._inner, keys, self._counts)
        self._batches.append((batch, keys))

    def finish(self) -> Scattered:
        """Return all points, sorted. The scatterer is empty afterwards."""
        n = int(self._counts.sum())
        weights = sum(len(batch.weight) for batch, _ in self._batches)
        points = Scattered(np.empty(n), np.empty(n), np.empty(n, np.uint32), np.empty(weights), self._counts)
        next_free = np.cumsum(self._counts) - self._counts
        self._batches.reverse()
        while self._batches:  # one at a time, so that each is given up before the next is moved
            move(*self._batches.pop(), next_free, points)
        self._counts = np.zeros_like(self._counts)
        return points


@njit(cache=True, nogil=True)
def find_keys(
    latitude: FloatArray, longitude: FloatArray, finder: Finder, inner: FloatArray, keys: KeyArray, counts: IntArray
) -> None:
    """Fill in and count the key of each point: 2 × its tile, and 1 more where it is not in the inner box."""
    for i in range(latitude.shape[0]):
        tile = tile_of(finder, latitude[i], longitude[i])
        outer = (
            (latitude[i] < inner[tile, 0])
            | (longitude[i] < inner[tile, 1])
            | (latitude[i] > inner[tile, 2])
            | (longitude[i] > inner[tile, 3])
        )
        key = 2 * tile + outer
        keys[i] = key
        counts[key] += 1


@njit(cache=True, nogil=True)
def move(batch: Batch, keys: KeyArray, next_free: IntArray, to: Scattered) -> None:
    """Move the points of a batch to their places. next_free: (2 t,), where the next point of each key goes."""
    weighted = batch.weight.shape[0] > 0
    for i in range(keys.shape[0]):
        place = next_free[keys[i]]
        next_free[keys[i]] = place + 1
        to.latitude[place], to.longitude[place] = batch.latitude[i], batch.longitude[i]
        to.position[place] = batch.position[i]
        if weighted:
            to.weight[place] = batch.weight[i]
