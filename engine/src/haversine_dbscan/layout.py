"""The layout of the points in memory: sorted by row and column of a frame, so that a neighbourhood is a few slices.

A counting sort in two steps, each parallel: points are scattered to their rows, then each row is sorted by column, in
place. O(n) time, and 28 bytes a point while it runs, of which the 20 of the layout stay.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from haversine_dbscan.arrays import FloatArray, IndexArray, IntArray
from haversine_dbscan.frame import Frame, Whole, with_rows
from haversine_dbscan.threads import Range, Run, balanced_ranges, even_ranges

_ROWS_AT_LEAST = 65_536
_POINTS_PER_RANGE = 131_072
"""Or about so many, of a range of rows; some rows are far more work than others."""
_DENSE_COLUMNS = 1024
_FEW = 24
"""Up to so many points of a row are sorted by insertion."""


class Layout(NamedTuple):
    """n points in C occupied cells of R rows.

    x, y: float64 (n,), sorted. order: int32 or int64 (n,), where each sorted point was. cell_start: int32 or int64
    (C + 1,), the points of cell c are cell_start[c]:cell_start[c + 1]. cell_column: int64 (C,), increasing in a row.
    row_start, row_cell: int64 (R + 1,), the points of row r are row_start[r]:row_start[r + 1], and its cells
    row_cell[r]:row_cell[r + 1]. row_number: int64 (R,), how many rows each is from the origin; meaningless for empty
    ones.
    """

    x: FloatArray
    y: FloatArray
    order: IndexArray
    cell_start: IndexArray
    cell_column: IntArray
    row_start: IntArray
    row_cell: IntArray
    row_number: IntArray

    def row_ranges(self, threads: int) -> list[Range]:
        """Cut the rows into ranges of about as many points, enough of them for so many threads to end together."""
        return _row_ranges(self.row_start, threads)

    def occupied_rows(self) -> tuple[IntArray, IntArray]:
        """Return the numbers of the rows that hold points, increasing, and where the cells of each begin (and end)."""
        occupied = np.flatnonzero(np.diff(self.row_cell))
        return self.row_number[occupied], np.append(self.row_cell[occupied], self.row_cell[-1])


def lay_out(x: FloatArray, y: FloatArray, frame: Frame, run: Run, threads: int) -> tuple[Layout, Frame]:
    """Sort the points into the cells of a frame; return them, and the frame with the geometry of its rows.

    x, y: shape (n,), float32 or float64, any layout; not changed.
    """
    index = np.dtype(np.int32 if len(x) < 2**31 else np.int64)
    row_start, row_number, sorted_x, sorted_y, order = _scatter(x, y, frame, index, run, threads)
    ranges = _row_ranges(row_start, threads)
    cells = np.zeros(len(row_number) + 1, dtype=np.int64)
    run(lambda rows: sort_rows(row_start, rows, frame, sorted_x, sorted_y, order, cells[1:]), ranges)
    row_cell = np.cumsum(cells)
    cell_start, cell_column = np.empty(row_cell[-1] + 1, dtype=index), np.empty(row_cell[-1], dtype=np.int64)
    cell_start[-1] = len(x)
    run(lambda rows: find_cells(row_start, row_cell, rows, frame, sorted_x, cell_start, cell_column), ranges)
    layout = Layout(sorted_x, sorted_y, order, cell_start, cell_column, row_start, row_cell, row_number)
    return layout, with_rows(frame, row_number)


def _row_ranges(row_start: IntArray, threads: int) -> list[Range]:
    return balanced_ranges(row_start, max(8 * threads, int(row_start[-1]) // _POINTS_PER_RANGE))


def _scatter(
    x: FloatArray, y: FloatArray, frame: Frame, index: np.dtype[Any], run: Run, threads: int
) -> tuple[IntArray, IntArray, FloatArray, FloatArray, IndexArray]:
    """Return where each row starts and its number, and the points sorted by row only."""
    n = len(x)
    row_of, row_number, histogram = _rows(y, frame, index, run, threads)
    row_start = np.zeros(len(row_number) + 1, dtype=np.int64)
    np.cumsum(histogram.sum(axis=0), out=row_start[1:])
    next_free = histogram  # in place: there may be more rows than points
    free = row_start[:-1].astype(index)
    for counts in histogram:
        free += counts
        np.subtract(free, counts, out=counts)
    sorted_x, sorted_y, order = np.empty(n), np.empty(n), np.empty(n, dtype=index)
    parts = even_ranges(n, threads)

    def scatter(part: Range) -> None:
        scatter_to_rows(x, y, row_of, next_free[parts.index(part)], part, sorted_x, sorted_y, order)

    run(scatter, parts)
    return row_start, row_number, sorted_x, sorted_y, order


def _rows(
    y: FloatArray, frame: Frame, index: np.dtype[Any], run: Run, threads: int
) -> tuple[IndexArray, IntArray, IndexArray]:
    """Return the row of each point, the number of each row, and how many points of each range are in each row."""
    n = len(y)
    parts = even_ranges(n, threads)
    row_of = np.empty(n, dtype=np.int32)
    few = frame.rows <= max(_ROWS_AT_LEAST, n // 8)
    row_number = np.arange(frame.rows) if few else _close_gaps(y, frame, row_of)
    histogram = np.zeros((len(parts), len(row_number)), dtype=index)

    def count(part: Range) -> None:
        if few:
            number_rows(y, frame.origin_y, frame.height, part, row_of)
        count_rows(row_of, part, histogram[parts.index(part)])

    run(count, parts)
    return row_of, row_number, histogram


def _close_gaps(y: FloatArray, frame: Frame, row_of: IndexArray) -> IntArray:
    """Fill `row_of`, leaving out empty rows, yet keeping rows out of reach apart; return the number of each row."""
    occupied, inverse = np.unique(
        ((y.astype(np.float64) - frame.origin_y) / frame.height).astype(np.int64), return_inverse=True
    )
    steps = np.minimum(np.diff(occupied, prepend=occupied[0]), frame.reach + 1)
    position = np.cumsum(steps)
    row_of[:] = position[inverse]
    row_number = np.zeros(position[-1] + 1, dtype=np.int64)
    row_number[position] = occupied
    return row_number


@njit(cache=True, nogil=True)
def number_rows(y: FloatArray, origin: float, height: float, part: Range, row_of: IndexArray) -> None:
    """Fill `row_of` for a range of points."""
    for i in range(part[0], part[1]):
        row_of[i] = int((np.float64(y[i]) - origin) / height)


@njit(cache=True, nogil=True)
def count_rows(row_of: IndexArray, part: Range, histogram: IndexArray) -> None:
    """Count a range of points into the histogram of their rows."""
    for i in range(part[0], part[1]):
        histogram[np.uintp(row_of[i])] += 1


@njit(cache=True, nogil=True)
def scatter_to_rows(
    x: FloatArray,
    y: FloatArray,
    row_of: IndexArray,
    next_free: IndexArray,
    part: Range,
    sorted_x: FloatArray,
    sorted_y: FloatArray,
    order: IndexArray,
) -> None:
    """Move a range of points to their rows. `next_free`: where the next point of each row goes."""
    for i in range(part[0], part[1]):
        row = np.uintp(row_of[i])
        to = np.uintp(next_free[row])
        next_free[row] += 1
        sorted_x[to] = x[i]
        sorted_y[to] = y[i]
        order[to] = i


@njit(cache=True, nogil=True)
def column_of(frame: Frame, x: float) -> int:
    """Return the column of a coordinate."""
    return int((x - frame.origin_x) / frame.width)


@njit(cache=True, nogil=True)
def sort_rows(
    row_start: IntArray, rows: Range, frame: Frame, x: FloatArray, y: FloatArray, order: IndexArray, cells: IntArray
) -> None:
    """Sort each row of a range by column, in place, and count its cells.

    One counting pass where the columns of a row are not many more than its points, else a few. Plain loops throughout:
    they compile in a tenth of the time that numpy's sorting and slicing take.
    """
    longest = 0
    for row in range(rows[0], rows[1]):
        longest = max(longest, row_start[row + 1] - row_start[row])
    old_x, old_y, old_order = np.empty(longest), np.empty(longest), np.empty(longest, dtype=order.dtype)
    column, place = np.empty(longest, dtype=np.int64), np.empty(longest, dtype=np.int64)
    counter = np.empty(2 * longest + _DENSE_COLUMNS, dtype=np.int64)
    for row in range(rows[0], rows[1]):
        begin = np.uintp(row_start[row])
        n = np.uintp(row_start[row + 1]) - begin
        if n == 0:
            continue
        lowest, highest = column_of(frame, x[begin]), column_of(frame, x[begin])
        for i in range(n):
            old_x[i], old_y[i], old_order[i] = x[begin + i], y[begin + i], order[begin + i]
            column[i] = column_of(frame, old_x[i])
            lowest, highest = min(lowest, column[i]), max(highest, column[i])
        span, base = highest - lowest + 1, 2 * np.int64(n) + _DENSE_COLUMNS
        for i in range(n):
            column[i] -= lowest
        if n <= _FEW:
            cells[row] = _places_by_insertion(column, n, place)
        elif span <= base:
            cells[row] = _places(column, n, span, counter, place)
        else:
            cells[row] = _places_by_digits(column, n, span, base, counter, place)
        for i in range(n):
            to = begin + np.uintp(place[i])
            x[to], y[to], order[to] = old_x[i], old_y[i], old_order[i]


@njit(cache=True, nogil=True)
def _places(digits: IntArray, n: Whole, base: Whole, counter: IntArray, place: IntArray) -> int:
    """Fill in the place of each of n digits below `base` in sorted order; return how many different ones there are."""
    for digit in range(np.uintp(base)):
        counter[digit] = 0
    for i in range(n):
        counter[np.uintp(digits[i])] += 1
    total, distinct = 0, 0
    for digit in range(np.uintp(base)):
        count = counter[digit]
        distinct += count > 0
        counter[digit] = total
        total += count
    for i in range(n):
        here = np.uintp(digits[i])
        place[i] = counter[here]
        counter[here] += 1
    return distinct


@njit(cache=True, nogil=True)
def _places_by_insertion(column: IntArray, n: Whole, place: IntArray) -> int:
    """Do the same for columns of any size, without a counter; O(n²). The columns are sorted too."""
    owner = np.empty(_FEW, dtype=np.int64)
    distinct = 0
    for i in range(np.int64(n)):
        here, k = column[i], i
        while k > 0 and column[k - 1] > here:
            column[k], owner[k] = column[k - 1], owner[k - 1]
            k -= 1
        column[k], owner[k] = here, i
    for k in range(np.int64(n)):
        place[owner[k]] = k
        distinct += k == 0 or column[k] != column[k - 1]
    return distinct


@njit(cache=True, nogil=True)
def _places_by_digits(column: IntArray, n: Whole, span: Whole, base: Whole, counter: IntArray, place: IntArray) -> int:
    """Do the same for columns below `span`, one digit to a base after the other, from the lowest (radix sort)."""
    digits, owner = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    new_owner = np.empty(n, dtype=np.int64)
    for i in range(n):
        owner[i] = i
    divisor = np.int64(1)
    while divisor < span:
        for k in range(n):
            digits[k] = column[owner[k]] // divisor % base
        _places(digits, n, base, counter, place)
        for k in range(n):
            new_owner[place[k]] = owner[k]
        owner, new_owner = new_owner, owner
        divisor *= base
    distinct, last = 0, np.int64(-1)
    for k in range(n):
        place[owner[k]] = k
        distinct += column[owner[k]] != last
        last = column[owner[k]]
    return distinct


@njit(cache=True, nogil=True)
def find_cells(
    row_start: IntArray,
    row_cell: IntArray,
    rows: Range,
    frame: Frame,
    x: FloatArray,
    cell_start: IndexArray,
    cell_column: IntArray,
) -> None:
    """Fill in the cells of a range of sorted rows."""
    for row in range(rows[0], rows[1]):
        cell = np.uintp(row_cell[row + 1])
        last = -1
        # Backwards, so that of each cell the first point is written last: a test for a new cell would be guessed wrong.
        for back in range(1, row_start[row + 1] - row_start[row] + 1):
            i = np.uintp(row_start[row + 1] - back)
            column = column_of(frame, x[i])
            cell -= np.uintp(column != last)
            cell_column[cell], cell_start[cell] = column, i
            last = column
