"""What a tile reads from chunks, and what it leaves in the spill folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from haversine_dbscan.arrays import FloatArray, IntArray
from haversine_dbscan.geodesy import degrees_of_distance
from taxi_mlops.scale.boxes import extended
from taxi_mlops.scale.chunks import Chunks, keys_of
from taxi_mlops.scale.join import Joined, Seam
from taxi_mlops.scale.spill import Spill
from taxi_mlops.scale.spill_files import ArrayReader, array_content, arrays_content, load_arrays
from taxi_mlops.scale.tile import NEVER, CodeArray, TileAnswer, TilePoints, choose_inside, count_codes, lower_first


@dataclass(frozen=True, slots=True, eq=False)
class TileInput:
    """Which points a tile needs.

    box: (4,). neighbours: tiles whose outer points may be in its halo. owned: its own points. outer: outer points of
    the neighbours. first_row: of each chunk, int64 (c,). sample_step: every so many of its own points are for the map.
    """

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


def read_tile(task: TileInput, chunks: Chunks) -> TilePoints:
    """Read the points that a tile sees. Raises OSError, and DataError where a file is damaged.

    Memory for all outer points of the neighbours is reserved; what is not in the halo is never touched.
    """
    latitude, longitude = np.empty(task.owned + task.outer), np.empty(task.owned + task.outer)
    weight: FloatArray | None = None
    owner, index = np.empty(task.outer, dtype=np.int32), np.empty(task.outer, dtype=np.int64)
    wider = extended(task.box[None], 2.0 * degrees_of_distance(task.eps_metres))[0]
    before = np.zeros(len(task.neighbours), dtype=np.int64)
    own, halo = 0, 0
    for number in range(len(task.first_row)):
        with chunks.open(number) as chunk:
            if chunk.weighted and weight is None:
                weight = np.empty(len(latitude))
            for part in chunk.coordinates(keys_of(task.tile)):
                place = slice(own, own + len(part.latitude))
                latitude[place], longitude[place] = part.latitude, part.longitude
                if weight is not None:
                    weight[place] = part.weight
                own = place.stop
            for at, neighbour in enumerate(task.neighbours):
                inner, outer = chunk.counts[2 * neighbour : 2 * neighbour + 2].tolist()
                if outer:
                    [part] = chunk.coordinates(range(2 * neighbour + 1, 2 * neighbour + 2))
                    near = choose_inside(part.latitude, part.longitude, wider)
                    seen = slice(halo, halo + len(near))
                    place = slice(task.owned + seen.start, task.owned + seen.stop)
                    latitude[place], longitude[place] = part.latitude[near], part.longitude[near]
                    if weight is not None and part.weight is not None:
                        weight[place] = part.weight[near]
                    owner[seen], index[seen] = neighbour, before[at] + inner + near
                    halo = seen.stop
                before[at] += inner + outer
    n = task.owned + halo
    return TilePoints(latitude[:n], longitude[:n], None if weight is None else weight[:n], owner[:halo], index[:halo])


def write_answer(spill: Spill, task: TileInput, points: TilePoints, answer: TileAnswer) -> TileCounts:
    """Write what was found in a tile; all is there once the second file is. Raises OSError."""
    spill.files.write(spill.codes(task.tile), array_content(answer.codes))
    size = np.zeros(answer.n_clusters + 1, dtype=np.int64)
    core = int(count_codes(answer.codes, size))
    counts = TileCounts(int(size[0]), core, len(points.owner), size[1:])
    sampled = slice(0, points.owned, task.sample_step)
    seam = seam_of(task, spill, answer)
    content = arrays_content(
        **seam._asdict(),
        size=counts.size,
        counts=np.array([counts.noise, counts.core, counts.halo]),
        sample_latitude=points.latitude[sampled],
        sample_longitude=points.longitude[sampled],
        sample_code=answer.codes[sampled],
    )
    spill.files.write(spill.tile(task.tile), content)
    return counts


def seam_of(task: TileInput, chunks: Chunks, answer: TileAnswer) -> Seam:
    """Return what the tile says of its clusters to those that join them."""
    rivals = np.unique(answer.rival_point)
    codes = answer.codes
    if len(rivals):
        codes = codes.copy()
        codes[rivals] = 0
    first_core, first_point = np.full(answer.n_clusters, NEVER), np.full(answer.n_clusters, NEVER)
    rival_row = np.empty_like(rivals)
    begin = 0
    for number, row in enumerate(task.first_row.tolist()):
        with chunks.open(number) as chunk:
            position = chunk.positions(keys_of(task.tile))
        end = begin + len(position)
        lower_first(codes[begin:end], position, row, first_core, first_point)
        here = slice(*np.searchsorted(rivals, (begin, end)))
        rival_row[here] = row + position[rivals[here] - begin]
        begin = end
    return Seam(
        first_core=first_core,
        first_point=first_point,
        owner=answer.seam_owner,
        point=answer.seam_index,
        label=answer.seam_label,
        rival_point=answer.rival_point,
        rival_label=answer.rival_label,
        rival_row=rival_row,
    )


def load_seam(spill: Spill, tile: int) -> Seam:
    """Read what a tile says of its clusters."""
    arrays = load_arrays(spill.files, spill.tile(tile))
    return Seam(*[arrays[name] for name in Seam._fields])


def load_counts(spill: Spill, tile: int) -> TileCounts:
    """Read the counts of a tile that is done."""
    arrays = load_arrays(spill.files, spill.tile(tile))
    noise, core, halo = arrays["counts"].tolist()
    return TileCounts(noise, core, halo, arrays["size"])


class TileSample(NamedTuple):
    """Some of a tile's own points: degrees, float64 (s,), and their codes."""

    latitude: FloatArray
    longitude: FloatArray
    code: CodeArray


