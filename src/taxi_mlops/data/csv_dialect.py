"""Detect how a CSV file is written: encoding, delimiter, lines before the header, column names, decimal commas.

All of it is detected from the start of the file. Reading the rows is pyarrow's work (see `csv_table`).
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median

from taxi_mlops.data.columns import MISSING_TEXTS

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_BYTES = 1 << 18
_SAMPLE_RECORDS = 200
_SEPARATOR_LINE = re.compile(r"\s*\"?sep=(?P<delimiter>.)\"?\s*", re.IGNORECASE)
_NUMBER = re.compile(r"\s*[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?\s*")
_VALUE = re.compile(r"\s*(?:[-+]?[.,]?\d|[\[{(]|(?:SRID=\d+;)?POINT\b)", re.IGNORECASE)
"""The start of a number, a date, a list or a geometry."""
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d{1,3},\d+\s*")
_DECIMAL_POINT = re.compile(r"\s*[-+]?\d*\.\d+([eE][-+]?\d+)?\s*")
_MANY_ZEROS, _FEW_ZEROS = 0.1, 0.02
"""Shares of zero bytes in the odd and the even places: in UTF-16, ASCII characters have them in one of the two."""
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """The format of one CSV file.

    names: of the columns; numbers from 1 if the first line is data already (`has_header` is false).
    skip_lines: lines before the first row of data. sample: the first rows, as text. bytes_per_row: their median length.
    """

    encoding: str
    delimiter: str
    names: tuple[str, ...]
    has_header: bool
    skip_lines: int
    sample: tuple[tuple[str, ...], ...]
    bytes_per_row: float

    def cells(self, column: str) -> list[str]:
        """Return the cells of a column in the sample; blank if a row is too short."""
        index = self.names.index(column)
        return [row[index] if index < len(row) else "" for row in self.sample]

    def has_decimal_commas(self, column: str) -> bool:
        """Return whether the numbers of a column are written like 48,86: some are, and none has a decimal point."""
        cells = self.cells(column)
        return any(map(_DECIMAL_COMMA.fullmatch, cells)) and not any(map(_DECIMAL_POINT.fullmatch, cells))


def find_dialect(start: bytes, *, whole: bool) -> CsvDialect | None:
    """Return the dialect of the file that starts with `start`, or None if it contains blank lines alone.

    whole: whether `start` is the whole file; otherwise its last line may be truncated. Raises UnicodeDecodeError if the
    bytes are not in the encoding of their byte order mark, and csv.Error if the first record has a field of more than
    128 KiB.
    """
    encoding = _encoding(start)
    text = codecs.getincrementaldecoder(encoding)("strict").decode(start, final=whole)
    lines = text.splitlines(keepends=True)
    if not whole and len(lines) > 1:
        lines.pop()
    declared = next(((number, line) for number, line in enumerate(lines) if line.strip()), None)
    if declared is None:
        return None
    separator = _SEPARATOR_LINE.fullmatch(declared[1])
    first = declared[0] + 1 if separator else 0
    delimiter = separator["delimiter"] if separator else _delimiter(lines)
    records = _records(lines[first:], delimiter)
    if not records:
        return None
    header = _header(records)
    names, has_header = _names(records, header)
    line = records[header].line if has_header else records[header].first_line - 1
    sample = tuple(record.fields for record in records[header + has_header :])
    usual = _usual_bytes(records, lines[first:], encoding)
    return CsvDialect(encoding, delimiter, names, has_header, first + line, sample, usual)


def _usual_bytes(records: Sequence[_Record], lines: Sequence[str], encoding: str) -> float:
    """Return the median length of records in the file."""
    characters = [sum(map(len, lines[record.first_line - 1 : record.line])) for record in records]
    return median(characters) * (len("00".encode(encoding)) - len("0".encode(encoding)))


@dataclass(frozen=True, slots=True)
class _Record:
    """One record: its fields, and the numbers of its first and last line, from 1."""

    fields: tuple[str, ...]
    first_line: int
    line: int

    @property
    def width(self) -> int:
        """The number of fields up to the last that is not blank."""
        return max((number for number, field in enumerate(self.fields, 1) if field.strip()), default=0)


def _encoding(start: bytes) -> str:
    """Return UTF-8 if the bytes are valid, UTF-16 by a byte order mark or zero bytes, else Windows-1252."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if start.startswith(mark):
            return encoding
    odd, even = (start[first:1000:2].count(0) / 500 for first in (1, 0))
    if max(odd, even) > _MANY_ZEROS and min(odd, even) < _FEW_ZEROS:
        return "utf-16-le" if odd > even else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(start)
    except UnicodeDecodeError:
        return "cp1252" if _decodes(start, "cp1252") else "latin-1"
    return "utf-8"


