"""How many points lie where: a histogram over cells of degrees whose size is bounded, however many points there are.

Cells are squares of degrees, 180 / 2^level to a side. Where more than `CELLS` are occupied, the level falls by one, and
four cells become one. Sketches of parts are merged, so that the parts can be counted apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from haversine_dbscan.arrays import FloatArray, IntArray

CELLS = 1 << 20
"""Occupied cells at most: 16 MB, and twice that while points are counted."""
_FINEST = 30
_FREE = np.int64(-1)


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """Counts of points in occupied cells.

    level: see above. row, column: int64 (m,), counted from 90° S and 180° W. count: int64 (m,).
    """

    level: int
    row: IntArray
    column: IntArray
    count: IntArray

    @property
    def degrees(self) -> float:
        """The side of a cell."""
        return 180.0 * 0.5**self.level

    def boxes(self) -> FloatArray:
        """The cells as boxes (south, west, north, east), float64 (m, 4)."""
        south, west = self.row * self.degrees - 90.0, self.column * self.degrees - 180.0
        return np.column_stack((south, west, south + self.degrees, west + self.degrees))


def level_for(degrees: float) -> int:
    """Return the level whose cells are at most so large, and more than half of it; the finest where none is."""
    return min(max(math.ceil(math.log2(180.0 / degrees)), 0), _FINEST)


class SketchCounter:
    """A sketch that grows."""

    def __init__(self, level: int, cells: int = CELLS) -> None:
        self._level, self._cells = level, cells
        slots = 1 << (2 * cells - 1).bit_length()
        self._key, self._count = np.full(slots, _FREE), np.zeros(slots, dtype=np.int64)
        self._used, self._random = 0, np.ones(1, dtype=np.uint64)

    def add(self, latitude: FloatArray, longitude: FloatArray, step: int = 1) -> None:
        """Count one in `step` of n points in degrees, float64 (n,), as `step` points.

        Which ones is drawn by chance, so that rows which repeat themselves are all seen; always the same ones.
        """
        position, count = 0, len(latitude)
        while position < count:
            scale = 2.0**self._level / 180.0
            position, self._used = count_points(
                latitude,
                longitude,
                position,
                step,
                scale,
                self._key,
                self._count,
                self._used,
                self._cells,
                self._random,
            )
            if position < count:
                self._coarsen()

    def merge(self, sketch: Sketch) -> None:
        """Count the points of another sketch."""
        while self._level > sketch.level:
            self._coarsen()
        position = 0
        while position < len(sketch.row):
            shift = sketch.level - self._level
            key = (sketch.row >> shift) << 32 | (sketch.column >> shift)
            position, self._used = count_cells(
                key, sketch.count, position, self._key, self._count, self._used, self._cells
            )
            if position < len(sketch.row):
                self._coarsen()

    def finish(self) -> Sketch:
        """Return what was counted, the cells in order."""
        key, count = self._occupied()
        order = np.argsort(key)
        key = key[order]
        return Sketch(self._level, key >> 32, key & 0xFFFFFFFF, count[order])

    def _coarsen(self) -> None:
        key, count = self._occupied()
        self._level -= 1
        self._key[:], self._count[:] = _FREE, 0
        key = (key >> 33) << 32 | (key & 0xFFFFFFFF) >> 1
        _, self._used = count_cells(key, count, 0, self._key, self._count, 0, len(self._key))

    def _occupied(self) -> tuple[IntArray, IntArray]:
        occupied = np.flatnonzero(self._key != _FREE)
        return self._key[occupied], self._count[occupied]


@njit(cache=True, nogil=True, inline="always")
def _slot_of(key: int, keys: IntArray) -> np.uint64:
    """Return the slot that holds the key, or the free one where it belongs (linear probing)."""
    mask = np.uint64(keys.shape[0] - 1)
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    slot = (mixed ^ (mixed >> np.uint64(32))) & mask
    while keys[slot] != key and keys[slot] != -1:
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit(cache=True, nogil=True)
def count_points(
    latitude: FloatArray,
    longitude: FloatArray,
    begin: int,
    step: int,
    scale: float,
    keys: IntArray,
    counts: IntArray,
    used: int,
    most: int,
    random: NDArray[np.uint64],
) -> tuple[int, int]:
    """Count points from `begin` on; return where it stopped for want of cells, and how many cells are occupied.

    random: uint64 (1,), the state of the generator that draws the points of each step (Knuth's, in MMIX).
    """
    i = begin
    while i < latitude.shape[0]:
        key = np.int64((latitude[i] + 90.0) * scale) << 32 | np.int64((longitude[i] + 180.0) * scale)
        slot = _slot_of(int(key), keys)
        if keys[slot] != key:
            if used == most:
                return i, used
            keys[slot] = key
            used += 1
        counts[slot] += step
        i += 1
        if step > 1:
            random[0] = random[0] * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            i += int(np.int64((random[0] >> np.uint64(33)) % np.uint64(2 * step - 1)))
    return latitude.shape[0], used


@njit(cache=True, nogil=True)
def count_cells(
    key: IntArray, count: IntArray, begin: int, keys: IntArray, counts: IntArray, used: int, most: int
) -> tuple[int, int]:
    """Do the same with cells that are counted already."""
    for i in range(begin, key.shape[0]):
        slot = _slot_of(int(key[i]), keys)
        if keys[slot] != key[i]:
            if used == most:
                return i, used
            keys[slot] = key[i]
            used += 1
        counts[slot] += count[i]
    return key.shape[0], used
