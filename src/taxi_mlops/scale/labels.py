"""The labels of a chunk, from tiles back to rows."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from haversine_dbscan.arrays import BoolArray, IntArray, LabelArray
from taxi_mlops.scale.join import Joined
from taxi_mlops.scale.tile import CodeArray

_DROPPED = np.int32(-4)
"""The code of a row that is no point; −2 is that of noise."""


class Labels:
    """The labels of n rows, while the points of each tile come in. code: int32 (n,), 2 × label + (1 if core)."""

    def __init__(self, rows: int) -> None:
        self._code: LabelArray = np.full(rows, _DROPPED)

    def take(self, codes: CodeArray, begin: int, position: NDArray[np.uint32], joined: Joined) -> None:
        """Fill in the points of one tile.

        codes: of its points from `begin` on, (m,). position: uint32 (m,), their rows.
        """
        final = 2 * np.concatenate([np.array([-1], dtype=np.int32), joined.number])
        place_codes(codes, position, final, self._code)
        lower, upper = np.searchsorted(joined.moved_point, (begin, begin + len(codes)))
        moved = joined.moved_point[lower:upper] - begin
        self._code[position[moved]] = 2 * joined.moved_label[lower:upper]

    def finish(self) -> tuple[IntArray, LabelArray, BoolArray]:
        """Return the rows that are points, int64, increasing, their labels, int32, −1 is noise, and which are core."""
        code = self._code
        is_point = code != _DROPPED
        rows = np.arange(len(code))
        if not is_point.all():
            rows = np.flatnonzero(is_point)
            code = code[rows]
        return rows, code >> 1, (code & 1).astype(np.bool_)


@njit(cache=True, nogil=True)
def place_codes(codes: CodeArray, position: NDArray[np.uint32], final: LabelArray, code: LabelArray) -> None:
    """Fill in the code of each row of `position`. final: of each label of the tile, that of noise first."""
    for i in range(codes.shape[0]):
        code[position[i]] = final[codes[i] >> 1] + (codes[i] & 1)
