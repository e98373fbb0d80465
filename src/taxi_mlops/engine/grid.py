"""The sorted cells of a geodesic grid: points on the sphere, ordered so that a neighbourhood is a few slices.

Rows are bands of latitude. Each row is cut into its own whole number of columns around the circle, so that no cell is
wider than it is high, whether at the equator or beside a pole. Any two points of a cell are within eps of each other.
Points are sorted by (row, column) and only occupied cells are stored: the candidates within eps of a point are, in each
row that eps reaches, one slice of the sorted points, or two across the antimeridian.

Building takes O(n log n) time and about 60 bytes a point. Cells as in Gunawan (2013), "A faster algorithm for DBSCAN".
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from taxi_mlops.engine.geodesy import EARTH_RADIUS_METRES, chord_length
from taxi_mlops.engine.haversine import haversine_of_angle, haversine_of_distance

SMALLEST_EPS_METRES = 1e-6
"""Degrees in float64 resolve some nanometres; below a micrometre "within eps" would be decided by rounding."""

_SHRINK = 1.0 - 1e-4
"""Cells are this much smaller than eps / √2, so that rounding never puts two points of a cell beyond eps."""
_SLACK_DEGREES = 1e-12
"""Windows are this much wider than eps (0.1 micrometres), so that rounding never hides a neighbour."""


class Grid(NamedTuple):
    """The index: n points in C occupied cells of R occupied rows.

    order: int64 (n,), the original index of each sorted point. cell_of: int64 (n,), the cell of each sorted point.
    latitude, longitude, cosine: float64 (n,), sorted; degrees, and the cosine of the latitude.
    cell_start: int64 (C + 1,), the sorted points of cell c are cell_start[c]:cell_start[c + 1].
    cell_column: int64 (C,), increasing within a row. row_number: int64 (R,), increasing. row_columns: int64 (R,),
    columns around the circle. row_cell: int64 (R + 1,), the cells of row r are row_cell[r]:row_cell[r + 1].
    eps_degrees: eps as degrees of latitude, with slack. limit: the haversine of eps. rows_per_degree: the scale.
    """

    order: NDArray[np.int64]
    cell_of: NDArray[np.int64]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    cosine: NDArray[np.float64]
    cell_start: NDArray[np.int64]
    cell_column: NDArray[np.int64]
    row_number: NDArray[np.int64]
    row_columns: NDArray[np.int64]
    row_cell: NDArray[np.int64]
    eps_degrees: float
    limit: float
    rows_per_degree: float


def build_grid(latitude: NDArray[np.float64], longitude: NDArray[np.float64], eps_metres: float) -> Grid:
    """Sort points in degrees into the cells of eps.

    Raises ValueError where eps is not a number of at least `SMALLEST_EPS_METRES`, or where a coordinate is not finite
    or out of range.
    """
    if not eps_metres >= SMALLEST_EPS_METRES:
        raise ValueError(f"eps must be at least {SMALLEST_EPS_METRES} metres, got {eps_metres!r}")
    latitude, longitude = np.asarray(latitude, dtype=np.float64), np.asarray(longitude, dtype=np.float64)
    _check_range("latitude", latitude, 90.0)
    _check_range("longitude", longitude, 180.0)
    side = math.degrees(chord_length(eps_metres) / math.sqrt(2.0)) * _SHRINK
    rows = np.floor((latitude + 90.0) / side).astype(np.int64)
    row_number, row_of = _ranks(rows)
    row_columns = _columns_of_rows(row_number, side)
    columns = ((longitude + 180.0) * (row_columns[row_of] / 360.0)).astype(np.int64)
    np.minimum(columns, row_columns[row_of] - 1, out=columns)
    order, new_cell = _sort_cells(row_of, columns)
    first = np.flatnonzero(new_cell)
    cell_row = row_of[order[first]]
    sorted_latitude = latitude[order]
    return Grid(
        order=order,
        cell_of=np.cumsum(new_cell) - 1,
        latitude=sorted_latitude,
        longitude=longitude[order],
        cosine=np.cos(np.radians(sorted_latitude)),
        cell_start=np.append(first, len(latitude)),
        cell_column=columns[order[first]],
        row_number=row_number,
        row_columns=row_columns,
        row_cell=np.searchsorted(cell_row, np.arange(len(row_number) + 1)),
        eps_degrees=math.degrees(eps_metres / EARTH_RADIUS_METRES) * (1.0 + 1e-9) + _SLACK_DEGREES,
        limit=haversine_of_distance(eps_metres),
        rows_per_degree=1.0 / side,
    )


def _check_range(name: str, values: NDArray[np.float64], bound: float) -> None:
    wrong = np.flatnonzero(~(np.abs(values) <= bound))
    if len(wrong):
        raise ValueError(f"{name} must be in [-{bound:g}, {bound:g}] degrees, got {values[wrong[0]]} at {wrong[0]}")


def _ranks(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct values in order, and the rank of each value among them."""
    if len(values) and (span := int(values.max()) - (low := int(values.min())) + 1) <= 4 * len(values):
        occupied = np.zeros(span, dtype=np.bool_)
        occupied[values - low] = True
        ranks = np.cumsum(occupied) - 1
        return np.flatnonzero(occupied) + low, ranks[values - low]
    distinct, inverse = np.unique(values, return_inverse=True)
    return distinct, inverse


