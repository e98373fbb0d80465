"""Find the lines at which a CSV file is broken: wrong numbers of fields, and a quotation that is never closed.

Reading reports that something is wrong; this reads the file again with Python's csv, which counts lines.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import IO, TYPE_CHECKING

from taxi_mlops.data.csv_dialect import CsvDialect

if TYPE_CHECKING:
    from _csv import Reader

_LARGEST_CELL = 16 << 20
"""Characters: more than reading accepts in a row."""


def broken_lines(stream: IO[bytes], dialect: CsvDialect, count: int) -> list[int]:
    """Return the line numbers, from 1, of the first `count` records with another number of fields than the header.

    Lines within quotations and blank lines count, as in an editor. Fewer are returned if the file cannot be read on.
    """
    found: list[int] = []
    with _reader(stream, dialect, strict=False) as reader, suppress(csv.Error):
        before = 0
        for fields in reader:
            if len(fields) != len(dialect.names) and any(field.strip() for field in fields):
                found.append(dialect.skip_lines + before + 1)
                if len(found) == count:
                    break
            before = reader.line_num
    return found


def open_quotation(stream: IO[bytes], dialect: CsvDialect) -> int | None:
    """Return the line number, from 1, of the record whose quotation is not closed until the end, or None."""
    with _reader(stream, dialect, strict=True) as reader:
        before = 0
        try:
            for _ in reader:
                before = reader.line_num
        except csv.Error as error:
            too_large = "field larger" in str(error) and reader.line_num > before + 1
            if too_large or "end of data" in str(error):
                return dialect.skip_lines + before + 1
    return None


@contextmanager
def _reader(stream: IO[bytes], dialect: CsvDialect, *, strict: bool) -> Iterator[Reader]:
    """Read the records of data, also those with large cells."""
    text = io.TextIOWrapper(stream, dialect.encoding, errors="replace", newline="")
    limit = csv.field_size_limit(_LARGEST_CELL)
    try:
        yield csv.reader(islice(text, dialect.skip_lines, None), delimiter=dialect.delimiter, strict=strict)
    finally:
        csv.field_size_limit(limit)