def load_sample(spill: Spill, tile: int) -> TileSample:
    """Read the sample of a tile."""
    arrays = load_arrays(spill.files, spill.tile(tile))
    return TileSample(*[arrays[f"sample_{name}"] for name in TileSample._fields])


def load_codes(spill: Spill, tile: int) -> CodeArray:
    """Return the codes of a tile's own points, not to be written to; where possible, what is looked at is read."""
    with open_codes(spill, tile) as reader:
        codes: CodeArray = reader.values()
    return codes


@contextmanager
def open_codes(spill: Spill, tile: int) -> Iterator[ArrayReader]:
    """Open the codes of a tile's own points, to read some of them."""
    with spill.files.open(spill.codes(tile)) as reader:
        yield ArrayReader(reader)


def save_joined(spill: Spill, joined: Sequence[Joined]) -> None:
    """Write the joined clusters of all tiles, so that each chunk reads those of the tiles that it has points of."""
    ends = np.cumsum([(len(one.number), len(one.moved_point)) for one in joined], axis=0, dtype=np.int64)
    columns = {name: np.concatenate([getattr(one, name) for one in joined]) for name in Joined._fields}
    for name, values in (*columns.items(), ("ends", ends.ravel())):
        spill.files.write(spill.joined(name), array_content(values))


class JoinedClusters:
    """The joined clusters of all tiles, in files that are open."""

    def __init__(self, columns: Sequence[ArrayReader], ends: ArrayReader) -> None:
        self._columns = columns
        self._ends = ends[:].reshape(-1, 2)

    @classmethod
    @contextmanager
    def open(cls, spill: Spill) -> Iterator[Self]:
        """Open the files."""
        with ExitStack() as stack:
            columns = [
                ArrayReader(stack.enter_context(spill.files.open(spill.joined(name))))
                for name in (*Joined._fields, "ends")
            ]
            yield cls(columns[:-1], columns[-1])

    def of(self, tile: int) -> Joined:
        """Return those of a tile."""
        begin = self._ends[tile - 1] if tile else np.zeros(2, dtype=np.int64)
        number, moved = (slice(*bounds) for bounds in zip(begin.tolist(), self._ends[tile].tolist(), strict=True))
        return Joined(*[values[number if at == 0 else moved] for at, values in enumerate(self._columns)])
