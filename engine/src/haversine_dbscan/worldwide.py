"""Clustering all over the sphere: each zone in a frame of its own, and the zones joined exactly.

A zone sees all points within eps of its own, so it finds their true core flags. Once all flags are known, it connects
the core points that it sees. A core point of a halo lies in a cell at home and in one here; these two belong together,
and with them all that they are connected with. Last, each zone labels its own points. What is done in a zone are the
steps of `dbscan` on the same kernels; points in halos are done twice.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from haversine_dbscan.arrays import BoolArray, FloatArray, IndexArray, LabelArray
from haversine_dbscan.compiling import kernel
from haversine_dbscan.connecting import find_root, find_roots
from haversine_dbscan.cores import CoreCells, gather_core_points
from haversine_dbscan.frame import Frame, extent_of, zone_frame
from haversine_dbscan.labelling import decode_labels, number_clusters
from haversine_dbscan.layout import Layout, lay_out
from haversine_dbscan.resolution import COARSE, choose_resolution
from haversine_dbscan.rivals import Rivals, find_rivals
from haversine_dbscan.steps import connect_cells, find_core, label_points
from haversine_dbscan.threads import Run, even_ranges
from haversine_dbscan.zones import Part, zones_of


class _Piece(NamedTuple):
    """A zone that owns points, laid out; `member` and `owned` as of its `Part`. n_core: of its C cells."""

    member: IndexArray
    owned: int
    frame: Frame
    layout: Layout
    n_core: IndexArray


class _Gathered(NamedTuple):
    """A piece whose core points are apart. run_end: of its K cells with core points. first: their number among all."""

    piece: _Piece
    cores: CoreCells
    run_end: IndexArray
    first: int

    @property
    def numbers(self) -> slice:
        return slice(self.first, self.first + len(self.cores.cell))


def cluster_worldwide(
    latitude: NDArray[Any],
    longitude: NDArray[Any],
    eps_metres: float,
    min_samples: float,
    weight: FloatArray | None,
    run: Run,
    threads: int,
    rivals: list[Rivals] | None = None,
) -> tuple[LabelArray, BoolArray]:
    """Cluster points in degrees, wherever they are. Arguments and result as of `haversine_dbscan.clustering`.

    Rivals of border points are appended to the list, where there is one.

    Raises UnframedError where eps is too large for zones.
    """
    core = np.zeros(len(latitude), dtype=np.bool_)
    pieces = []
    for zone in zones_of(eps_metres):
        part = zone.part(latitude, longitude)
        if part.owned:
            pieces.append(_find_core(part, eps_metres, min_samples, weight, core, run, threads))
    gathered, root = _connect(pieces, core, run, threads)
    # A zone's own points come first, in their order; so the first point of a cluster is one where it is at home.
    label = number_clusters(root, np.concatenate([one.piece.member[one.cores.first] for one in gathered]))
    code = np.empty(len(latitude), dtype=np.int32)
    for one in gathered:
        member, owned, frame, layout, n_core = one.piece
        here = np.empty(len(member), dtype=np.int32)
        label_points(frame, layout, one.cores, n_core, label[one.numbers], one.run_end, here, run, threads)
        code[member[:owned]] = here[:owned]
        if rivals is not None:
            found = find_rivals(frame, layout, one.cores, n_core, label[one.numbers], one.run_end, here, run, threads)
            own = found.point < owned
            rivals.append(Rivals(member[found.point[own]].astype(np.int64), found.label[own]))
    run(lambda part: decode_labels(code, part, core), even_ranges(len(code), threads))
    return code, core


def _find_core(
    part: Part,
    eps_metres: float,
    min_samples: float,
    weight: FloatArray | None,
    core: BoolArray,
    run: Run,
    threads: int,
) -> _Piece:
    """Lay out a zone, and fill in which of its own points are core."""
    extent = extent_of(part.x, part.y)
    coarse = zone_frame(extent, eps_metres, COARSE)
    resolution = choose_resolution(part.x, part.y, coarse.width, coarse.height, min_samples)
    layout, frame = lay_out(part.x, part.y, zone_frame(extent, eps_metres, resolution), run, threads)
    here, flags = np.zeros(len(part.member), dtype=np.bool_), np.empty(len(part.member), dtype=np.bool_)
    weight = None if weight is None else np.asarray(weight)[part.member]
    n_core = find_core(frame, layout, weight, min_samples, here, run, threads)
    mark_core_points(layout, here, n_core, flags)
    core[part.member[: part.owned]] = flags[: part.owned]
    return _Piece(part.member, part.owned, frame, layout, n_core)


def _connect(pieces: list[_Piece], core: BoolArray, run: Run, threads: int) -> tuple[list[_Gathered], IndexArray]:
    """Return, for each cell with core points of all pieces, the one that stands for its cluster.

    n_core of the pieces becomes that of `core`, and their core points are gathered.
    """
    index = pieces[0].layout.order.dtype
    home = np.empty(len(core), dtype=index)
    gathered, roots, away, first = [], [], [], 0
    for piece in pieces:
        flags = core[piece.member]
        sorted_flags, cell_of = np.empty_like(flags), np.empty(len(flags), dtype=index)
        take_core_points(piece.layout, flags, sorted_flags, piece.n_core, cell_of)
        cores = gather_core_points(piece.layout, sorted_flags, piece.n_core, run, threads)
        root, run_end = connect_cells(piece.frame, piece.layout, cores, run, threads)
        roots.append(first + root)
        number = np.empty(len(piece.n_core), dtype=index)
        number[cores.cell] = np.arange(first, first + len(cores.cell), dtype=index)
        home[piece.member[: piece.owned]] = number[cell_of[: piece.owned]]
        halo = piece.owned + np.flatnonzero(flags[piece.owned :])
        away.append((piece.member[halo], number[cell_of[halo]]))
        gathered.append(_Gathered(piece, cores, run_end, first))
        first += len(cores.cell)
    root = np.concatenate(roots)
    for member, cell in away:
        unite(root, home[member], cell)
    find_roots(root, (0, len(root)))
    return gathered, root


@kernel
def mark_core_points(layout: Layout, sorted_core: BoolArray, n_core: IndexArray, core: BoolArray) -> None:
    """Fill in which points are core, bool (n,), in their original order.

    sorted_core: (n,), as the layout; looked at only in cells where some points are core and some are not.
    """
    order, start = layout.order, layout.cell_start
    for cell in range(n_core.shape[0]):
        whole = n_core[cell] == start[cell + 1] - start[cell]
        for i in range(start[cell], start[cell + 1]):
            core[order[i]] = whole or (n_core[cell] > 0 and sorted_core[i])


@kernel
def take_core_points(
    layout: Layout, core: BoolArray, sorted_core: BoolArray, n_core: IndexArray, cell_of: IndexArray
) -> None:
    """Do the reverse: fill in which sorted points are core, how many there are in a cell, and the cell of each point.

    core, cell_of: (n,), in the original order. sorted_core: (n,), as the layout.
    """
    order, start = layout.order, layout.cell_start
    for cell in range(n_core.shape[0]):
        n_core[cell] = 0
        for i in range(start[cell], start[cell + 1]):
            sorted_core[i] = core[order[i]]
            n_core[cell] += sorted_core[i]
            cell_of[order[i]] = cell


@kernel
def unite(parent: IndexArray, cells: IndexArray, others: IndexArray) -> None:
    """Unite the cells of each pair, (k,) and (k,), in a forest over cells."""
    for k in range(cells.shape[0]):
        a, b = find_root(parent, np.uintp(cells[k])), find_root(parent, np.uintp(others[k]))
        parent[a if a > b else b] = a if a < b else b
