"""The folder between the stages: points by tile, and what was found in each tile.

A chunk is a stretch of rows. Its points are one Arrow file, a record batch for each tile's inner and outer points, in
the order of tiles; outer points may be in the halo of another tile. Files appear under their names once they are
complete, so that what is there is done.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from haversine_dbscan.arrays import IntArray
from taxi_mlops.arrow import as_arrow, as_numpy
from taxi_mlops.scale.scatter import Scattered

if TYPE_CHECKING:
    import pyarrow as pa

_COUNTS = b"points of each tile, inner and outer"


@dataclass(frozen=True, slots=True)
class Spill:
    """Names of the files."""

    path: Path

    def chunk(self, number: int) -> Path:
        return self.path / "chunks" / f"{number:06}.arrow"

    def piece(self, first_chunk: int) -> Path:
        """Of a piece whose chunks, from this one on, are all there: the counts of its source."""
        return self.path / "chunks" / f"{first_chunk:06}.json"

    def codes(self, tile: int) -> Path:
        """Of a tile's own points: 2 × (label + 1) + (1 if core)."""
        return self.path / "tiles" / f"{tile:06}.codes.npy"

    def tile(self, tile: int) -> Path:
        """All else that was found in a tile. It is written last."""
        return self.path / "tiles" / f"{tile:06}.npz"

    def make(self) -> None:
        """Make the folders, and remove what an earlier process left unfinished in them."""
        for folder in ("chunks", "tiles"):
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

    columns: dict[str, NDArray[Any]] = points._asdict()
    del columns["counts"]
    if not len(points.weight):
        del columns["weight"]
    types = [pa.field(name, pa.from_numpy_dtype(values.dtype)) for name, values in columns.items()]
    schema = pa.schema(types, metadata={_COUNTS: points.counts.astype("<i8").tobytes()})
    offsets = np.concatenate([[0], np.cumsum(points.counts)])
    arrays = [as_arrow(values) for values in columns.values()]
    with complete(path) as hidden, pa.OSFile(str(hidden), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for key in np.flatnonzero(points.counts):
            begin, n = int(offsets[key]), int(points.counts[key])
            writer.write_batch(pa.record_batch([array.slice(begin, n) for array in arrays], schema=schema))


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk's file that is open.

    counts: int64 (2 t,), of inner and outer points of each tile in turn.
    """

    reader: pa.RecordBatchFileReader
    counts: IntArray
    batch: IntArray

    def points(self, key: int) -> dict[str, NDArray[Any]]:
        """The columns that were asked for, of inner (2 × tile) or outer (2 × tile + 1) points."""
        batch = self.reader.get_batch(int(self.batch[key]))
        return {name: as_numpy(batch.column(name)) for name in batch.schema.names}

    def keys_of(self, tile: int) -> list[int]:
        """The keys of a tile under which there are points."""
        return [key for key in (2 * tile, 2 * tile + 1) if self.counts[key]]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.reader.schema.names)


@contextmanager
def open_chunk(path: Path, columns: Sequence[str]) -> Iterator[Chunk]:
    """Open a chunk's file to read some columns, if it has them. Raises OSError, and ArrowInvalid if it is damaged."""
    import pyarrow as pa

    with pa.OSFile(str(path)) as file:
        names = pa.ipc.open_file(file).schema.names
        fields = [names.index(column) for column in columns if column in names]
        options = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
        with pa.ipc.open_file(file, options=options) as reader:
            counts = np.frombuffer(reader.schema.metadata[_COUNTS], dtype="<i8").astype(np.int64)
            yield Chunk(reader, counts, np.cumsum(counts > 0) - 1)


def counts_of_chunks(paths: Sequence[Path], tiles: int) -> IntArray:
    """Return int64 (c, 2 t): how many inner and outer points of each tile are in each chunk."""
    counts = np.zeros((len(paths), 2 * tiles), dtype=np.int64)
    for number, path in enumerate(paths):
        with open_chunk(path, ["position"]) as chunk:
            counts[number] = chunk.counts
    return counts
