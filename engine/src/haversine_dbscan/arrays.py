"""Types of the arrays that the kernels pass on; any order of memory where a docstring does not say otherwise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
LabelArray = NDArray[np.int32]

IndexArray = NDArray[np.int32]
"""Of points and cells: int32, and int64 where there are more than int32 can number."""
