"""Write the Parquet files of a table, and say what its log has of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxi_mlops.data.delta import MONTH, FileEntry, table_file
from taxi_mlops.data.files import TripFile, size_of
from taxi_mlops.data.parquet_table import parquet_metadata
from taxi_mlops.data.tables import open_table, record_batches
from taxi_mlops.settings import Settings
from taxi_mlops.versions.columns import Columns
from taxi_mlops.versions.table_folder import TableFolder

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake.transaction import AddAction

_NO_MONTH = "__HIVE_DEFAULT_PARTITION__"
"""The name that Delta Lake gives the folder of rows without a value of the partitions' column."""
_FILE_ROWS = 8 << 20
_GROUP_ROWS = 1 << 20


@dataclass(frozen=True, slots=True)
class TableFile:
    """A Parquet file that is not yet in the table. modification_time: milliseconds since 1970; None is now."""

    path: Path
    month: str | None
    modification_time: int | None

    @property
    def name(self) -> str:
        """The name that it gets within the table."""
        return f"{MONTH}={self.month or _NO_MONTH}/{self.path.name}"


def write_files(
    batches: Iterator[pa.RecordBatch],
    schema: pa.Schema,
    beginning: Path,
    month: str | None,
    modification_time: int | None = None,
) -> list[TableFile]:
    """Write rows to Parquet files of bounded size, whose names continue a beginning in the order of the rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    written = list[TableFile]()
    for batch in batches:
        path = beginning.with_name(f"{beginning.name}-{len(written):05d}.parquet")
        rows = 0
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            group: list[pa.RecordBatch] = []
            for one in chain([batch], batches):
                group.append(one)
                rows += one.num_rows
                if sum(each.num_rows for each in group) >= _GROUP_ROWS:
                    writer.write_table(pa.Table.from_batches(group))
                    group = []
                if rows >= _FILE_ROWS:
                    break
            if group:
                writer.write_table(pa.Table.from_batches(group))
        written.append(TableFile(path, month, modification_time))
    return written


def rewritten(
    entries: Sequence[FileEntry], location: str, columns: Columns, beginning: Path, settings: Settings
) -> list[TableFile]:
    """Write the rows of files of the table again, with other types of columns, in the same order and months."""
    files = list[TableFile]()
    for number, entry in enumerate(entries):
        table = open_table(table_file(location, entry.path, settings))
        rows = (columns.converted(batch) for batch in record_batches(table, table.columns))
        name = beginning.with_name(f"{beginning.name}-{number:05d}")
        files += write_files(rows, columns.schema, name, entry.month, entry.modification_time)
    return files


def publish(files: Sequence[TableFile], folder: TableFolder) -> list[AddAction]:
    """Move the files into the table, and return what the log will say of them. Without that they are not seen."""
    from deltalake.transaction import AddAction

    now = time.time_ns() // 1_000_000
    actions = []
    for file in files:
        size, stats = file.path.stat().st_size, json.dumps(_file_statistics(file.path))
        folder.put(file.path, file.name)
        actions.append(AddAction(file.name, size, {MONTH: file.month}, file.modification_time or now, True, stats))
    return actions


def adopted(file: TripFile, name: str, month: str | None, modification_time: int) -> AddAction:
    """Return what the log will say of a file that is in the table's folder already, under a name within it."""
    from deltalake.transaction import AddAction

    return AddAction(name, size_of(file), {MONTH: month}, modification_time, True, json.dumps(_file_statistics(file)))


def _file_statistics(file: TripFile) -> dict[str, Any]:
    """Return the statistics of a file as the Delta protocol has them, ranges only of numbers."""
    metadata = parquet_metadata(file)
    least, greatest, nulls = dict[str, float](), dict[str, float](), dict[str, int]()
    for index in range(metadata.num_columns):
        groups = [metadata.row_group(number).column(index) for number in range(metadata.num_row_groups)]
        name, found = groups[0].path_in_schema, [group.statistics for group in groups]
        if any(one is None for one in found):
            continue
        nulls[name] = sum(one.null_count for one in found)
        ranges = [one for one in found if one.has_min_max]
        if ranges and all(isinstance(value, int | float) for one in ranges for value in (one.min, one.max)):
            least[name], greatest[name] = min(one.min for one in ranges), max(one.max for one in ranges)
    return {"numRecords": metadata.num_rows, "minValues": least, "maxValues": greatest, "nullCount": nulls}
