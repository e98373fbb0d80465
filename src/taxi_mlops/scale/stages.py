"""The stages as functions of one task each, which any executor runs wherever the spill folder is.

Points are surveyed and scattered piece by piece, clustered tile by tile, and labelled chunk by chunk. What is there
already is not made again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from haversine_dbscan.arrays import FloatArray, IntArray
from haversine_dbscan.clustering import dbscan_with_rivals
from taxi_mlops.arrow import as_arrow
from taxi_mlops.errors import DataError
from taxi_mlops.scale.chunks import keys_of
from taxi_mlops.scale.labels import Labels
from taxi_mlops.scale.pieces import Piece, Rows
from taxi_mlops.scale.plan import BYTES_OF_A_WORKER, BYTES_PER_POINT, Finder
from taxi_mlops.scale.scatter import Batch, Scatterer
from taxi_mlops.scale.sketch import Sketch, SketchCounter
from taxi_mlops.scale.spill import Spill
from taxi_mlops.scale.spill_files import SpillFiles, whole
from taxi_mlops.scale.tile import Engine, cluster_tile
from taxi_mlops.scale.tile_files import (
    JoinedClusters,
    TileCounts,
    TileInput,
    load_counts,
    open_codes,
    read_tile,
    write_answer,
)


class Surveyed(NamedTuple):
    """What a piece holds. extent: (4,), the box around its points; infinite where there is none."""

    rows: int
    points: int
    extent: FloatArray
    sketch: Sketch
    remarks: tuple[Any, ...]


NOTHING = Surveyed(0, 0, np.array([np.inf, np.inf, -np.inf, -np.inf]), SketchCounter(0, 1).finish(), ())
"""What a piece without rows holds."""


@dataclass(frozen=True, slots=True, eq=False)
class SurveyTask:
    """step: one in so many points is counted. level: of the sketch, at the beginning."""

    piece: Piece
    level: int
    step: int = 1

    def __str__(self) -> str:
        return f"reading {self.piece}"


def survey(task: SurveyTask) -> Surveyed:
    """Count the points of a piece. Raises DataError if a weight is negative: core points would be uncertain."""
    counter, rows, points = SketchCounter(task.level), 0, 0
    remarks: list[Any] = []
    extent = np.array([np.inf, np.inf, -np.inf, -np.inf])
    for part in task.piece.points(remarks):
        rows, points = rows + part.read, points + len(part.row)
        lightest = float(part.weight.min(initial=0.0))
        if lightest < 0.0:
            raise DataError(f"a weight is {lightest:g}: points in tiles cannot have negative weights")
        if len(part.row):
            counter.add(part.latitude, part.longitude, task.step)
            np.minimum(extent[:2], (part.latitude.min(), part.longitude.min()), out=extent[:2])
            np.maximum(extent[2:], (part.latitude.max(), part.longitude.max()), out=extent[2:])
    return Surveyed(rows, points, extent, counter.finish(), tuple(remarks))


@dataclass(frozen=True, slots=True, eq=False)
class ScatterTask:
    """A piece whose rows become chunks, from `first_chunk` on, of `chunk_rows` rows each but for the last.

    inner: (t, 4), see `plan.inner_boxes`.
    """

    piece: Piece
    rows: int
    first_chunk: int
    chunk_rows: int
    finder: Finder
    inner: FloatArray
    spill: Spill

    def __str__(self) -> str:
        return f"{self.rows:,} rows that are put in tiles"


def scatter(task: ScatterTask) -> dict[str, int]:
    """Write the chunks of a piece; return the counts of the source, of all its rows.

    Raises DataError if there are not as many rows as before, and OSError.
    """
    spill, done = task.spill, task.spill.piece(task.first_chunk)
    if spill.files.exists(done):
        with spill.files.open(done) as reader:
            counts: dict[str, int] = json.loads(whole(reader))
        return counts
    chunks = -(-task.rows // task.chunk_rows)
    scatterer, number, read, counter = Scatterer(task.finder, task.inner), 0, 0, Counter[str]()
    for part in task.piece.points([]):
        read += part.read
        counter.update(part.counts)
        for chunk, batch in _by_chunk(part, task.chunk_rows):
            if chunk >= chunks:
                raise _changed(task.rows, read)
            while number < chunk:
                spill.write_chunk(task.first_chunk + number, scatterer.finish())
                number += 1
            scatterer.add(batch)
    if read != task.rows:
        raise _changed(task.rows, read)
    for last in range(number, chunks):
        spill.write_chunk(task.first_chunk + last, scatterer.finish())
    spill.files.write(done, (json.dumps(counter).encode(),))
    return dict(counter)


def _changed(before: int, now: int) -> DataError:
    return DataError(f"the input changed while it was read: a part of it had {before:,} rows, and now has {now:,}")


def _by_chunk(part: Rows, chunk_rows: int) -> Iterator[tuple[int, Batch]]:
    """Cut points where chunks end; rows become positions in their chunk."""
    if not len(part.row):
        return
    for chunk in range(int(part.row[0]) // chunk_rows, int(part.row[-1]) // chunk_rows + 1):
        begin, end = np.searchsorted(part.row, (chunk * chunk_rows, (chunk + 1) * chunk_rows))
        if begin < end:
            position = np.empty(end - begin, dtype=np.uint32)
            np.subtract(part.row[begin:end], chunk * chunk_rows, out=position, casting="unsafe")
            yield chunk, Batch(part.latitude[begin:end], part.longitude[begin:end], position, part.weight[begin:end])


@dataclass(frozen=True, slots=True, eq=False)
class TileTask:
    """A tile to cluster."""

    input: TileInput
    spill: Spill
    min_samples: float
    threads: int
    engine: Engine = dbscan_with_rivals

    def __str__(self) -> str:
        where = self.input
        needed = BYTES_OF_A_WORKER + BYTES_PER_POINT * (where.owned + where.outer)
        return (
            f"tile {where.tile} (of {where.owned:,} points, with up to {where.outer:,} around it, which need up to "
            f"{needed / 1e6:,.0f} MB)"
        )


def cluster(task: TileTask) -> TileCounts:
    """Cluster a tile, and write what was found. Raises OSError, and MemoryError."""
    tile, spill = task.input, task.spill
    if spill.files.exists(spill.tile(tile.tile)):
        return load_counts(spill, tile.tile)
    points = read_tile(tile, spill)
    answer = cluster_tile(points, tile.box, tile.eps_metres, task.min_samples, task.threads, task.engine)
    return write_answer(spill, tile, points, answer)


@dataclass(frozen=True, slots=True, eq=False)
class LabelTask:
    """A chunk whose labels are to be written.

    first_row, rows: of the chunk. tiles: int64 (s,), of which it has points. before: int64 (s,), points of each of them
    in the chunks before it. files, name: where the labels go.
    """

    chunk: int
    first_row: int
    rows: int
    tiles: IntArray
    before: IntArray
    spill: Spill
    files: SpillFiles
    name: str

    def __str__(self) -> str:
        return f"the labels of rows {self.first_row:,} to {self.first_row + self.rows:,}"


def label(task: LabelTask) -> None:
    """Write the labels of a chunk as a Parquet file of row, label and core. Raises OSError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if task.files.exists(task.name):
        return
    labels = Labels(task.rows)
    with task.spill.open(task.chunk) as chunk, JoinedClusters.open(task.spill) as clusters:
        for tile, begin in zip(task.tiles.tolist(), task.before.tolist(), strict=True):
            position = chunk.positions(keys_of(tile))
            with open_codes(task.spill, tile) as codes:
                labels.take(codes[begin : begin + len(position)], begin, position, clusters.of(tile))
    rows, label, core = labels.finish()
    rows += task.first_row
    table = pa.table({"row": as_arrow(rows), "label": as_arrow(label), "core": as_arrow(core)})
    content = pa.BufferOutputStream()
    pq.write_table(
        table,
        content,
        use_dictionary=False,
        column_encoding=dict.fromkeys(("row", "label"), "DELTA_BINARY_PACKED"),
    )
    task.files.write(task.name, (memoryview(content.getvalue()),))
