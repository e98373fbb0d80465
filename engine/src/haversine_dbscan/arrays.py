"""Types of the arrays that the kernels pass on; any order of memory where a docstring does not say otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
LabelArray = NDArray[np.int32]

IndexArray = NDArray[np.int32]
"""Of points and cells: int32, and int64 where there are more than int32 can number."""

Position = int | np.integer[Any]
"""In compiled code, of type uintp."""

PositionArray = NDArray[np.uintp]
"""Unsigned, as numba tests signed indices for being negative."""

ONE = np.uintp(1)

Records = NDArray[Any]
"""Of a type that `record` made."""
Record = Any


def record(**fields: type[np.generic]) -> np.dtype[Any]:
    """Return a structured type whose fields are attributes, in Python and in compiled code."""
    return np.dtype((np.record, np.dtype(list(fields.items()), align=True)))
