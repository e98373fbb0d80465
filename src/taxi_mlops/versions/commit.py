"""Add trips to a table: read, write as Parquet, check, commit. Nothing is visible before the last step.

The order of the rows stays. deltalake's own writer does not keep it, and cuts numbers that do not fit the column.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from taxi_mlops.data.delta import FileEntry, TableAddress, entries_of
from taxi_mlops.data.load import open_loader
from taxi_mlops.data.loader import DataLoader
from taxi_mlops.data.progress import Progress
from taxi_mlops.data.request import MONTH_PATTERN, LoadRequest
from taxi_mlops.data.sources import data_version, resolve
from taxi_mlops.errors import DataError, UsageError
from taxi_mlops.settings import Settings
from taxi_mlops.versions.checks import check, read_points
from taxi_mlops.versions.columns import Columns, arrow_schema, fitted, found_columns
from taxi_mlops.versions.drift import spread_of
from taxi_mlops.versions.records import CommitRecord, last_spread, new_commit_id, newest, records_of, refuse_repeated
from taxi_mlops.versions.row_statistics import StatisticsCounter
from taxi_mlops.versions.table_files import publish, rewritten, write_files
from taxi_mlops.versions.table_folder import TableFolder
from taxi_mlops.versions.transaction import transact

if TYPE_CHECKING:
    from deltalake import DeltaTable


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that stands. version: the number that it made.

    added: columns that the table had not. widened: columns whose type in the table was too narrow.
    """

    table: str
    version: int
    month: str | None
    rows: int
    replaced: bool
    added: tuple[str, ...]
    widened: tuple[str, ...]


def commit(
    sources: Sequence[str],
    table: str,
    settings: Settings,
    request: LoadRequest | None = None,
    *,
    month: str | None = None,
    message: str = "",
    replace: bool = False,
    accept: bool = False,
    on_progress: Progress | None = None,
) -> Commit:
    """Add trips to a table, which is made if there is none.

    sources: files, folders, globs or addresses as in other commands. request: which of their columns hold the points;
    its own source is ignored. month: that of all the trips, like 2016-06. replace: in place of the rows of the month,
    or without one of all rows. accept: also if the rows are not as expected by those of the commits before.

    Raises DataError if the trips cannot be read, do not fit the columns, were committed before, are not as
    expected (then they are in quarantine), or another commit came first.
    """
    if month is not None and not re.fullmatch(MONTH_PATTERN, month):
        raise UsageError(f"{month}: months are written like 2016-06")
    address = TableAddress.parse(table)
    if address.version:
        raise DataError(f"{table}: commits go to the newest version; leave out @{address.version}")
    request = request or LoadRequest()
    files = [file for name in sources for file in resolve(name, settings, on_progress).files]
    base = newest(address, settings)
    before = [] if base is None else records_of(base)
    version = data_version(files)
    if not replace:
        refuse_repeated(version, month, before, address)
    loader = open_loader(files, request, on_progress=on_progress)
    columns = _columns(loader, base)
    folder = TableFolder(address.location, settings)
    commit_id = new_commit_id()
    with folder.staging() as staging:
        counter = StatisticsCounter()
        rows = (columns.converted(batch) for batch in loader.rows())
        written = write_files(counter.counted(rows), columns.schema, staging / commit_id, month)
        statistics = counter.finish()
        points = read_points([file.path for file in written], request)
        record = CommitRecord(
            commit_id=commit_id,
            source=" ".join(sources),
            data_version=version,
            month=month,
            message=message,
            statistics=statistics,
            spread=spread_of(points.latitude, points.longitude, last_spread(before)),
        )
        check(record, before, points, written, folder, settings, accept=accept)
        kept = [] if base is None or not columns.widened else _others(base, month if replace else "")
        again = rewritten(kept, address.location, columns, staging / f"{commit_id}-again", settings)
        actions = publish([*again, *written], folder)
    number = transact(address, settings, base, columns, actions, record, replace)
    return Commit(str(address), number, month, statistics.rows, replace, columns.added, columns.widened)


def _columns(loader: DataLoader, base: DeltaTable | None) -> Columns:
    """Find the types of the columns; where the files do not have them, all rows are read once for that."""
    parsed = any(table.format == "csv" for table in loader.tables)
    known = None if base is None else arrow_schema(base)
    batches = loader.rows() if parsed else (table.sample(table.columns) for table in loader.tables)
    return fitted(found_columns(batches, parsed), known, parsed)


def _others(table: DeltaTable, replaced: str | None) -> list[FileEntry]:
    """Return the files that stay; replaced: the month that does not, None for all rows, empty for none."""
    return [] if replaced is None else [entry for entry in entries_of(table) if entry.month != replaced]
