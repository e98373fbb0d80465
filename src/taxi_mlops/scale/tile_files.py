"""What a tile reads from the spill folder, and what it leaves there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from haversine_dbscan.arrays import FloatArray, IntArray
from haversine_dbscan.geodesy import degrees_of_distance
from taxi_mlops.scale.boxes import extended
from taxi_mlops.scale.join import Seam
from taxi_mlops.scale.spill import Spill, complete, load_arrays, open_chunk, save_arrays
from taxi_mlops.scale.tile import NEVER, CodeArray, TileAnswer, TilePoints, choose_inside, lower_first

_MAPPED_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class TileInput:
    """Where the points of a tile are.

    box: (4,). neighbours: tiles whose outer points may be in its halo. owned: its own points. outer: outer points of
    the neighbours. first_row: of each chunk, int64 (c,). sample_step: every so many of its own points are for the map.
    """

    spill: Spill
    tile: int
    box: FloatArray
    neighbours: tuple[int, ...]
    owned: int
    outer: int
    first_row: IntArray
    eps_metres: float
    sample_step: int


class TileCounts(NamedTuple):
    """Of the own points of a tile. halo: points that it saw besides. size: int64 (k,), of the clusters, in the tile."""

    noise: int
    core: int
    halo: int
    size: IntArray


def read_tile(task: TileInput) -> TilePoints:
    """Read the points that a tile sees. Raises OSError, and ArrowInvalid where a file is damaged.

    Memory for all outer points of the neighbours is reserved; what is not in the halo is never touched.
    """
    latitude, longitude = np.empty(task.owned + task.outer), np.empty(task.owned + task.outer)
    weight: FloatArray | None = None
    owner, index = np.empty(task.outer, dtype=np.int32), np.empty(task.outer, dtype=np.int64)
    wider = extended(task.box[None], 2.0 * degrees_of_distance(task.eps_metres))[0]
    before = np.zeros(len(task.neighbours), dtype=np.int64)
    own, halo = 0, 0
    for number in range(len(task.first_row)):
        with open_chunk(task.spill.chunk(number), ("latitude", "longitude", "weight")) as chunk:
            if "weight" in chunk.columns and weight is None:
                weight = np.empty(len(latitude))
            for key in chunk.keys_of(task.tile):
                columns = chunk.points(key)
                place = slice(own, own + len(columns["latitude"]))
                latitude[place], longitude[place] = columns["latitude"], columns["longitude"]
                if weight is not None:
                    weight[place] = columns["weight"]
                own = place.stop
            for at, neighbour in enumerate(task.neighbours):
                inner, outer = chunk.counts[2 * neighbour : 2 * neighbour + 2]
                if outer:
                    columns = chunk.points(2 * neighbour + 1)
                    near = choose_inside(columns["latitude"], columns["longitude"], wider)
                    seen = slice(halo, halo + len(near))
                    place = slice(task.owned + seen.start, task.owned + seen.stop)
                    latitude[place], longitude[place] = columns["latitude"][near], columns["longitude"][near]
                    if weight is not None:
                        weight[place] = columns["weight"][near]
                    owner[seen], index[seen] = neighbour, before[at] + inner + near
                    halo = seen.stop
                before[at] += inner + outer
    n = task.owned + halo
    return TilePoints(latitude[:n], longitude[:n], None if weight is None else weight[:n], owner[:halo], index[:halo])


def write_answer(task: TileInput, points: TilePoints, answer: TileAnswer) -> TileCounts:
    """Write what was found in a tile; all is there once the second file is. Raises OSError."""
    codes_path = task.spill.codes(task.tile)
    with complete(codes_path) as hidden, hidden.open("wb") as file:
        np.save(file, answer.codes)
    size = np.bincount(answer.codes >> 1, minlength=answer.n_clusters + 1)
    counts = TileCounts(int(size[0]), int(np.count_nonzero(answer.codes & 1)), len(points.owner), size[1:])
    sampled = slice(0, points.owned, task.sample_step)
    rows = _rows(task, answer)
    save_arrays(
        task.spill.tile(task.tile),
        first_core=rows.first_core,
        first_point=rows.first_point,
        rival_row=rows.of_rivals,
        owner=answer.seam_owner,
        point=answer.seam_index,
        label=answer.seam_label,
        rival_point=answer.rival_point,
        rival_label=answer.rival_label,
        size=counts.size,
        counts=np.array([counts.noise, counts.core, counts.halo]),
        sample_latitude=points.latitude[sampled],
        sample_longitude=points.longitude[sampled],
        sample_code=answer.codes[sampled],
    )
    return counts


class _Rows(NamedTuple):
    """Rows of a tile's own points: the first core point, and the first point that has no rivals, of each cluster.

    int64 (k,); `NEVER` if there is none. of_rivals: of the border points with rivals, int64 (u,), in their order.
    """

    first_core: IntArray
    first_point: IntArray
    of_rivals: IntArray


def _rows(task: TileInput, answer: TileAnswer) -> _Rows:
    rivals = np.unique(answer.rival_point)
    codes = answer.codes
    if len(rivals):
        codes = codes.copy()
        codes[rivals] = 0
    rows = _Rows(np.full(answer.n_clusters, NEVER), np.full(answer.n_clusters, NEVER), np.empty_like(rivals))
    begin = 0
    for number, row in enumerate(task.first_row.tolist()):
        with open_chunk(task.spill.chunk(number), ("position",)) as chunk:
            for key in chunk.keys_of(task.tile):
                position = chunk.points(key)["position"]
                end = begin + len(position)
                lower_first(codes[begin:end], position, row, rows.first_core, rows.first_point)
                here = slice(*np.searchsorted(rivals, (begin, end)))
                rows.of_rivals[here] = row + position[rivals[here] - begin]
                begin = end
    return rows


def load_seam(spill: Spill, tile: int) -> Seam:
    """Read what a tile says of its clusters."""
    arrays = load_arrays(spill.tile(tile))
    return Seam(*[arrays[name] for name in Seam._fields])


def load_counts(spill: Spill, tile: int) -> TileCounts:
    """Read the counts of a tile that is done."""
    arrays = load_arrays(spill.tile(tile))
    noise, core, halo = arrays["counts"].tolist()
    return TileCounts(noise, core, halo, arrays["size"])


class TileSample(NamedTuple):
    """Some of a tile's own points: degrees, float64 (s,), and their codes."""

    latitude: FloatArray
    longitude: FloatArray
    code: CodeArray


def load_sample(spill: Spill, tile: int) -> TileSample:
    """Read the sample of a tile."""
    arrays = load_arrays(spill.tile(tile))
    return TileSample(*[arrays[f"sample_{name}"] for name in TileSample._fields])


def load_codes(spill: Spill, tile: int) -> CodeArray:
    """Open the codes of a tile's own points; of large files what is looked at is read."""
    path = spill.codes(tile)
    codes: CodeArray = np.load(path, mmap_mode="r" if path.stat().st_size > _MAPPED_BYTES else None, allow_pickle=False)
    return codes
