"""The layout of the points in memory: sorted by row and column of a frame, so that a neighbourhood is a few slices.

A counting sort in two steps, each parallel: points are scattered to their rows, then each row is sorted by column, in
place. O(n) time, and 28 bytes a point while it runs, of which the 20 of the layout stay.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from haversine_dbscan.arrays import ONE, FloatArray, IndexArray, IntArray, Position, PositionArray
from haversine_dbscan.compiling import inlined, inner, kernel
from haversine_dbscan.frame import Frame, Whole, with_rows
from haversine_dbscan.threads import Range, Run, balanced_ranges, even_ranges

_ROWS_AT_LEAST = 65_536
_POINTS_PER_RANGE = 131_072
"""Or about so many, of a range of rows; some rows are far more work than others."""
_BLOCK, _SCATTERED = 16_384, 65_536
"""Points at once, so that they stay in the processor's cache."""
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

    def row_of_points(self, rows: Range) -> tuple[FloatArray, FloatArray, IndexArray]:
        """Return arrays such as x, y and order, uninitialised, for the points of any row of a range."""
        longest = longest_row(self.row_start, rows)
        return np.empty(longest), np.empty(longest), np.empty(longest, self.order.dtype)

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

    def sort(rows: Range) -> None:
        room = _room_for_a_row(longest_row(row_start, rows), index)
        sort_rows(row_start, rows, frame, sorted_x, sorted_y, order, cells[1:], room)

    run(sort, ranges)
    row_cell = np.cumsum(cells)
    cell_start, cell_column = np.empty(row_cell[-1] + 1, dtype=index), np.empty(row_cell[-1], dtype=np.int64)
    cell_start[-1] = len(x)
    run(lambda rows: find_cells(row_start, row_cell, rows, frame, sorted_x, cell_start, cell_column), ranges)
    layout = Layout(sorted_x, sorted_y, order, cell_start, cell_column, row_start, row_cell, row_number)
    return layout, with_rows(frame, row_number)


class _Room(NamedTuple):
    """What sorting a row writes to: arrays of as many as its points, and a counter of twice as many and more."""

    x: FloatArray
    y: FloatArray
    order: IndexArray
    column: PositionArray
    digits: PositionArray
    place: IntArray
    owner: IntArray
    new_owner: IntArray
    counter: IntArray


def _room_for_a_row(points: int, index: np.dtype[Any]) -> _Room:
    x, y = np.empty((2, points))
    column, digits = np.empty((2, points), dtype=np.uintp)
    place, owner, new_owner = np.empty((3, points), dtype=np.int64)
    counter = np.empty(2 * points + _DENSE_COLUMNS, dtype=np.int64)
    return _Room(x, y, np.empty(points, dtype=index), column, digits, place, owner, new_owner, counter)


def longest_row(row_start: IntArray, rows: Range) -> int:
    """Return how many points the longest row of a range holds."""
    return int(np.diff(row_start[rows[0] : rows[1] + 1]).max(initial=0))


