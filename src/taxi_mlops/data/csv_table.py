"""Read CSV files in batches with pyarrow, in the detected dialect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from taxi_mlops.data.columns import MISSING_TEXTS
from taxi_mlops.data.csv_dialect import SAMPLE_BYTES, CsvDialect, find_dialect
from taxi_mlops.data.csv_faults import broken_lines, open_quotation
from taxi_mlops.data.files import TripFile, open_stream
from taxi_mlops.data.validator import shortened
from taxi_mlops.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.csv

_BLOCK_BYTES = 8 << 20
_LINES_SHOWN = 3
_SUSPICIOUS = 1.5
"""So many times as long as in the sample, rows may hide others within a quotation that is not closed."""


def dialect_of(file: TripFile) -> CsvDialect:
    """Detect the dialect of a file from its start. Raises DataError if it is not CSV."""
    with open_stream(file) as stream:
        start = stream.read(SAMPLE_BYTES)
        whole = len(start) < SAMPLE_BYTES or not stream.read(1)
    try:
        dialect = find_dialect(start, whole=whole)
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not {error.encoding}, as its first bytes promise ({error.reason})") from error
    if dialect is None:
        raise DataError(f"{file}: the file has no rows")
    if any("\0" in name for name in dialect.names):
        raise DataError(f"{file}: no format that is read here (it begins with {start[:4]!r})")
    return dialect


def csv_sample(dialect: CsvDialect, columns: Sequence[str]) -> pa.RecordBatch:
    """Return the first rows of some columns, as text."""
    import pyarrow as pa

    cells = [pa.array(dialect.cells(name), pa.string()) for name in columns]
    return _with_decimal_points(pa.RecordBatch.from_arrays(cells, list(columns)), dialect)


@dataclass(slots=True)
class _BadLines:
    """Lines with the wrong number of fields; all are counted before the error is raised."""

    count: int = 0
    first: list[str] = field(default_factory=list)
    may_be_quoted: bool = False

    def handle(self, row: pyarrow.csv.InvalidRow) -> str:
        if row.text is not None and not row.text.strip():
            return "skip"  # a line of blanks is not a row
        self.count += 1
        self.may_be_quoted |= bool(row.text) and row.text.count('"') % 2 == 1
        if len(self.first) < _LINES_SHOWN:
            fields = f"{row.actual_columns} {'field' if row.actual_columns == 1 else 'fields'}"
            self.first.append(f"{fields} instead of {row.expected_columns}: {shortened(row.text, 60)}")
        return "skip"

    def described(self, file: TripFile, dialect: CsvDialect) -> str:
        """Return how many there are, with the line numbers and the text of the first."""
        with open_stream(file) as stream:
            lines = broken_lines(stream, dialect, len(self.first))
        listed = [f"line {line}: {what}" for line, what in zip(lines, self.first, strict=False)] or self.first
        return f"{self.count:,} broken line{'s' if self.count > 1 else ''} (first: {'; '.join(listed)})"


def csv_batches(
    file: TripFile, dialect: CsvDialect, columns: Sequence[str], *, as_text: bool
) -> Iterator[pa.RecordBatch]:
    """Yield batches of float64; text from the first batch on that has a cell which is not a number."""
    import pyarrow as pa

    if as_text:
        yield from _reader_batches(file, dialect, columns, pa.string())
        return
    rows = 0
    try:
        for batch in _reader_batches(file, dialect, columns, pa.float64()):
            yield batch
            rows += batch.num_rows
    except pa.ArrowInvalid as error:
        if "conversion error" not in str(error):
            raise
    else:
        return
    for batch in _reader_batches(file, dialect, columns, pa.string()):
        skipped = min(rows, batch.num_rows)
        rows -= skipped
        if skipped < batch.num_rows:
            yield _with_decimal_points(batch.slice(skipped), dialect)


def _reader_batches(
    file: TripFile, dialect: CsvDialect, columns: Sequence[str], cell_type: pa.DataType
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.csv as pc

    bad_lines = _BadLines()
    read = pc.ReadOptions(
        use_threads=False,
        block_size=_BLOCK_BYTES,
        column_names=list(dialect.names),
        skip_rows=dialect.skip_lines,
        encoding=dialect.encoding if dialect.encoding.startswith(("utf-16", "utf-32")) else "utf-8",
    )
    convert = pc.ConvertOptions(
        include_columns=list(columns),
        column_types=dict.fromkeys(columns, cell_type),
        strings_can_be_null=True,
        null_values=MISSING_TEXTS,
        check_utf8=False,  # `_valid_text` does
        decimal_point="," if any(map(dialect.has_decimal_commas, columns)) else ".",
    )
    parse = pc.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True, invalid_row_handler=bad_lines.handle)
    rows = 0
    try:
        with open_stream(file) as stream:
            for batch in pc.open_csv(stream, read_options=read, convert_options=convert, parse_options=parse):
                yield batch if cell_type == pa.float64() else _valid_text(batch)
                rows += batch.num_rows
            bytes_read = stream.tell()
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error) or "Could not skip initial" in str(error):
            raise DataError(f"{file}: the file has no rows") from error
        if "straddling object" in str(error):
            _refuse_open_quotation(file, dialect)
            limit = f"{_BLOCK_BYTES >> 20} MiB"
            raise DataError(f"{file}: a row is longer than {limit}; is a quotation mark open?") from error
        raise
    if bad_lines.may_be_quoted or bytes_read > _SUSPICIOUS * dialect.bytes_per_row * (rows + 1):
        _refuse_open_quotation(file, dialect)
    if bad_lines.count:
        raise DataError(f"{file}: {bad_lines.described(file, dialect)}; correct or remove them")


def _refuse_open_quotation(file: TripFile, dialect: CsvDialect) -> None:
    """Raise DataError if a quotation is not closed, so that all rows after it are within one cell."""
    with open_stream(file) as stream:
        line = open_quotation(stream, dialect)
    if line is not None:
        raise DataError(
            f"{file}: line {line}: a quotation mark is not closed, so that the rest of the file is one cell; "
            "close or remove it"
        )


def _valid_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return text columns with the cells that are not UTF-8, as the file is for the most part, read as Windows-1252."""
    import pyarrow as pa

    columns = []
    for column in batch.columns:
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            cells = column.cast(pa.binary()).to_pylist()
            column = pa.array([None if cell is None else _decoded(cell) for cell in cells], pa.string())  # noqa: PLW2901
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _decoded(cell: bytes) -> str:
    for encoding in ("utf-8", "cp1252"):
        with suppress(UnicodeDecodeError):
            return cell.decode(encoding)
    return cell.decode("latin-1")


def _with_decimal_points(batch: pa.RecordBatch, dialect: CsvDialect) -> pa.RecordBatch:
    """Return the batch with decimal commas of text columns replaced by decimal points."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = [
        pc.replace_substring(batch.column(name), ",", ".") if dialect.has_decimal_commas(name) else batch.column(name)
        for name in batch.schema.names
    ]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)
