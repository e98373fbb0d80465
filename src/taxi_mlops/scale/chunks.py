"""Chunks: the points of a stretch of rows by tile, each tile's inner points before its outer ones.

Outer points may be in the halo of another tile. Keys number both: 2 × tile is that of its inner points, and
2 × tile + 1 that of its outer ones. The file of a chunk holds, as numbers of 8 bytes, what it is, how many keys and
points it has, whether these have weights, and the number of points of each key; then, key by key, all latitudes, all
longitudes and, if there are any, all weights; then the positions of all points, of 4 bytes. So what a tile needs is
read at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol, Self

import numpy as np

from haversine_dbscan.arrays import FloatArray, IntArray
from taxi_mlops.errors import DataError
from taxi_mlops.scale.scatter import PositionArray, Scattered
from taxi_mlops.scale.spill_files import Content, SpillReader

_WHAT = 0x6B6E7563
"""A number that other files hardly begin with."""
_HEAD = 4
_READ_FIRST = 512
"""Numbers that are read at once: in an object store, each reading is a request."""


class Coordinates(NamedTuple):
    """Some points: degrees, float64 (n,). weight: float64 (n,), or None where each counts once."""

    latitude: FloatArray
    longitude: FloatArray
    weight: FloatArray | None


class Chunk(Protocol):
    """Points of a chunk by key. counts: int64 (2 t,), of inner and outer points of each tile in turn."""

    @property
    def counts(self) -> IntArray: ...

    @property
    def weighted(self) -> bool: ...

    def coordinates(self, keys: range) -> Iterable[Coordinates]:
        """The points of keys that follow each other, in their order, in one part or several."""
        ...

    def positions(self, keys: range) -> PositionArray:
        """The rows of these points within the chunk, uint32 (n,)."""
        ...


class Chunks(Protocol):
    """Chunks by their numbers, in files or in memory."""

    def open(self, number: int) -> AbstractContextManager[Chunk]:
        """Open a chunk."""
        ...


def keys_of(tile: int) -> range:
    """Return the keys of a tile."""
    return range(2 * tile, 2 * tile + 2)


def chunk_content(points: Scattered) -> Iterator[Content]:
    """Yield the parts of a chunk's file."""
    weighted = int(len(points.weight) > 0)
    yield np.array([_WHAT, len(points.counts), len(points.position), weighted], dtype=np.int64).data
    yield points.counts.data
    end = 0
    for count in points.counts.tolist():
        if count:
            begin, end = end, end + count
            yield points.latitude[begin:end].data
            yield points.longitude[begin:end].data
            if weighted:
                yield points.weight[begin:end].data
    yield points.position.data


class ChunkFile:
    """A chunk in a file that is open. Raises DataError if it is damaged."""

    def __init__(self, reader: SpillReader) -> None:
        self._reader = reader
        first = reader.read(0, np.int64, min(max(reader.size // 8, _HEAD), _READ_FIRST))
        what, keys, points, weighted = first[:_HEAD].tolist()
        self.weighted = bool(weighted)
        self._columns = 2 + weighted
        self._first = 8 * (_HEAD + keys)
        self._positions = self._first + 8 * self._columns * points
        if what != _WHAT or reader.size != self._positions + 4 * points:
            raise DataError("a chunk of the spill is damaged; start again in a new folder")
        known: IntArray = first[_HEAD : _HEAD + keys]
        self.counts = known if len(known) == keys else reader.read(8 * _HEAD, np.int64, keys)
        self._begin = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.counts)])

    def coordinates(self, keys: range) -> Iterator[Coordinates]:
        begin, end = int(self._begin[keys.start]), int(self._begin[keys.stop])
        values = self._reader.read(self._first + 8 * self._columns * begin, np.float64, self._columns * (end - begin))
        at = 0
        for count in self.counts[keys.start : keys.stop].tolist():
            latitude, longitude, *weight = values[at : at + self._columns * count].reshape(self._columns, count)
            yield Coordinates(latitude, longitude, weight[0] if weight else None)
            at += self._columns * count

    def positions(self, keys: range) -> PositionArray:
        begin, end = int(self._begin[keys.start]), int(self._begin[keys.stop])
        positions: PositionArray = self._reader.read(self._positions + 4 * begin, np.uint32, end - begin)
        return positions


class MemoryChunk(NamedTuple):
    """A chunk in memory: sorted points as in `Scattered`, and where those of each key begin, int64 (2 t,)."""

    points: Scattered
    begin: IntArray

    @classmethod
    def of(cls, points: Scattered) -> Self:
        """Return sorted points as a chunk."""
        return cls(points, np.cumsum(points.counts) - points.counts)

    @property
    def counts(self) -> IntArray:
        return self.points.counts

    @property
    def weighted(self) -> bool:
        return len(self.points.weight) > 0

    def coordinates(self, keys: range) -> Iterator[Coordinates]:
        part, points = self._part(keys), self.points
        yield Coordinates(points.latitude[part], points.longitude[part], points.weight[part] if self.weighted else None)

    def positions(self, keys: range) -> PositionArray:
        return self.points.position[self._part(keys)]

    def part(self, keys: Sequence[int]) -> Self:
        """Return a copy that has no points but those under some keys; `counts` stays that of all."""
        begin = np.zeros_like(self.begin)
        begin[keys] = np.cumsum(self.counts[keys]) - self.counts[keys]
        parts = [self._part(range(key, key + 1)) for key in keys]
        columns = {
            name: np.concatenate([values[:0], *[values[part] for part in parts]])
            for name, values in self.points._asdict().items()
            if name != "counts"
        }
        return type(self)(Scattered(**columns, counts=self.counts), begin)

    def _part(self, keys: range) -> slice:
        """Return where the points of keys are: those that follow each other lie side by side."""
        begin = int(self.begin[keys.start])
        return slice(begin, begin + int(self.counts[keys.start : keys.stop].sum()))