def _columns_of_rows(row_number: NDArray[np.int64], side: float) -> NDArray[np.int64]:
    """Return the number of columns of each row: no cell is wider than `side` degrees of a great circle."""
    south = row_number * side - 90.0
    north = south + side
    closest_to_equator = np.where((south < 0) & (north > 0), 0.0, np.minimum(np.abs(south), np.abs(north)))
    circumference = 360.0 * np.cos(np.radians(closest_to_equator))
    return np.asarray(np.maximum(np.ceil(circumference / side), 1.0).astype(np.int64))


def _sort_cells(row_of: NDArray[np.int64], columns: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the order of the points by (row, column), and where in it a new cell begins."""
    if len(columns) and (int(row_of.max()) + 1) * (int(columns.max()) + 1) >= 2**63:
        columns = _ranks(columns)[1]
    width = int(columns.max()) + 1 if len(columns) else 1
    key = row_of * width + columns
    order = np.argsort(key)
    key = key[order]
    new_cell = np.ones(len(key), dtype=np.bool_)
    np.not_equal(key[1:], key[:-1], out=new_cell[1:])
    return order, new_cell


@njit(cache=True)
def first_row_in_reach(grid: Grid, latitude: float) -> int:
    """Return the first occupied row that may hold points within eps of a latitude. O(log R)."""
    lowest = math.floor((latitude - grid.eps_degrees + 90.0) * grid.rows_per_degree) - 1
    return int(np.searchsorted(grid.row_number, lowest))


@njit(cache=True)
def row_in_reach(grid: Grid, row: int, latitude: float) -> bool:
    """Return whether a row (from `first_row_in_reach` upwards) exists and may still hold points within eps."""
    if row >= grid.row_number.shape[0]:
        return False
    highest = math.floor((latitude + grid.eps_degrees + 90.0) * grid.rows_per_degree) + 1
    return bool(grid.row_number[row] <= highest)


@njit(cache=True)
def _half_width(grid: Grid, row: int, latitude: float, cosine: float) -> float:
    """Return the largest difference of longitude, in degrees, at which points of the row are within eps."""
    south = grid.row_number[row] / grid.rows_per_degree - 90.0
    north = (grid.row_number[row] + 1) / grid.rows_per_degree - 90.0
    farthest = min(max(abs(south), abs(north)) + _SLACK_DEGREES, 90.0)
    gap = max(0.0, max(latitude - north, south - latitude) - _SLACK_DEGREES)
    rest = grid.limit * (1.0 + 1e-9) - haversine_of_angle(math.radians(gap))
    if rest < 0.0:
        return -1.0
    rest /= max(cosine * math.cos(math.radians(farthest)), 1e-300)
    if rest >= 1.0:
        return 180.0
    return math.degrees(2.0 * math.asin(math.sqrt(rest))) * (1.0 + 1e-9) + _SLACK_DEGREES


@njit(cache=True)
def _slice_of_columns(grid: Grid, row: int, first: int, last: int) -> tuple[int, int]:
    """Return the slice of cells of a row whose columns are in first..last."""
    begin, end = grid.row_cell[row], grid.row_cell[row + 1]
    columns = grid.cell_column[begin:end]
    return begin + np.searchsorted(columns, first), begin + np.searchsorted(columns, last + 1)


@njit(cache=True)
def cells_in_reach(grid: Grid, row: int, latitude: float, longitude: float, cosine: float) -> tuple[int, int, int, int]:
    """Return the two slices of cells of a row that may be within eps of a point: a:b, and c:d, mostly empty."""
    width = _half_width(grid, row, latitude, cosine)
    if width < 0.0:
        return 0, 0, 0, 0
    columns = grid.row_columns[row]
    per_degree = columns / 360.0
    first = math.floor((longitude + 180.0 - width) * per_degree)
    last = math.floor((longitude + 180.0 + width) * per_degree)
    if last - first + 1 >= columns:
        return grid.row_cell[row], grid.row_cell[row + 1], 0, 0
    begin, end = _slice_of_columns(grid, row, max(first, 0), min(last, columns - 1))
    if first < 0:
        other_begin, other_end = _slice_of_columns(grid, row, first + columns, columns - 1)
        return begin, end, other_begin, other_end
    if last >= columns:
        other_begin, other_end = _slice_of_columns(grid, row, 0, last - columns)
        return begin, end, other_begin, other_end
    return begin, end, 0, 0
