"""Validation finds columns that are not what they are taken for, and names them all at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from taxi_mlops.data.validator import ColumnRules, DataValidator
from taxi_mlops.errors import DataError

RULES = (ColumnRules("y", limit=90.0), ColumnRules("x", limit=180.0))


def validate(*batches: tuple[list[float], list[float]]) -> None:
    validator = DataValidator(Path("trips.csv"), RULES)
    for latitude, longitude in batches:
        validator.observe((np.array(latitude), np.array(longitude)))
    validator.conclude()


def test_a_few_bad_rows_are_left_to_cleaning():
    validate(([40.0, np.nan, 500.0, 40.0], [-74.0, -74.0, -74.0, np.inf]))


def test_metres_are_not_taken_for_degrees():
    with pytest.raises(DataError) as raised:
        validate(([583_000.0, 10.0], [10.0, 20.0]), ([584_000.0] * 3, [30.0] * 3))
    assert str(raised.value) == (
        "trips.csv: column 'y': outside ±90, so not in degrees, in 4 rows (first: row 1: 583000.0, row 3: 584000.0, "
        "row 4: 584000.0); correct the file, or name other columns with --lat and --lon"
    )


def test_every_violation_is_named():
    with pytest.raises(DataError, match=r"'y': missing \(more than 90% of all\) in 3 rows .*'x': outside ±180"):
        validate(([np.nan] * 3, [181.0, -999.0, 0.0]))


def test_a_share_at_the_limit_passes():
    validate(([np.nan] * 9 + [1.0], [200.0] * 5 + [1.0] * 5))


def test_no_rows_are_an_error():
    with pytest.raises(DataError, match=r"trips\.csv: the file has no rows"):
        validate()
    with pytest.raises(DataError, match="has no rows"):
        validate(([], []))


def test_cells_of_a_wrong_type_are_numbered_across_batches():
    validator = DataValidator(Path("trips.csv"), RULES)
    for cells in (["1", "2"], ["3", "four"]):
        validator.wrong_type("y", np.array([cell == "four" for cell in cells]), cells)
        validator.observe((np.zeros(2), np.zeros(2)))
    with pytest.raises(DataError, match=r"column 'y': not of the right type in 1 row \(first: row 4: four\)"):
        validator.conclude()
