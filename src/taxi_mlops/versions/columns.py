"""Types of the columns of a table: found in the files to commit, and fitted to those that the table has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from taxi_mlops.data.columns import is_text, plain, without_missing
from taxi_mlops.data.delta import MONTH
from taxi_mlops.data.validator import shortened
from taxi_mlops.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

_LEADING_ZERO = r"^[+-]?0\d"


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The columns that the files of a commit get.

    added: those that the table has not had. widened: those whose type in the table is too narrow for the commit.
    parsed: whether text is parsed, as that of CSV files.
    """

    schema: pa.Schema
    added: tuple[str, ...]
    widened: tuple[str, ...]
    parsed: bool

    def converted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return rows with these columns. Raises DataError if a value does not fit."""
        import pyarrow as pa

        arrays = []
        for field in self.schema:
            if field.name not in batch.schema.names:
                arrays.append(pa.nulls(batch.num_rows, field.type))
                continue
            column = _cells(batch.column(field.name), self.parsed)
            try:
                arrays.append(column.cast(field.type))
            except pa.ArrowException as error:
                raise DataError(
                    f"column {field.name!r} is {field.type} in the table, and holds {column.type} here: "
                    f"{shortened(str(error), 120)}; commit it to another table, or correct the column"
                ) from None
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def found_columns(batches: Iterable[pa.RecordBatch], parsed: bool) -> pa.Schema:
    """Return types that hold every cell of the batches, of which one for each file is enough unless text is parsed.

    parsed: text of which every cell is a number or a time gets that type. Numbers with leading zeros stay text, as
    identifiers are written so.
    """
    import pyarrow as pa

    found: dict[str, pa.DataType] = {}
    for batch in batches:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            found[name] = _wider(_type_of(_cells(column, parsed), parsed), found.get(name))
    return pa.schema([(name, pa.string() if pa.types.is_null(kind) else kind) for name, kind in found.items()])


def fitted(found: pa.Schema, table: pa.Schema | None, parsed: bool, *, as_found: bool = False) -> Columns:
    """Return the columns of a commit to a table that has columns already; None for a new one.

    New columns of integers are int64, of other numbers float64, unless they are taken as found. A column that the table
    lacks is added; one that the files lack is null. Numbers that the table's type could cut widen it. Whether other
    values fit is seen when they are converted. Raises DataError if a column is named as the partitions are.
    """
    import pyarrow as pa

    if MONTH in found.names:
        raise DataError(f"a column is named {MONTH!r}, as the table's own of the months is; rename it")
    new = found if as_found else pa.schema([field.with_type(_roomy(field.type)) for field in found])
    if table is None:
        return Columns(new, (), (), parsed)
    known = [field for field in table if field.name != MONTH]
    wider = [field.with_type(_widened(field.type, found, field.name)) for field in known]
    added = tuple(name for name in found.names if table.get_field_index(name) < 0)
    widened = tuple(one.name for one, other in zip(known, wider, strict=True) if one.type != other.type)
    return Columns(pa.schema([*wider, *(new.field(name) for name in added)]), added, widened, parsed)


def _widened(kind: pa.DataType, found: pa.Schema, name: str) -> pa.DataType:
    """Return the type of a table's column that holds the numbers found, too; its own if they are not wider."""
    import pyarrow as pa

    new = found.field(name).type if name in found.names else kind
    whole, fractional = pa.types.is_integer, pa.types.is_floating
    if whole(kind) and fractional(new):
        return _roomy(new)
    if whole(kind) and whole(new) and new.bit_width > kind.bit_width:
        return new
    return new if fractional(kind) and fractional(new) and new.bit_width > kind.bit_width else kind


def _roomy(kind: pa.DataType) -> pa.DataType:
    """Return the widest type of numbers of this kind; another type as it is."""
    import pyarrow as pa

    if pa.types.is_integer(kind):
        return pa.int64()
    return pa.float64() if pa.types.is_floating(kind) else kind


def _cells(column: pa.Array, parsed: bool) -> pa.Array:
    column = plain(column)
    return without_missing(column) if parsed and is_text(column) else column


def _type_of(column: pa.Array, parsed: bool) -> pa.DataType:
    """Return the type in which a table keeps these cells."""
    import pyarrow as pa

    kind, types = column.type, pa.types
    if is_text(column):
        return _type_of_text(column) if parsed else pa.string()
    if types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    kept: tuple[tuple[Callable[[pa.DataType], bool], pa.DataType], ...] = (
        (types.is_uint8, pa.int16()),
        (types.is_uint16, pa.int32()),
        (types.is_unsigned_integer, pa.int64()),
        (types.is_float16, pa.float32()),
        (types.is_decimal, pa.float64()),
        (types.is_large_binary, pa.binary()),
        (types.is_fixed_size_binary, pa.binary()),
        (types.is_date64, pa.date32()),
        (types.is_time, pa.string()),
    )
    return next((wider for is_of, wider in kept if is_of(kind)), kind)


def _type_of_text(column: pa.Array) -> pa.DataType:
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.null_count == len(column):
        return pa.null()
    if pc.any(pc.match_substring_regex(column, _LEADING_ZERO)).as_py():
        column_types: tuple[pa.DataType, ...] = (pa.timestamp("us"),)
    else:
        column_types = (pa.int32(), pa.int64(), pa.float64(), pa.timestamp("us"))
    for kind in column_types:
        try:
            column.cast(kind)
        except pa.ArrowException:
            continue
        return kind
    return pa.string()


def _wider(one: pa.DataType, other: pa.DataType | None) -> pa.DataType:
    """Return the type that holds the cells of both."""
    import pyarrow as pa

    whole, fractional = pa.types.is_integer, pa.types.is_floating
    if other is None or one.equals(other) or pa.types.is_null(one):
        return one if other is None else other
    if pa.types.is_null(other):
        return one
    if (whole(one) and whole(other)) or (fractional(one) and fractional(other)):
        return max(one, other, key=lambda kind: kind.bit_width)
    numbers = all(whole(kind) or fractional(kind) for kind in (one, other))
    return pa.float64() if numbers else pa.string()


def is_stored_as(kind: pa.DataType, column: pa.DataType) -> bool:
    """Return whether a Parquet file with a column of one type can be part of a table whose column has another."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_timestamp(kind) and pa.types.is_timestamp(column):
        return kind.unit == column.unit and (kind.tz is None) == (column.tz is None)
    texts, bytes_ = {pa.string(), pa.large_string(), pa.string_view()}, {pa.binary(), pa.large_binary()}
    return kind.equals(column) or {kind, column} <= texts or {kind, column} <= bytes_


def arrow_schema(table: DeltaTable) -> pa.Schema:
    """Return the columns of a table as Arrow's types."""
    import pyarrow as pa

    return pa.schema(table.schema().to_arrow())
