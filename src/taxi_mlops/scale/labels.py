"""The labels of a chunk, from tiles back to rows."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from haversine_dbscan.arrays import BoolArray, IntArray, LabelArray
from taxi_mlops.scale.join import Joined
from taxi_mlops.scale.tile import CodeArray

DROPPED = np.int32(-2)
"""The label of a row that is no point."""


class Labels:
    """The labels of n rows.

    label: int32 (n,), −1 is noise, and `DROPPED` where no tile has the row. core: bool (n,).
    """

    def __init__(self, rows: int) -> None:
        self.label, self.core = np.full(rows, DROPPED), np.zeros(rows, dtype=np.bool_)

    def take(self, codes: CodeArray, begin: int, position: NDArray[np.uint32], joined: Joined) -> None:
        """Fill in the points of one tile.

        codes: of its points from `begin` on, (m,). position: uint32 (m,), their rows.
        """
        label_of = np.concatenate([np.array([-1], dtype=np.int32), joined.number])
        write_labels(codes, position, label_of, self.label, self.core)
        lower, upper = np.searchsorted(joined.moved_point, (begin, begin + len(codes)))
        moved = joined.moved_point[lower:upper] - begin
        self.label[position[moved]] = joined.moved_label[lower:upper]

    @property
    def rows(self) -> IntArray:
        """The rows that are points, int64, increasing."""
        return np.flatnonzero(self.label != DROPPED)


@njit(cache=True, nogil=True)
def write_labels(
    codes: CodeArray, position: NDArray[np.uint32], label_of: LabelArray, label: LabelArray, core: BoolArray
) -> None:
    """Fill in the label of each row of `position`: that of its code."""
    for i in range(codes.shape[0]):
        label[position[i]] = label_of[codes[i] >> 1]
        core[position[i]] = codes[i] & 1
