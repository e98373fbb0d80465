"""Merge the clusters of tiles with a halo of eps exactly. The engine's grid cuts the tiles.

Why it is exact. A tile has all points within eps of the box around those that it owns, so all neighbours of its own
points: it finds their true core flags. Once all flags are known, it joins each core point of its own with all core
points within eps, its own or of the halo, and gives its border points a core point within eps. Two core points within
eps of each other are thus joined in the tile that owns either; and what a core point is joined with in the halo of a
tile belongs to its cluster in the tile that owns it.

`collapse` sorts, O(n log n); `merge` is linear in the size of the answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.domain import NOISE, BoolArray, FloatArray, LabelArray

if TYPE_CHECKING:  # importing the engine imports a compiler, which the processes of the tiles do not need
    from haversine_dbscan.tiles import Tile

IndexArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Distinct:
    """The distinct points.

    first: index of one point at each of the m places. inverse: of shape (n,), the place of each point.
    weight: float64 of shape (m,), the total weight at each place.
    """

    first: IndexArray
    inverse: IndexArray
    weight: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class TileAnswer:
    """The clusters of one tile, with its own numbers.

    labels: of the owned points, int32. seam, seam_labels: the core points of the halo, and their clusters in this tile.
    n_clusters: of the tile and its halo.
    """

    labels: LabelArray
    seam: IndexArray
    seam_labels: LabelArray
    n_clusters: int


def collapse(radians: FloatArray, weight: FloatArray | None) -> Distinct:
    """Join coincident points into one: in DBSCAN, a weight is the same as a repetition."""
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
