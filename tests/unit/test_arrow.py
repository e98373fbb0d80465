"""Arrays between numpy and Arrow."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from taxi_mlops.arrow import as_arrow, as_numpy


@pytest.mark.parametrize(
    "values",
    [
        np.array([0.5, -0.0, np.nan, np.inf]),
        np.arange(10, dtype=np.int64)[::3],
        np.arange(4, dtype=np.int32),
        np.array([True, False, True] * 7),
        np.array([], dtype=np.bool_),
        np.array([], dtype=np.float64),
    ],
)
def test_arrays_come_back_as_they_were(values):
    column = as_arrow(values)
    column.validate(full=True)
    assert column.type == pa.from_numpy_dtype(values.dtype)
    assert column.null_count == 0
    for found in (as_numpy(column), as_numpy(pa.chunked_array([column[:1], column[1:]]))):
        assert found.dtype == values.dtype
        np.testing.assert_array_equal(found, values)


def test_numbers_are_not_copied():
    values = np.arange(5.0)
    column = as_arrow(values)
    assert np.shares_memory(as_numpy(column), values)
    np.testing.assert_array_equal(as_numpy(column.slice(2)), [2.0, 3.0, 4.0])


@pytest.mark.parametrize("column", [pa.array([1, None]), pa.array([True, None]), pa.array(["a"])])
def test_what_is_no_array_of_numbers_is_refused(column):
    with pytest.raises(pa.ArrowException):
        as_numpy(column)
