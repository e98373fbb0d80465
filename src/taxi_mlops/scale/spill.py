"""What waits between the stages: points by tile, and what was found in each tile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from haversine_dbscan.arrays import IntArray
from taxi_mlops.scale.chunks import Chunk, ChunkFile, chunk_content
from taxi_mlops.scale.scatter import Scattered
from taxi_mlops.scale.spill_files import FolderFiles, SpillFiles


@dataclass(frozen=True, slots=True)
class Spill:
    """Names of the files."""

    files: SpillFiles

    @classmethod
    def at(cls, path: Path) -> Self:
        """Return the spill in a folder."""
        return cls(FolderFiles(path))

    def make(self) -> None:
        """Prepare the folders."""
        self.files.make(("chunks", "tiles"))

    def chunk(self, number: int) -> str:
        return f"chunks/{number:06}.chunk"

    @contextmanager
    def open(self, number: int) -> Iterator[Chunk]:
        """Open a chunk. Raises OSError, and DataError if it is damaged."""
        with self.files.open(self.chunk(number)) as reader:
            yield ChunkFile(reader)

    def write_chunk(self, number: int, points: Scattered) -> None:
        """Write the points of a chunk. Raises OSError."""
        self.files.write(self.chunk(number), chunk_content(points))

    def counts_of_chunks(self, chunks: int, tiles: int) -> IntArray:
        """Return int64 (c, 2 t): how many inner and outer points of each tile are in each chunk."""
        counts = np.zeros((chunks, 2 * tiles), dtype=np.int64)
        for number in range(chunks):
            with self.open(number) as chunk:
                counts[number] = chunk.counts
        return counts

    def piece(self, first_chunk: int) -> str:
        """Of a piece whose chunks, from this one on, are all there: the counts of its source."""
        return f"chunks/{first_chunk:06}.json"

    def codes(self, tile: int) -> str:
        """Of a tile's own points: 2 × (label + 1) + (1 if core)."""
        return f"tiles/{tile:06}.codes"

    def tile(self, tile: int) -> str:
        """All else that was found in a tile. It is written last."""
        return f"tiles/{tile:06}.npz"

    def labels(self, chunk: int) -> str:
        """Of the labels of a chunk, where workers share no folder."""
        return f"labels/{chunk:06}.parquet"

    def joined(self, name: str) -> str:
        """Of an array of the joined clusters, of all tiles one after the other."""
        return f"joined.{name}"
