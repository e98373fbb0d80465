"""Read CSV files in batches with pyarrow, in the detected dialect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from taxi_mlops.data.columns import MISSING_TEXTS
from taxi_mlops.data.csv_dialect import SAMPLE_BYTES, CsvDialect, find_dialect
from taxi_mlops.data.files import TripFile, open_stream
from taxi_mlops.data.validator import shortened
from taxi_mlops.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.csv

_BLOCK_BYTES = 8 << 20
_LINES_SHOWN = 3


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

    def handle(self, row: pyarrow.csv.InvalidRow) -> str:
        if row.text is not None and not row.text.strip():
            return "skip"  # a line of blanks is not a row
        self.count += 1
        if len(self.first) < _LINES_SHOWN:
            fields = f"{row.actual_columns} fields instead of {row.expected_columns}"
            line = "" if row.number is None else f"line {row.number}: "
            self.first.append(f"{line}{fields}: {shortened(row.text, 60)}")
        return "skip"


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
    # One thread: with several, pyarrow does not report the numbers of bad lines.
    read = pc.ReadOptions(
        use_threads=False,
        block_size=_BLOCK_BYTES,
        column_names=list(dialect.names),
        skip_rows=dialect.skip_lines,
        encoding="utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding,
    )
    convert = pc.ConvertOptions(
        include_columns=list(columns),
        column_types=dict.fromkeys(columns, cell_type),
        strings_can_be_null=True,
        null_values=MISSING_TEXTS,
        decimal_point="," if any(map(dialect.has_decimal_commas, columns)) else ".",
    )
    parse = pc.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True, invalid_row_handler=bad_lines.handle)
    try:
        with open_stream(file) as stream:
            yield from pc.open_csv(stream, read_options=read, convert_options=convert, parse_options=parse)
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error) or "Could not skip initial" in str(error):
            raise DataError(f"{file}: the file has no rows") from error
        if "straddling object" in str(error):
            limit = f"{_BLOCK_BYTES >> 20} MiB"
            raise DataError(f"{file}: a row is longer than {limit}; is a quotation mark open?") from error
        raise
    if bad_lines.count:
        listed = "; ".join(bad_lines.first)
        raise DataError(f"{file}: {bad_lines.count:,} broken lines (first: {listed}); correct or remove them")


def _with_decimal_points(batch: pa.RecordBatch, dialect: CsvDialect) -> pa.RecordBatch:
    """Return the batch with decimal commas of text columns replaced by decimal points."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = [
        pc.replace_substring(batch.column(name), ",", ".") if dialect.has_decimal_commas(name) else batch.column(name)
        for name in batch.schema.names
    ]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)
