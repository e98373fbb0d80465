"""Read the time of each trip: which column holds it, and the forms in which files write it.

Times are taken as they are written, without converting between zones: an hour is the hour on the clock of the city.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from taxi_mlops.arrow import as_numpy
from taxi_mlops.data.coordinate_names import TripEnd
from taxi_mlops.data.load import OpenedTrips
from taxi_mlops.domain import RowArray
from taxi_mlops.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

UNKNOWN = np.iinfo(np.int64).min
"""The time of a trip whose cell is empty or unreadable."""

_WORDS: dict[TripEnd, str] = {
    "pickup": r"pick[ _]?up|start(?:ed)?|begin|depart\w*|origin|inicio",
    "dropoff": r"drop[ _]?off|end(?:ed)?|stop(?:ped)?|arriv\w*|destination|fin",
}
_TIME = r"date[ _]?time|time[ _]?stamp|time|date|at|fecha|hora"
_ALONE = rf"(?:{_TIME})"
_NOT_CLOCKS = r"month|hour|day|year|second|minute|duration|zone"
_SHARE_READABLE = 0.9
_ISO = r"^\s*(?P<day>\d{4}-\d{2}-\d{2})[ T](?P<minute>\d{2}:\d{2})"
_US = (
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
)
_DAY_FIRST = ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%d.%m.%Y %H:%M")
_UNIX_SECONDS = (10**8, 4 * 10**9)
"""From 1973 to 2096; numbers a thousand times as large are milliseconds."""

Reader = Callable[["pa.Array"], "pa.Array"]


@dataclass(frozen=True, slots=True, eq=False)
class TripTimes:
    """column: where the times were read from. seconds: int64 (n,), since 1970 on the trips' clocks, or `UNKNOWN`."""

    column: str
    seconds: RowArray


def time_column(trips: OpenedTrips, end: TripEnd) -> str | None:
    """Return the column with the time of this end of the trips, by the schema or by its name; None if there is none."""
    if trips.schema.time_column in trips.columns and end == "pickup":
        return trips.schema.time_column
    words = _WORDS[end]
    patterns = (rf"(?:{words}).*(?:{_TIME})$", rf"^(?:{_TIME}).*(?:{words})$", rf"^{_ALONE}$")
    named = [column for column in trips.columns if not re.search(_NOT_CLOCKS, column, re.IGNORECASE)]
    for pattern in patterns:
        for column in named:
            if re.search(pattern, column.strip(), re.IGNORECASE):
                return column
    return None


def read_times(trips: OpenedTrips, rows: RowArray, end: TripEnd, named: str | None = None) -> TripTimes | None:
    """Read the times of the trips in these rows (int64 (n,), ascending); None if no column holds them.

    named: the column that the user named. Raises DataError if there is none of this name, or it holds no times.
    """
    column = named or time_column(trips, end)
    if column is None:
        return None
    if column not in trips.columns:
        raise DataError(f"--time {column}: there is no such column; there are {', '.join(trips.columns)}")
    seconds = np.full(len(rows), UNKNOWN, dtype=np.int64)
    reader: Reader | None = None
    first = 0
    for batch in trips.rows([column]):
        cells = batch.column(0)
        reader = reader or _reader_of(cells)
        begin, end_ = np.searchsorted(rows, (first, first + len(cells)))
        if reader is not None and end_ > begin:
            found = as_numpy(_filled(reader(cells)))
            seconds[begin:end_] = found[rows[begin:end_] - first]
        first += len(cells)
    if np.count_nonzero(seconds != UNKNOWN) < _SHARE_READABLE * len(rows):
        if named is None:
            return None
        raise DataError(
            f"--time {column}: fewer than nine of ten trips have a time there that can be read "
            "(as 2016-06-01 12:30:00, 06/01/2016 12:30, or Unix seconds)"
        )
    return TripTimes(column, seconds)


def _filled(seconds: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.fill_null(seconds, pa.scalar(UNKNOWN, pa.int64()))


def _reader_of(cells: pa.Array) -> Reader | None:
    """Return what reads these cells as seconds (int64, null where unreadable); None if nothing does."""
    import pyarrow as pa

    kind = cells.type
    if pa.types.is_timestamp(kind):
        return _timestamp_seconds
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _unix_seconds
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        return None
    present = cells.drop_null()
    readers: Sequence[Reader] = (_iso_seconds, *map(_strptime, (*_US, *_DAY_FIRST)), _text_unix_seconds)
    shares = [1.0 - reader(present).null_count / max(len(present), 1) for reader in readers] if len(present) else [0.0]
    best = int(np.argmax(shares))
    return readers[best] if shares[best] > 0.0 else None


def _timestamp_seconds(cells: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    local = pc.local_timestamp(cells) if cells.type.tz else cells
    return pc.floor_temporal(local, unit="second").cast(pa.timestamp("s"), safe=False).cast(pa.int64())


def _unix_seconds(cells: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    low, high = _UNIX_SECONDS
    numbers = cells.cast(pa.float64(), safe=False)
    in_milliseconds = pc.greater_equal(numbers, float(low * 1000))
    numbers = pc.if_else(in_milliseconds, pc.divide(numbers, 1000.0), numbers)
    known = pc.and_(pc.greater_equal(numbers, float(low)), pc.less_equal(numbers, float(high)))
    return pc.floor(pc.if_else(known, numbers, None)).cast(pa.int64())


def _text_unix_seconds(cells: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    numeric = pc.match_substring_regex(cells, r"^\s*\d{9,13}(?:\.\d*)?\s*$")
    return _unix_seconds(pc.utf8_trim_whitespace(pc.if_else(numeric, cells, None)).cast(pa.float64()))


def _iso_seconds(cells: pa.Array) -> pa.Array:
    """Read ISO 8601 to the minute; fractions of seconds and the offset from UTC are left out."""
    import pyarrow.compute as pc

    parts = pc.extract_regex(cells, _ISO)
    text = pc.binary_join_element_wise(pc.struct_field(parts, "day"), pc.struct_field(parts, "minute"), " ")
    return _parsed(text, "%Y-%m-%d %H:%M")


def _strptime(form: str) -> Reader:
    return lambda cells: _parsed(cells, form)


def _parsed(text: pa.Array, form: str) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.strptime(text, format=form, unit="s", error_is_null=True).cast(pa.int64())
