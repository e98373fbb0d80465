"""Convert the columns of one batch to arrays of numbers; invalid cells are reported to the validator."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from taxi_mlops.arrow import as_float64, as_numpy
from taxi_mlops.data.schemas import Polyline
from taxi_mlops.data.validator import DataValidator
from taxi_mlops.domain import FloatArray

if TYPE_CHECKING:
    import pyarrow as pa

_FLOAT = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_PAIR = rf"\[\s*(?P<longitude>{_FLOAT})\s*,\s*(?P<latitude>{_FLOAT})\s*\]"
_FIRST_PAIR = rf"^\s*\[\s*{_PAIR}"
_LAST_PAIR = rf"{_PAIR}\s*\]\s*$"
_NO_PAIR = r"^\s*\[\s*\]\s*$"
_TAIL_CHARACTERS = 100
"""The last pair of a polyline is in its tail, so that the rest need not be searched."""


_BYTE_ORDER_MARK = "\ufeff"
"""It stands where files were joined."""

_MISSING_WORDS = ("", "NA", "N/A", "#N/A", "null", "None", "NaN", "nil", "\\N", "-", "--", "?")
MISSING_TEXTS = sorted({form for word in _MISSING_WORDS for form in (word, word.lower(), word.upper(), word.title())})
"""Text of cells without a value, in upper or lower case and with blanks around it."""


def numbers(column: pa.Array, name: str, validator: DataValidator) -> FloatArray:
    """Return a column of n cells of any numeric or text type as float64 of shape (n,), NaN if missing or unreadable."""
    import pyarrow as pa

    column = plain(column)
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind):
        return as_float64(column)
    if pa.types.is_decimal(kind):  # through text: pyarrow's direct conversion is off in the last digit
        return as_float64(column.cast(pa.string()))
    if is_text(column):
        column = without_missing(column)
        with suppress(pa.ArrowInvalid):  # a cell is unreadable: parse each one
            return as_float64(column)
    cells = column.to_pylist()
    parsed = [_parse(cell) for cell in cells]
    bad = np.array([value is None for value in parsed])
    validator.wrong_type(name, bad, cells)
    return np.array([np.nan if value is None else value for value in parsed])


def polyline_ends(column: pa.Array, place: Polyline, validator: DataValidator) -> tuple[FloatArray, FloatArray]:
    """Return latitude and longitude of one end of n polylines, float64 of shape (n,), NaN if the polyline is empty."""
    import pyarrow.compute as pc

    column = plain(column)
    if not is_text(column):
        nowhere = np.full(len(column), np.nan)
        validator.wrong_type(place.column, np.ones(len(column), dtype=np.bool_), column.to_pylist())
        return nowhere, nowhere
    if place.end == "first":
        pair = pc.extract_regex(column, _FIRST_PAIR)
    else:
        pair = pc.extract_regex(pc.utf8_slice_codeunits(column, -_TAIL_CHARACTERS), _LAST_PAIR)
    not_empty = pc.invert(pc.match_substring_regex(column, _NO_PAIR))
    unreadable = pc.and_kleene(column.is_valid(), pc.and_(pair.is_null(), not_empty))
    validator.wrong_type(place.column, as_numpy(unreadable), column)
    latitude, longitude = pc.struct_field(pair, "latitude"), pc.struct_field(pair, "longitude")
    return as_float64(latitude), as_float64(longitude)


def plain(column: pa.Array) -> pa.Array:
    """Return the same cells without dictionary, views, run ends and extension types, which few functions support."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return plain(column.storage)
    if pa.types.is_dictionary(kind):
        return plain(column.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return plain(pc.run_end_decode(column))
    if pa.types.is_string_view(kind):
        return column.cast(pa.string())
    return column.cast(pa.binary()) if pa.types.is_binary_view(kind) else column


def is_text(column: pa.Array) -> bool:
    """Return whether the cells of a column are text."""
    from pyarrow import types

    return bool(types.is_string(column.type) or types.is_large_string(column.type))


def without_missing(column: pa.Array) -> pa.Array:
    """Return cells of text without the blanks around them; null if they mean that there is no value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(pc.utf8_ltrim(column, _BYTE_ORDER_MARK))
    missing = pc.is_in(trimmed, value_set=pa.array(MISSING_TEXTS, trimmed.type))
    return pc.if_else(missing, pa.scalar(None, trimmed.type), trimmed)


def _parse(cell: object) -> float | None:
    """Return the number in a cell of text, NaN if it is blank, None if it is not a number."""
    if cell is None:
        return float("nan")
    if not isinstance(cell, str):
        return None
    try:
        return float(cell)
    except ValueError:
        return None
