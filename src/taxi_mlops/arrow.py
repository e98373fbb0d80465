"""Convert between numpy and Arrow without pandas, which pyarrow's own conversions would import, taking longer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa


def as_arrow(values: NDArray[Any]) -> pa.Array:
    """Return numbers or booleans of shape (n,) as an Arrow array, numbers without a copy. None is missing."""
    import pyarrow as pa

    if values.dtype == np.bool_:
        buffer, kind = np.packbits(values, bitorder="little"), pa.bool_()
    else:
        buffer, kind = np.ascontiguousarray(values), pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(buffer)])


def as_numpy(column: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """Return n numbers or booleans, numbers in one chunk without a copy.

    Raises ArrowException if one is missing, or the column has another type.
    """
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_boolean(column.type):
        return np.from_dlpack(column.cast(pa.uint8())).view(np.bool_)
    return np.from_dlpack(column)


def as_float64(column: pa.Array) -> NDArray[np.float64]:
    """Return n numbers, NaN for null; without a copy if they are float64 and none is null."""
    import pyarrow as pa

    column = column.cast(pa.float64(), safe=False)  # integers beyond 2**53 are rounded: they are not degrees anyway
    stored = pa.Array.from_buffers(column.type, len(column), [None, column.buffers()[1]], offset=column.offset)
    values: NDArray[np.float64] = as_numpy(stored)
    return np.where(as_numpy(column.is_null()), np.nan, values) if column.null_count else values
