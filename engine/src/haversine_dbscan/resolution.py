"""How fine the cells of a layout are: finer ones decide more points at once, and cost more where points are few."""

from __future__ import annotations

import math

import numpy as np

from haversine_dbscan.arrays import FloatArray

COARSE = math.sqrt(2.0)
"""Cells per eps: the points of a cell are within eps of each other, and no other cells surely are."""
FINE = 2.84
"""Cells per eps, a little above √8: cells that touch are within eps of each other, so that they connect unseen."""
_FINEST = 16.0

_SAMPLE = 4096
_MANY_SAMPLES = 200
_CROWDED = 64


def choose_resolution(x: FloatArray, y: FloatArray, width: float, height: float, min_samples: float) -> float:
    """Return how many cells per eps suit the points; `width` and `height` are those of a coarse cell.

    Fine cells pay where many neighbours would be looked at: min_samples is high, and cells hold many points.
    As a point is looked at only where about min_samples are within eps, and then those near the edge of eps are, cells
    are the finer the more min_samples are.
    (Measured on the Santiago trips, 0.45 to 10 million points.)
    """
    if min_samples < _MANY_SAMPLES or len(x) < _SAMPLE:
        return COARSE
    if crowding(x, y, width, height) <= max(min_samples / 4.0, _CROWDED):
        return COARSE
    return min(FINE * max(math.sqrt(min_samples / 500.0), 1.0), _FINEST)


def crowding(x: FloatArray, y: FloatArray, width: float, height: float) -> float:
    """Return an estimate of how many points share the cell of a point, on average, from the pairs in a sample."""
    step = max(len(x) // _SAMPLE, 1)
    column = np.floor(np.asarray(x[::step], dtype=np.float64) / width)
    row = np.floor(np.asarray(y[::step], dtype=np.float64) / height)
    # One number a cell; where float64 cannot tell all of them apart, it is an estimate still.
    _, together = np.unique((row - row.min()) * (np.ptp(column) + 1.0) + (column - column.min()), return_counts=True)
    return len(x) * float((together * (together - 1)).sum()) / len(column) ** 2
