"""The folder between the stages: points by tile, and what was found in each tile.

A chunk is a stretch of rows. Its points are one Arrow file of one record batch: each tile's inner and outer points, in
the order of tiles; outer points may be in the halo of another tile. The file is mapped into memory, so that the points
of a tile are read alone, and a file of many tiles opens as fast as one of few. Files appear under their names once they
are complete, so that what is there is done.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from haversine_dbscan.arrays import IntArray
from taxi_mlops.arrow import as_arrow, as_numpy
from taxi_mlops.scale.scatter import Scattered

_COUNTS = b"points of each tile, inner and outer"


@dataclass(frozen=True, slots=True)
class Spill:
    """Names of the files."""

    path: Path

    def chunk(self, number: int) -> Path:
        return self.path / "chunks" / f"{number:06}.arrow"

    def open(self, number: int, columns: Sequence[str]) -> AbstractContextManager[Chunk]:
        """Open a chunk, as `Chunks` does."""
        return open_chunk(self.chunk(number), columns)

    def piece(self, first_chunk: int) -> Path:
        """Of a piece whose chunks, from this one on, are all there: the counts of its source."""
        return self.path / "chunks" / f"{first_chunk:06}.json"

    def codes(self, tile: int) -> Path:
        """Of a tile's own points: 2 × (label + 1) + (1 if core)."""
        return self.path / "tiles" / f"{tile:06}.codes.npy"

    def tile(self, tile: int) -> Path:
        """All else that was found in a tile. It is written last."""
        return self.path / "tiles" / f"{tile:06}.npz"

    def joined(self, name: str) -> Path:
        """Of an array of the joined clusters, of all tiles one after the other."""
        return self.path / f"joined.{name}.npy"

    def make(self) -> None:
        """Make the folders, and remove what an earlier process left unfinished in them."""
        for folder in (".", "chunks", "tiles"):
            (self.path / folder).mkdir(parents=True, exist_ok=True)
            for unfinished in (self.path / folder).glob("*.part"):
                unfinished.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    @property
    def bytes(self) -> int:
        """How large the files are together."""
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())


@contextmanager
def complete(path: Path) -> Iterator[Path]:
    """Give a name to write to; the file gets its own once it is complete, and is gone where writing fails.

    Several workers may write the same file: each has a name of its own.
    """
    hidden = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        yield hidden
        hidden.replace(path)
    finally:
        hidden.unlink(missing_ok=True)


def save_array(path: Path, values: NDArray[Any]) -> None:
    """Write an array that can be mapped. Raises OSError."""
    with complete(path) as hidden, hidden.open("wb") as file:
        np.save(file, values, allow_pickle=False)


def save_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write arrays by name. Raises OSError."""
    with complete(path) as hidden, hidden.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # its stubs allow no names in a mapping


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read them."""
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def write_chunk(path: Path, points: Scattered) -> None:
    """Write the points of a chunk. Raises OSError."""
    import pyarrow as pa

    columns = Chunk.of(points).columns
    counts = {_COUNTS: points.counts.astype("<i8").tobytes()}
    batch = pa.record_batch([as_arrow(values) for values in columns.values()], names=list(columns), metadata=counts)
    with complete(path) as hidden, pa.OSFile(str(hidden), "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Points of a chunk by tile: in its file, which is open, or in memory.

    columns: each of all its points, by name. counts: int64 (2 t,), of inner and outer points of each tile in turn.
    """

    columns: dict[str, NDArray[Any]]
    counts: IntArray
    _begin: IntArray

    @classmethod
    def of(cls, points: Scattered) -> Self:
        """Return sorted points as a chunk in memory."""
        columns: dict[str, NDArray[Any]] = points._asdict()
        del columns["counts"]
        if not len(points.weight):
            del columns["weight"]
        return cls(columns, points.counts, np.cumsum(points.counts) - points.counts)

    def points(self, key: int) -> dict[str, NDArray[Any]]:
        """The columns of inner (2 × tile) or outer (2 × tile + 1) points."""
        part = slice(int(self._begin[key]), int(self._begin[key] + self.counts[key]))
        return {name: values[part] for name, values in self.columns.items()}

    def keys_of(self, tile: int) -> list[int]:
        """The keys of a tile under which there are points."""
        return [key for key in (2 * tile, 2 * tile + 1) if self.counts[key]]

    def part(self, keys: Sequence[int]) -> Self:
        """Return a copy that has no points but those under some keys; `counts` stays that of all."""
        begin = np.zeros_like(self._begin)
        begin[keys] = np.cumsum(self.counts[keys]) - self.counts[keys]
        points = [self.points(key) for key in keys]
        columns = {
            name: np.concatenate([values[:0], *[one[name] for one in points]]) for name, values in self.columns.items()
        }
        return type(self)(columns, self.counts, begin)


class Chunks(Protocol):
    """Chunks by their numbers, in files or in memory."""

    def open(self, number: int, columns: Sequence[str]) -> AbstractContextManager[Chunk]:
        """Open a chunk to read some columns, if it has them."""
        ...


@contextmanager
def open_chunk(path: Path, columns: Sequence[str]) -> Iterator[Chunk]:
    """Open a chunk's file to read some columns, if it has them. Raises OSError, and ArrowInvalid if it is damaged."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
        batch = reader.get_batch(0)
        counts = np.frombuffer(reader.schema.metadata[_COUNTS], dtype="<i8").astype(np.int64)
        values = {name: as_numpy(batch.column(name)) for name in columns if name in batch.schema.names}
        yield Chunk(values, counts, np.cumsum(counts) - counts)


def counts_of_chunks(paths: Sequence[Path], tiles: int) -> IntArray:
    """Return int64 (c, 2 t): how many inner and outer points of each tile are in each chunk."""
    counts = np.zeros((len(paths), 2 * tiles), dtype=np.int64)
    for number, path in enumerate(paths):
        with open_chunk(path, ["position"]) as chunk:
            counts[number] = chunk.counts
    return counts
