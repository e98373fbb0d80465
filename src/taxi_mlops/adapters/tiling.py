"""DBSCAN tile by tile: split points into tiles with a halo of eps, and merge the tiles' answers exactly.

Why it is exact. A tile sees all points within eps of the box around those that it owns, so all neighbours of its own
points: it finds their true core flags. Once all flags are known, it joins each core point of its own with all core
points within eps, its own or of the halo, and gives its border points a core point within eps. Two core points within
eps of each other are thus joined in the tile that owns either; and what a core point is joined with in the halo of a
tile belongs to the cluster that it has at home.

`collapse` and `estimate_neighbours` sort, O(n log n); `split` is O(n log tiles) where halos are small; `merge` is
linear in the size of the answers. Coordinates are on the unit sphere, so that the poles and the antimeridian are
nothing special.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.domain import NOISE, BoolArray, FloatArray, LabelArray

IndexArray = NDArray[np.int64]

# Coordinates on the unit sphere and radians are each off by some 1e-16; halos are wider by much more than that.
RELATIVE_MARGIN = 1e-9
ABSOLUTE_MARGIN = 1e-14


@dataclass(frozen=True, slots=True, eq=False)
class Distinct:
    """Points without repetition.

    first: index of one point at each of the m places. inverse: of shape (n,), the place of each point.
    weight: float64 of shape (m,), how much lies there.
    """

    first: IndexArray
    inverse: IndexArray
    weight: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """Indices of points: `owned` by this tile alone, and `halo`, all others within eps of their box."""

    owned: IndexArray
    halo: IndexArray


@dataclass(frozen=True, slots=True, eq=False)
class TileAnswer:
    """What a tile found, in cluster numbers of its own.

    labels: of the owned points, int32. seam, seam_labels: the core points of the halo, and their clusters here.
    n_clusters: how many the tile and its halo have.
    """

    labels: LabelArray
    seam: IndexArray
    seam_labels: LabelArray
    n_clusters: int


def collapse(radians: FloatArray, weight: FloatArray | None) -> Distinct:
    """Put coincident points together: to DBSCAN, a weight is the same as a repetition."""
    n = radians.shape[0]
    order = np.lexsort((radians[:, 1], radians[:, 0]))
    ordered = radians[order]
    starts = np.ones(n, dtype=np.bool_)
    starts[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    inverse = np.empty(n, dtype=np.int64)
    inverse[order] = np.cumsum(starts) - 1
    return Distinct(
        first=order[starts],
        inverse=inverse,
        weight=np.bincount(inverse, weights=weight).astype(np.float64),
    )


def estimate_neighbours(coordinates: FloatArray, eps: float) -> FloatArray:
    """Guess how many neighbours each point has: the points in its cell of a grid whose cells have eps's area."""
    bits = 20  # per axis, so that the three fit into 64
    side = max(np.sqrt(np.pi) * eps, 2.0 / 2**bits)
    cells = np.floor((coordinates + 1.0) / side).astype(np.int64)
    keys = (cells[:, 0] << 2 * (bits + 1)) | (cells[:, 1] << (bits + 1)) | cells[:, 2]
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    neighbours: FloatArray = counts[inverse] * (np.pi * eps**2 / side**2)
    return np.maximum(neighbours, 1.0)


def split(coordinates: FloatArray, neighbours: FloatArray, eps: float, budget: float) -> list[Tile]:
    """Halve boxes at the median of their longest side until the points of each have at most `budget` neighbours.

    A box of 2 eps or less is not halved, since its halo would not shrink with it.
    """
    reach = eps * (1.0 + RELATIVE_MARGIN) + ABSOLUTE_MARGIN
    tiles: list[Tile] = []
    pending = [Tile(owned=np.arange(coordinates.shape[0]), halo=np.empty(0, dtype=np.int64))]
    while pending:
        tile = pending.pop()
        owned = coordinates[tile.owned]
        sides = np.ptp(owned, axis=0)
        if neighbours[tile.owned].sum() <= budget or sides.max() <= 2.0 * eps:
            tiles.append(tile)
            continue
        half = len(owned) // 2
        order = np.argpartition(owned[:, np.argmax(sides)], half)
        lower, upper = tile.owned[order[:half]], tile.owned[order[half:]]
        pending.append(Tile(lower, _near(coordinates, lower, np.concatenate((tile.halo, upper)), reach)))
        pending.append(Tile(upper, _near(coordinates, upper, np.concatenate((tile.halo, lower)), reach)))
    return tiles


def _near(coordinates: FloatArray, owned: IndexArray, candidates: IndexArray, reach: float) -> IndexArray:
    """Keep the candidates within reach of the box around the owned points."""
    box = coordinates[owned]
    others = coordinates[candidates]
    outside = np.maximum(np.maximum(box.min(axis=0) - others, others - box.max(axis=0)), 0.0)
    near: IndexArray = candidates[np.einsum("ij,ij->i", outside, outside) <= reach**2]
    return near


def merge(n_points: int, tiles: Sequence[Tile], answers: Iterable[TileAnswer]) -> IndexArray:
    """Join the tiles' clusters wherever a core point is in several; returns the cluster of each point.

    The clusters' numbers are arbitrary and may have gaps.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    home = np.full(n_points, NOISE, dtype=np.int64)
    seams: list[IndexArray] = []
    clusters_there: list[IndexArray] = []
    n_clusters = 0
    for tile, answer in zip(tiles, answers, strict=True):
        home[tile.owned] = np.where(answer.labels == NOISE, NOISE, n_clusters + answer.labels.astype(np.int64))
        seams.append(answer.seam)
        clusters_there.append(n_clusters + answer.seam_labels.astype(np.int64))
        n_clusters += answer.n_clusters
    edges = np.concatenate(clusters_there), home[np.concatenate(seams)]
    graph = coo_array((np.ones(edges[0].shape[0], dtype=np.bool_), edges), shape=(n_clusters, n_clusters))
    _, joined = connected_components(graph, directed=False)
    clustered = home != NOISE
    home[clustered] = joined[home[clustered]]
    return home


def number_by_first_core(clusters: IndexArray, core_mask: BoolArray) -> LabelArray:
    """Number clusters from 0 in the order of their first core points, as scikit-learn does."""
    present, first = np.unique(clusters[core_mask], return_index=True)
    numbers = np.full(clusters.max(initial=NOISE) + 1, NOISE, dtype=np.int32)
    numbers[present[np.argsort(first)]] = np.arange(present.shape[0])
    labels = np.full(clusters.shape[0], NOISE, dtype=np.int32)
    labels[clusters != NOISE] = numbers[clusters[clusters != NOISE]]
    return labels