def _row_ranges(row_start: IntArray, threads: int) -> list[Range]:
    several = 8 * threads if threads > 1 else 1  # one thread waits for no other, and each range has a cost
    return balanced_ranges(row_start, max(several, int(row_start[-1]) // _POINTS_PER_RANGE))


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
        free = next_free[parts.index(part)]
        for begin in range(part[0], part[1], _SCATTERED):
            block = slice(begin, min(begin + _SCATTERED, part[1]))
            scatter_to_rows(_plain(x[block]), _plain(y[block]), row_of[block], free, begin, sorted_x, sorted_y, order)

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
            _number_rows(y, frame, part, row_of)
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


def _plain(values: FloatArray) -> FloatArray:
    """Return values as the one type of array that `scatter_to_rows` is compiled for: copied, where they are not."""
    return np.require(values, np.float64, ["C", "W"])


def _number_rows(y: FloatArray, frame: Frame, part: Range, row_of: IndexArray) -> None:
    """Fill `row_of` for a range of points, block by block, so that what is between stays in the processor's cache."""
    height = np.empty(min(_BLOCK, part[1] - part[0]))
    for begin in range(part[0], part[1], _BLOCK):
        block = slice(begin, min(begin + _BLOCK, part[1]))
        above = np.subtract(y[block], frame.origin_y, out=height[: block.stop - begin], dtype=np.float64)
        np.divide(above, frame.height, out=above)
        row_of[block] = above


@kernel
def count_rows(row_of: IndexArray, part: Range, histogram: IndexArray) -> None:
    """Count a range of points into the histogram of their rows."""
    for i in range(part[0], part[1]):
        histogram[np.uintp(row_of[i])] += 1


@kernel
def scatter_to_rows(
    x: FloatArray,
    y: FloatArray,
    row_of: IndexArray,
    next_free: IndexArray,
    begin: int,
    sorted_x: FloatArray,
    sorted_y: FloatArray,
    order: IndexArray,
) -> None:
    """Move some points to their rows. `next_free`: where the next point of each row goes. begin: what the first was."""
    for i in range(x.shape[0]):
        row = np.uintp(row_of[i])
        to = np.uintp(next_free[row])
        next_free[row] += 1
        sorted_x[to] = x[i]
        sorted_y[to] = y[i]
        order[to] = begin + i


@inlined
def move_point(
    x: FloatArray,
    y: FloatArray,
    order: IndexArray,
    i: Whole,
    to_x: FloatArray,
    to_y: FloatArray,
    to_order: IndexArray,
    to: Whole,
) -> None:
    """Copy point i to another place."""
    to_x[to] = x[i]
    to_y[to] = y[i]
    to_order[to] = order[i]


@inlined
def column_of(frame: Frame, x: float) -> int:
    """Return the column of a coordinate."""
    return int((x - frame.origin_x) / frame.width)


@inlined
def first_at_least(values: IntArray, begin: int, end: int, wanted: int) -> int:
    """Return the first position from begin to end whose value is at least the wanted one; values increase."""
    while begin < end:
        middle = (begin + end) >> 1
        if values[middle] < wanted:
            begin = middle + 1
        else:
            end = middle
    return begin


@kernel
def sort_rows(
    row_start: IntArray,
    rows: Range,
    frame: Frame,
    x: FloatArray,
    y: FloatArray,
    order: IndexArray,
    cells: IntArray,
    room: _Room,
) -> None:
    """Sort each row of a range by column, in place, and count its cells.

    One counting pass where the columns of a row are not many more than its points, else a few. Plain loops throughout:
    they compile in a tenth of the time that numpy's sorting and slicing take.
    """
    old_x, old_y, old_order, column, digits, place, owner, new_owner, counter = room
    for row in range(rows[0], rows[1]):
        n = row_start[row + 1] - row_start[row]
        if n == 0:
            continue
        begin = np.uintp(row_start[row])
        lowest = column_of(frame, x[begin])
        highest = lowest
        for i in range(np.uintp(n)):
            move_point(x, y, order, begin + i, old_x, old_y, old_order, i)
            here = column_of(frame, old_x[i])
            place[i] = here
            lowest = here if here < lowest else lowest
            highest = here if here > highest else highest
        for i in range(np.uintp(n)):
            column[i] = place[i] - lowest
        span, base = highest - lowest + 1, 2 * n + _DENSE_COLUMNS
        if n <= _FEW:
            cells[row] = _places_by_insertion(column, n, owner, place)
        elif span <= base:
            cells[row] = _places(column, np.uintp(n), np.uintp(span), counter, place)
        else:
            cells[row] = _places_by_digits(
                column, np.uintp(n), np.uintp(span), np.uintp(base), counter, place, digits, owner, new_owner
            )
        for i in range(np.uintp(n)):
            move_point(old_x, old_y, old_order, i, x, y, order, begin + np.uintp(place[i]))


@inner
def _places(digits: PositionArray, n: Position, base: Position, counter: IntArray, place: IntArray) -> int:
    """Fill in the place of each of n digits below `base` in sorted order; return how many different ones there are."""
    for digit in range(base):
        counter[digit] = 0
    for i in range(n):
        counter[digits[i]] += 1
    total, distinct = 0, 0
    for digit in range(base):
        count = counter[digit]
        distinct += count > 0
        counter[digit] = total
        total += count
    for i in range(n):
        here = digits[i]
        place[i] = counter[here]
        counter[here] += 1
    return distinct


@inner
def _places_by_insertion(column: PositionArray, n: int, owner: IntArray, place: IntArray) -> int:
    """Do the same for columns of any size, without a counter; O(n²). The columns are sorted too."""
    distinct = 0
    for i in range(n):
        here, k = column[i], i
        while k > 0 and column[k - 1] > here:
            column[k], owner[k] = column[k - 1], owner[k - 1]
            k -= 1
        column[k], owner[k] = here, i
    for k in range(n):
        place[owner[k]] = k
        distinct += k == 0 or column[k] != column[k - 1]
    return distinct


@inner
def _places_by_digits(
    column: PositionArray,
    n: Position,
    span: Position,
    base: Position,
    counter: IntArray,
    place: IntArray,
    digits: PositionArray,
    owner: IntArray,
    new_owner: IntArray,
) -> int:
    """Do the same for columns below `span`, one digit to a base after the other, from the lowest (radix sort)."""
    for i in range(n):
        owner[i] = i
    divisor = np.uintp(1)
    while divisor < span:
        for k in range(n):
            digits[k] = column[owner[k]] // divisor % base
        _places(digits, n, base, counter, place)
        for k in range(n):
            new_owner[place[k]] = owner[k]
        owner, new_owner = new_owner, owner
        divisor *= base
    distinct = 0
    for k in range(n):
        place[owner[k]] = k
        distinct += k == 0 or column[owner[k]] != column[owner[k - ONE]]
    return distinct


@kernel
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
        i, begin = np.uintp(row_start[row + 1]), np.uintp(row_start[row])
        while i > begin:
            i -= ONE
            column = column_of(frame, x[i])
            cell -= np.uintp(column != last)
            cell_column[cell], cell_start[cell] = column, i
            last = column
