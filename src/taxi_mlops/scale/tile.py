"""One tile: the true core points among its own, their clusters here, and what joins these to those of other tiles.

Why it is exact. A tile sees all points within 2 eps of its box. So it finds the true core flags of all points within
eps of its own, and joins its own core points with all core points within eps. A core point of the halo is in a cluster
here, and in one where it is at home: these two belong together. Farther out flags may be missing, since neighbours are,
but none is wrong; weights must not be negative for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from haversine_dbscan.arrays import BoolArray, FloatArray, IntArray, LabelArray
from haversine_dbscan.clustering import dbscan_with_rivals
from haversine_dbscan.geodesy import degrees_of_distance
from haversine_dbscan.rivals import Rivals
from taxi_mlops.scale.boxes import extended, is_inside


class Engine(Protocol):
    """Clusters the n points that a tile sees, as `dbscan_with_rivals`."""

    def __call__(
        self,
        latitude: FloatArray,
        longitude: FloatArray,
        eps_metres: float,
        min_samples: float,
        weight: FloatArray | None,
        threads: int,
        /,
    ) -> tuple[LabelArray, BoolArray, Rivals]: ...


CodeArray = NDArray[np.uint16] | NDArray[np.uint32]
NEVER = np.iinfo(np.int64).max
"""The first row of a cluster that has no core point of the tile's own."""


@dataclass(frozen=True, slots=True, eq=False)
class TilePoints:
    """The n points that a tile sees: m of its own, in the order of chunks, then those of its halo.

    latitude, longitude: float64 (n,). weight: the same, or None. owner, index: int32 and int64 (n − m,), of the halo:
    the tile that owns each point, and which of that tile's points it is.
    """

    latitude: FloatArray
    longitude: FloatArray
    weight: FloatArray | None
    owner: LabelArray
    index: IntArray

    @property
    def owned(self) -> int:
        return len(self.latitude) - len(self.owner)


class TileAnswer(NamedTuple):
    """What was found in a tile, in numbers of its own for k clusters.

    codes: uint16 or uint32 (m,), of its own points: 2 × (label + 1), and 1 more for core points; 0 is noise.
    seam_owner, seam_index, seam_label: of core points in the halo: as in `TilePoints`, with their clusters; by owner.
    rival_point, rival_label: own border points, and further clusters within eps of them.
    """

    codes: CodeArray
    n_clusters: int
    seam_owner: LabelArray
    seam_index: IntArray
    seam_label: LabelArray
    rival_point: IntArray
    rival_label: LabelArray


def cluster_tile(
    points: TilePoints,
    box: FloatArray,
    eps_metres: float,
    min_samples: float,
    threads: int,
    engine: Engine = dbscan_with_rivals,
) -> TileAnswer:
    """Cluster what a tile sees. box: (4,), all that it owns is inside. Time and memory as of the engine."""
    owned = points.owned
    labels, core, rivals = engine(points.latitude, points.longitude, eps_metres, min_samples, points.weight, threads)
    own = rivals.point < owned
    rivals = Rivals(rivals.point[own], rivals.label[own])
    # Clusters of the halo alone are none of this tile's business.
    used = mark_used(labels, owned, rivals.label, int(labels.max(initial=-1)) + 1)
    n_clusters = int(used.sum())
    number: IntArray = np.cumsum(used) - used
    code_of = np.concatenate([np.zeros(1, dtype=np.int64), 2 * (number + 1)])
    many = 2 * n_clusters + 1 >= 2**16
    codes: CodeArray = np.empty(owned, dtype=np.uint32) if many else np.empty(owned, dtype=np.uint16)
    encode(labels, core, code_of, codes)
    wider = extended(box[None], degrees_of_distance(eps_metres))[0]
    seam = owned + find_inside(points.latitude[owned:], points.longitude[owned:], core[owned:], wider)
    seam = seam[used[labels[seam]]]
    seam = seam[np.argsort(points.owner[seam - owned], kind="stable")]
    return TileAnswer(
        codes,
        n_clusters,
        points.owner[seam - owned],
        points.index[seam - owned],
        number[labels[seam]].astype(np.int32),
        rivals.point,
        number[rivals.label].astype(np.int32),
    )


@njit(cache=True, nogil=True)
def mark_used(labels: LabelArray, owned: int, rivals: LabelArray, count: int) -> BoolArray:
    """Return bool (count,): which labels the tile's own points and their rivals have."""
    used = np.zeros(count + 1, dtype=np.bool_)  # the first is that of noise, so that there is no branch
    for i in range(owned):
        used[labels[i] + 1] = True
    for label in rivals:
        used[label + 1] = True
    return used[1:]


@njit(cache=True, nogil=True)
def encode(labels: LabelArray, core: BoolArray, code_of: IntArray, codes: CodeArray) -> None:
    """Fill in the codes of the tile's own points. code_of: of each label, that of noise first."""
    for i in range(codes.shape[0]):
        codes[i] = code_of[labels[i] + 1] + core[i]


@njit(cache=True, nogil=True)
def count_codes(codes: CodeArray, size: IntArray) -> int:
    """Count the points of each label, that of noise first, (k + 1,); return how many are core."""
    core = 0
    for code in codes:
        size[code >> 1] += 1
        core += code & 1
    return core


def choose_inside(latitude: FloatArray, longitude: FloatArray, box: FloatArray) -> IntArray:
    """Return which of the points are in a box that may be extended, int64, increasing."""
    return find_inside(latitude, longitude, np.ones(len(latitude), dtype=np.bool_), box)


@njit(cache=True, nogil=True)
def find_inside(latitude: FloatArray, longitude: FloatArray, wanted: BoolArray, box: FloatArray) -> IntArray:
    """Do so for points that are wanted, bool (n,)."""
    inside = np.empty(latitude.shape[0], dtype=np.int64)
    count = 0
    for i in range(latitude.shape[0]):
        if wanted[i] and is_inside(latitude[i], longitude[i], box[0], box[1], box[2], box[3]):
            inside[count] = i
            count += 1
    return inside[:count].copy()


@njit(cache=True, nogil=True)
def lower_first(
    codes: CodeArray, position: NDArray[np.uint32], row: int, first_core: IntArray, first_point: IntArray
) -> None:
    """Lower the first row of each cluster, (k,), to the lowest of its own core points, and of all its own points, here.

    position: uint32 (m,), of the points from `row` on.
    """
    for i in range(codes.shape[0]):
        if codes[i] > 0:
            label, here = (codes[i] >> 1) - 1, row + position[i]
            first_point[label] = min(first_point[label], here)
            if codes[i] & 1:
                first_core[label] = min(first_core[label], here)
