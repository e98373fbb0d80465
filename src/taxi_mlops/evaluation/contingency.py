"""Count how two labellings of the same points overlap, sparsely: memory grows with the points, not the clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.domain import BoolArray, LabelArray

IndexArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Contingency:
    """The occupied cells of the table first label × second label, k of them, sorted by the first label.

    first, second, count: int64 (k,). A label of −1 is a class like any other.
    """

    first: IndexArray
    second: IndexArray
    count: IndexArray


def tabulate(first: LabelArray, second: LabelArray) -> Contingency:
    """Count the points of each pair of labels. Labels are int32 from −1. O(n log n) time, 16 bytes a point."""
    if len(first) == 0:
        return Contingency(*np.zeros((3, 0), dtype=np.int64))
    width = np.int64(second.max()) + 2
    key = first.astype(np.int64)
    key += 1
    key *= width
    key += second
    key += 1
    key.sort()
    begin = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
    cells = key[begin]
    return Contingency(cells // width - 1, cells % width - 1, np.diff(begin, append=len(key)))


def best_partners(groups: IndexArray, count: IndexArray) -> BoolArray:
    """Return bool (k,): whether each cell is the fullest of its group; of several, the first."""
    order = np.lexsort((-count, groups))
    best = np.zeros(len(groups), dtype=np.bool_)
    first_of_group = np.ones(len(groups), dtype=np.bool_)
    first_of_group[1:] = groups[order][1:] != groups[order][:-1]
    best[order[first_of_group]] = True
    return best


def matched_cells(table: Contingency) -> BoolArray:
    """Return bool (k,): the cells that are the fullest both of their first and of their second label.

    These pair the corresponding clusters. All cells are matched if and only if the two partitions are the same.
    """
    return best_partners(table.first, table.count) & best_partners(table.second, table.count)


def adjusted_rand_index(table: Contingency) -> float:
    """Return the Rand index adjusted for chance (Hubert and Arabie 1985): 1 for equal partitions, 0 expected by chance.

    Computed in integers until the last division, since millions of points have more pairs than a float can count.
    """
    cells = _pairs(table.count)
    rows = _pairs(np.bincount(table.first + 1, weights=table.count)) if len(table.first) else 0
    columns = _pairs(np.bincount(table.second + 1, weights=table.count)) if len(table.second) else 0
    n = int(table.count.sum())
    total = n * (n - 1) // 2
    # 2 (ad − bc) / ((a + b)(b + d) + (a + c)(c + d)) over the pairs: a together in both, b and c in one, d in neither.
    together_first, together_second, neither = rows - cells, columns - cells, total - rows - columns + cells
    if together_first == 0 and together_second == 0:
        return 1.0
    above = 2 * (cells * neither - together_first * together_second)
    below = (cells + together_first) * (together_first + neither) + (cells + together_second) * (
        together_second + neither
    )
    return above / below


def _pairs(sizes: NDArray[np.int64] | NDArray[np.float64]) -> int:
    whole = sizes.astype(np.int64)
    return int((whole * (whole - 1) // 2).sum())