def _decodes(start: bytes, encoding: str) -> bool:
    try:
        start.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter that splits most records into the same number of fields, at least two."""

    def score(delimiter: str) -> tuple[float, int]:
        try:
            widths = Counter(len(record.fields) for record in _records(lines, delimiter))
        except csv.Error:
            return 0.0, 0
        (width, count), *_ = widths.most_common(1) or [(0, 0)]
        return (count / widths.total(), width) if width > 1 else (0.0, 0)

    best = max(DELIMITERS, key=score)  # the first of several that are as good
    return " " if score(best) == (0.0, 0) and _is_of_numbers(lines) else best


def _is_of_numbers(lines: Sequence[str]) -> bool:
    """Return whether lines are two or more numbers between blanks, the same number in each, except for a header."""
    try:
        records = _records(lines, " ")
    except csv.Error:
        return False
    width = len(records[0].fields) if records else 0
    rows = records[1:] or records
    return width > 1 and all(
        len(record.fields) == width and all(map(_NUMBER.fullmatch, record.fields)) for record in rows
    )


def _records(lines: Iterable[str], delimiter: str) -> list[_Record]:
    """Return the first records, without blank ones, up to a field of more than 128 KiB.

    Raises csv.Error if that is in the first record.
    """
    reader = csv.reader(lines, delimiter=delimiter)
    records, before = [], 0
    try:
        for fields in islice(reader, _SAMPLE_RECORDS):
            if any(field.strip() for field in fields):
                records.append(_Record(tuple(fields), before + 1, reader.line_num))
            before = reader.line_num
    except csv.Error:
        if not records:
            raise
    return records


def _header(records: Sequence[_Record]) -> int:
    """Return the index of the header: the first record that is as wide as most are, or wider.

    Narrower ones before it are titles, and so is a wider one that a narrower one follows.
    """
    widths = Counter(len(record.fields) for record in records)
    usual = max(widths, key=lambda width: (widths[width], width == len(records[0].fields)))
    for number, record in enumerate(records):
        following = records[number + 1 :]
        padded = following and all(each.width <= record.width for each in following)
        width = len(record.fields)
        is_title = width > usual and following and len(following[0].fields) < usual
        if not is_title and (width >= usual or (record.width > 1 and padded)):
            return number
    return 0


def _names(records: Sequence[_Record], header: int) -> tuple[tuple[str, ...], bool]:
    """Return the names of the columns, and whether they are in the file.

    Some months of New York's files end every line but the header with blank fields: these get names, too.
    """
    fields = records[header].fields
    following = records[header + 1 :]
    if _is_data(fields, following):
        return tuple(str(number) for number in range(1, len(fields) + 1)), False
    extra = following[0].fields[len(fields) :] if following else ()
    blanks = () if any(field.strip() for field in extra) else extra
    return (*fields, *(f"blank {number}" for number in range(len(blanks)))), True


def _is_data(fields: Sequence[str], following: Sequence[_Record]) -> bool:
    """Return whether a line is data and not names: it has values where the rows below have them, and no words."""
    if not following:
        return any(map(_NUMBER.fullmatch, fields))
    below = [
        [record.fields[index] for record in following if index < len(record.fields)] for index in range(len(fields))
    ]
    over_values = [
        cell
        for cell, column in zip(fields, below, strict=True)
        if any(map(_VALUE.match, column)) and _has_values(column)
    ]
    return any(map(_VALUE.match, over_values)) and _has_values(over_values)


def _has_values(cells: Sequence[str]) -> bool:
    """Return whether every cell is a value or missing."""
    return all(_VALUE.match(cell) or cell.strip() in MISSING_TEXTS for cell in cells)
