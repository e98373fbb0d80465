"""The clusters of all tiles joined and numbered by their first core points, and border points given to the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from haversine_dbscan.arrays import IntArray, LabelArray
from taxi_mlops.scale.tile import NEVER, CodeArray


class Seam(NamedTuple):
    """What a tile says of its k clusters.

    first: int64 (k,), the row of the first core point that the tile owns, or `NEVER`. owner, point, label: core points
    of other tiles, by tile, and their clusters here. rival_point, rival_label: own border points, and clusters that
    these may belong to, too.
    """

    first: IntArray
    owner: LabelArray
    point: IntArray
    label: LabelArray
    rival_point: IntArray
    rival_label: LabelArray


class Joined(NamedTuple):
    """The numbers of the clusters of a tile, int32 (k,), and its border points that belong to another one.

    moved_point: int64 (m,), increasing. moved_from, moved_label: int32 (m,), the number that the tile gives them, and
    the final one.
    """

    number: LabelArray
    moved_point: IntArray
    moved_from: LabelArray
    moved_label: LabelArray


class InconsistentTilesError(Exception):
    """Two tiles do not agree on a point: the input changed while it was read, or a file between them is damaged."""


def join(seams: Iterable[Seam], codes: Callable[[int], CodeArray]) -> tuple[list[Joined], int]:
    """Join the clusters of all tiles; return their numbers, tile by tile, and how many clusters there are.

    seams: of tile 0, 1, …; each is looked at once. codes: returns those of a tile. Raises InconsistentTilesError.
    O(s + k log k) for s points in seams and k clusters.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    firsts: list[IntArray] = []
    rivals: list[tuple[IntArray, LabelArray]] = []
    pairs = [np.empty((0, 4), dtype=np.int64)]
    for tile, seam in enumerate(seams):
        firsts.append(seam.first)
        rivals.append((seam.rival_point, seam.rival_label))
        pairs += _pairs(tile, seam, codes)
    offset = np.concatenate([[0], np.cumsum([len(first) for first in firsts])]).astype(np.int64)
    total = int(offset[-1])
    tile_a, label_a, tile_b, label_b = np.concatenate(pairs).T
    edges = (offset[tile_a] + label_a, offset[tile_b] + label_b)
    graph = coo_array((np.ones(len(tile_a), dtype=np.bool_), edges), shape=(total, total))
    count, cluster = connected_components(graph, directed=False)
    first = np.full(count, NEVER)
    np.minimum.at(first, cluster, np.concatenate([np.empty(0, np.int64), *firsts]))
    if (first == NEVER).any():
        raise InconsistentTilesError("a cluster has no core point in any tile")
    number = np.empty(count, dtype=np.int32)
    number[np.argsort(first)] = np.arange(count, dtype=np.int32)
    numbers = np.split(number[cluster], offset[1:-1])
    return [_joined(codes(tile), numbers[tile], *rivals[tile]) for tile in range(len(firsts))], count


def _pairs(tile: int, seam: Seam, codes: Callable[[int], CodeArray]) -> Iterable[IntArray]:
    """Yield the pairs of clusters that share core points, int64 (p, 4): tile and label here, and those there."""
    starts = np.flatnonzero(np.diff(seam.owner, prepend=-1))
    for begin, end in pairwise([*starts, len(seam.owner)]):
        owner = int(seam.owner[begin])
        code = codes(owner)[seam.point[begin:end]]
        if not (code & 1).all():
            raise InconsistentTilesError(f"a core point of one tile is none in tile {owner}, its own")
        pair = seam.label[begin:end].astype(np.int64) << 32 | ((code >> 1).astype(np.int64) - 1)
        pair = np.unique(pair)
        yield np.column_stack((np.full_like(pair, tile), pair >> 32, np.full_like(pair, owner), pair & 0xFFFFFFFF))


def _joined(codes: CodeArray, number: LabelArray, rival_point: IntArray, rival_label: LabelArray) -> Joined:
    """Return the numbers of a tile, and its border points whose first cluster is a rival of that they have."""
    point, at = np.unique(rival_point, return_inverse=True)
    own = number[(codes[point] >> 1).astype(np.int64) - 1]
    lowest = own.copy()
    np.minimum.at(lowest, at, number[rival_label])
    moved = lowest < own
    return Joined(number, point[moved], own[moved], lowest[moved])
