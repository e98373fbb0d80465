"""Read the points of a Parquet file that comes from anyone: batches out, memory bounded by a page and a batch.

A small file may claim to unpack to any size. So the headers of all pages that will be read are looked at first: no page
may unpack to more than `MAX_PAGE_BYTES`, and the file may have no more than `MAX_ROWS` rows in `MAX_PAGES` pages.
Columns other than latitude and longitude are never read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from taxi_mlops.arrow import as_numpy
from taxi_mlops.domain import FloatArray
from taxi_mlops.serving.problems import ProblemError
from taxi_mlops.serving.thrift import ThriftError, integers_of_struct

if TYPE_CHECKING:
    import pyarrow.parquet as pq

PARQUET = "application/vnd.apache.parquet"
MAX_ROWS = 2**25
"""A small file can have any number of equal rows, and each is located."""
MAX_PAGE_BYTES = 64 * 1024**2
MAX_PAGES = 200_000
MAX_FOOTER_BYTES = 16 * 1024**2
MAX_HEADER_BYTES = 64 * 1024
BATCH_ROWS = 1 << 16
_COLUMNS = ("latitude", "longitude")
_MAGIC = b"PAR1"
_MAX_STRINGS, _MAX_ENTRIES = 4 * 1024**2, 200_000
_BUFFER_BYTES = 1024**2
"""Read of a column at a time; without it, all of a row group would be."""
_UNPACKED, _PACKED = 2, 3
"""Numbers of fields in PageHeader of parquet.thrift."""
_MOST_HEADERS = 512
"""Bytes that hold most headers of pages."""


def parquet_batches(file: IO[bytes]) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield latitude and longitude of each batch of rows. Raises ProblemError if anything is wrong with the file."""
    import pyarrow as pa

    try:
        opened = _opened(file)
        yield from _batches(opened)
    except (pa.ArrowException, OSError, ValueError, struct.error, ThriftError) as error:
        raise ProblemError(422, f"The body is no Parquet file: {' '.join(str(error).split())[:200]}") from None


def _opened(file: IO[bytes]) -> pq.ParquetFile:
    """Open the file and look at all that says how much there is to read."""
    import pyarrow.parquet as pq

    _check_footer(file)
    file.seek(0)
    opened = pq.ParquetFile(
        file,
        buffer_size=_BUFFER_BYTES,
        thrift_string_size_limit=_MAX_STRINGS,
        thrift_container_size_limit=_MAX_ENTRIES,
    )
    positions = [_position(opened.schema, name) for name in _COLUMNS]
    footer = opened.metadata
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    if footer.num_rows > MAX_ROWS or sum(group.num_rows for group in groups) > MAX_ROWS:
        raise ProblemError(413, f"The file has more than {MAX_ROWS:,} rows; send it in parts.")
    if any(group.num_rows < 0 for group in groups):
        raise ProblemError(422, "The body is no Parquet file: a row group has less than no rows")
    pages = 0
    for group in groups:
        if group.num_rows == 0:  # it has no pages, and is not read
            continue
        for position in positions:
            pages += _check_pages(file, group.column(position), MAX_PAGES - pages)
    return opened


def _check_footer(file: IO[bytes]) -> None:
    size = file.seek(0, 2)
    if size < 12:
        raise ProblemError(422, "The body is no Parquet file: it is too short.")
    file.seek(size - 8)
    (length,) = struct.unpack("<I", file.read(4))
    if file.read(4) != _MAGIC:
        raise ProblemError(422, "The body is no Parquet file: it does not end with PAR1.")
    if length > MAX_FOOTER_BYTES:
        raise ProblemError(413, f"The footer is larger than {MAX_FOOTER_BYTES:,} bytes; write larger row groups.")


def _position(schema: pq.ParquetSchema, name: str) -> int:
    """Return which column of the file has the name. Raises ProblemError if none, or of another type."""
    found = [number for number in range(len(schema)) if schema.column(number).path == name]
    column = schema.column(found[0]) if len(found) == 1 else None
    if column is None or column.physical_type != "DOUBLE" or column.max_repetition_level > 0:
        said = "none" if column is None else str(column.physical_type).lower()
        raise ProblemError(422, f"The columns must be latitude and longitude, both double (got {said} as {name}).")
    return found[0]


def _check_pages(file: IO[bytes], column: pq.ColumnChunkMetaData, most: int) -> int:
    """Look at the headers of the pages of a column of a row group, and return how many they are.

    The pages stand one after the other; a header says how many bytes follow it, and what they unpack to.
    """
    dictionary = column.dictionary_page_offset
    start = column.data_page_offset
    if dictionary is not None and 0 < dictionary < start:
        start = dictionary
    end = start + column.total_compressed_size
    if start < 0 or end < start or end > file.seek(0, 2):
        raise ProblemError(422, "The body is no Parquet file: a column is outside of it")
    pages = 0
    while start < end:
        pages += 1
        if pages > most:
            raise ProblemError(413, f"The file has more than {MAX_PAGES:,} pages; write larger ones.")
        length, packed, unpacked = _page_at(file, start, end)
        if max(packed, unpacked) > MAX_PAGE_BYTES:
            raise ProblemError(413, f"A page unpacks to more than {MAX_PAGE_BYTES:,} bytes; write smaller ones.")
        start += length + packed
    return pages


def _page_at(file: IO[bytes], start: int, end: int) -> tuple[int, int, int]:
    """Return the length of the header of a page, and the bytes of the page packed and unpacked."""
    file.seek(start)
    beginning = file.read(min(_MOST_HEADERS, end - start))
    try:
        fields, length = integers_of_struct(beginning)
    except ThriftError:
        if end - start <= len(beginning):
            raise
        beginning += file.read(min(MAX_HEADER_BYTES, end - start) - len(beginning))
        fields, length = integers_of_struct(beginning)
    packed, unpacked = fields.get(_PACKED, -1), fields.get(_UNPACKED, -1)
    if packed < 0 or unpacked < 0:
        raise ProblemError(422, "The body is no Parquet file: a page has no size")
    return length, packed, unpacked


def _batches(opened: pq.ParquetFile) -> Iterator[tuple[FloatArray, FloatArray]]:
    import pyarrow as pa

    footer = opened.metadata
    filled = [number for number in range(footer.num_row_groups) if footer.row_group(number).num_rows]
    for batch in opened.iter_batches(BATCH_ROWS, row_groups=filled, columns=list(_COLUMNS), use_threads=False):
        latitude, longitude = (batch.column(name) for name in _COLUMNS)
        if latitude.type != pa.float64() or longitude.type != pa.float64():
            raise ProblemError(422, "The columns must be latitude and longitude, both double.")
        if latitude.null_count or longitude.null_count:
            raise ProblemError(422, "A latitude or longitude is null.")
        yield as_numpy(latitude), as_numpy(longitude)
