"""The clusters of all tiles joined and numbered by their first core points, and border points given to the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from haversine_dbscan.arrays import IntArray, LabelArray
from taxi_mlops.scale.tile import NEVER, CodeArray


class Seam(NamedTuple):
    """What a tile says of its k clusters.

    first_core, first_point: int64 (k,), the row of the first core point, and of the first point without rivals, that
    the tile owns, or `NEVER`. owner, point, label: core points of other tiles, by tile, and their clusters here.
    rival_point, rival_label: own border points, and clusters that these may belong to, too. rival_row: of each such
    point once, in the order of points.
    """

    first_core: IntArray
    first_point: IntArray
    owner: LabelArray
    point: IntArray
    label: LabelArray
    rival_point: IntArray
    rival_label: LabelArray
    rival_row: IntArray


class Joined(NamedTuple):
    """The numbers of the clusters of a tile, int32 (k,), and its border points that belong to another one.

    moved_point: int64 (m,), increasing. moved_from, moved_label: int32 (m,), the number that the tile gives them, and
    the final one.
    """

    number: LabelArray
    moved_point: IntArray
    moved_from: LabelArray
    moved_label: LabelArray


class _Claims(NamedTuple):
    """Border points of a tile with several clusters within eps: int64 (u,), increasing, and their rows.

    own, first: int32 (u,), the number that the tile gives them, and the lowest.
    """

    point: IntArray
    row: IntArray
    own: LabelArray
    first: LabelArray


class InconsistentTilesError(Exception):
    """Two tiles do not agree on a point: the input changed while it was read, or a file between them is damaged."""


def join(
    seams: Iterable[Seam], codes: Callable[[int, IntArray], CodeArray], *, by_point: bool = False
) -> tuple[list[Joined], int]:
    """Join the clusters of all tiles; return their numbers, tile by tile, and how many clusters there are.

    seams: of tile 0, 1, …; each is looked at once. codes: returns those of some points of a tile. by_point:
    number clusters by their first points, and not by their first core points, which still decide on border points.

    Raises InconsistentTilesError. O(s + k log k) for s points in seams and k clusters.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    kept: list[Seam] = []
    pairs = [np.empty((0, 4), dtype=np.int64)]
    for tile, seam in enumerate(seams):
        pairs += _pairs(tile, seam, codes)
        nothing = seam.owner[:0]
        kept.append(seam._replace(owner=nothing, point=seam.point[:0], label=nothing))
    offset = np.concatenate([[0], np.cumsum([len(seam.first_core) for seam in kept])]).astype(np.int64)
    total = int(offset[-1])
    tile_a, label_a, tile_b, label_b = np.concatenate(pairs).T
    edges = (offset[tile_a] + label_a, offset[tile_b] + label_b)
    graph = coo_array((np.ones(len(tile_a), dtype=np.bool_), edges), shape=(total, total))
    count, cluster = connected_components(graph, directed=False)
    first = np.full(count, NEVER)
    np.minimum.at(first, cluster, np.concatenate([np.empty(0, np.int64), *[seam.first_core for seam in kept]]))
    if (first == NEVER).any():
        raise InconsistentTilesError("a cluster has no core point in any tile")
    numbers = np.split(_ranks(first)[cluster], offset[1:-1])
    claims = [_claims(partial(codes, tile), numbers[tile], seam) for tile, seam in enumerate(kept)]
    final = np.arange(count, dtype=np.int32)
    if by_point:
        first = np.full(count, NEVER)
        for number, claim, seam in zip(numbers, claims, kept, strict=True):
            np.minimum.at(first, number, seam.first_point)
            np.minimum.at(first, claim.first, claim.row)
        final = _ranks(first)
    return [_joined(number, claim, final) for number, claim in zip(numbers, claims, strict=True)], count


def _ranks(values: IntArray) -> LabelArray:
    """Return int32 (n,): the place of each of n different values in their order."""
    ranks = np.empty(len(values), dtype=np.int32)
    ranks[np.argsort(values)] = np.arange(len(values), dtype=np.int32)
    return ranks


def _pairs(tile: int, seam: Seam, codes: Callable[[int, IntArray], CodeArray]) -> Iterable[IntArray]:
    """Yield the pairs of clusters that share core points, int64 (p, 4): tile and label here, and those there."""
    starts = np.flatnonzero(np.diff(seam.owner, prepend=-1))
    for begin, end in pairwise([*starts, len(seam.owner)]):
        owner = int(seam.owner[begin])
        code = codes(owner, seam.point[begin:end])
        if not (code & 1).all():
            raise InconsistentTilesError(f"a core point of one tile is none in tile {owner}, its own")
        pair = seam.label[begin:end].astype(np.int64) << 32 | ((code >> 1).astype(np.int64) - 1)
        pair = np.unique(pair)
        yield np.column_stack((np.full_like(pair, tile), pair >> 32, np.full_like(pair, owner), pair & 0xFFFFFFFF))


def _claims(codes: Callable[[IntArray], CodeArray], number: LabelArray, seam: Seam) -> _Claims:
    point, at = np.unique(seam.rival_point, return_inverse=True)
    own = number[(codes(point) >> 1).astype(np.int64) - 1]
    first = own.copy()
    np.minimum.at(first, at, number[seam.rival_label])
    return _Claims(point, seam.rival_row, own, first)


def _joined(number: LabelArray, claim: _Claims, final: LabelArray) -> Joined:
    """Return the final numbers of a tile, and its border points whose first cluster is a rival of that they have."""
    moved = claim.first < claim.own
    return Joined(final[number], claim.point[moved], final[claim.own[moved]], final[claim.first[moved]])
