"""Add trips to a table: read, write as Parquet, check, commit. Nothing is visible before the last step.

The order of the rows stays. deltalake's own writer does not keep it, and cuts numbers that do not fit the column.
"""

from __future__ import annotations

import json
import re
import secrets
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from taxi_mlops.data.delta import (
    MONTH,
    SIDE_FOLDER,
    FileEntry,
    TableAddress,
    entries_of,
    explained_table,
    open_version,
    side_file,
    storage_options,
)
from taxi_mlops.data.load import open_loader
from taxi_mlops.data.loader import DataLoader
from taxi_mlops.data.progress import Progress
from taxi_mlops.data.request import MONTH_PATTERN, LoadRequest
from taxi_mlops.data.schemas import Zone
from taxi_mlops.data.sources import data_version, resolve
from taxi_mlops.errors import DataError, DataNotFoundError, UsageError
from taxi_mlops.settings import Settings
from taxi_mlops.versions.columns import Columns, fitted, found_columns
from taxi_mlops.versions.expectations import expectations_of
from taxi_mlops.versions.row_statistics import RowStatistics, StatisticsCounter
from taxi_mlops.versions.table_files import TableFile, publish, rewritten, write_files
from taxi_mlops.versions.table_folder import TableFolder

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction

METADATA_KEY = "taxi"
"""Of the entries in the history that this project has made."""


class CommitRecord(BaseModel):
    """What the log keeps of a commit, as JSON beside Delta's own entries.

    data_version: of the files that were committed (see `data.sources.data_version`).
    """

    model_config = ConfigDict(frozen=True)

    commit_id: str
    source: str
    data_version: str
    month: str | None
    message: str
    statistics: RowStatistics


class AlreadyCommittedError(DataError):
    """The same files were committed to this month before. version: of that commit."""

    def __init__(self, message: str, version: int) -> None:
        super().__init__(message)
        self.version = version


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
    base = _newest(address, settings)
    before = [] if base is None else records_of(base)
    version = data_version(files)
    if not replace:
        _refuse_repeated(version, month, before, address)
    loader = open_loader(files, request, on_progress=on_progress)
    columns = _columns(loader, base)
    folder = TableFolder(address.location, settings)
    commit_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(8)}"
    with folder.staging() as staging:
        counter = StatisticsCounter()
        rows = (columns.converted(batch) for batch in loader.rows())
        written = write_files(counter.counted(rows), columns.schema, staging / commit_id, month)
        statistics = counter.finish()
        record = CommitRecord(
            commit_id=commit_id,
            source=" ".join(sources),
            data_version=version,
            month=month,
            message=message,
            statistics=statistics,
        )
        unusable = _unusable(written, request)
        if unusable:
            raise _quarantined(folder, record, written, (unusable,), "")
        expected = expectations_of(address.location, settings)
        broken = () if accept else expected.broken(statistics, _statistics(before, month))
        if broken:
            raise _quarantined(folder, record, written, broken, "; --accept commits them if they are right")
        kept = [] if base is None or not columns.widened else _others(base, month if replace else "")
        again = rewritten(kept, address.location, columns, staging / f"{commit_id}-again", settings)
        actions = publish([*again, *written], folder)
    number = _transact(address, settings, base, columns, actions, record, replace)
    return Commit(str(address), number, month, statistics.rows, replace, columns.added, columns.widened)


def records_of(table: DeltaTable) -> list[tuple[int, CommitRecord]]:
    """Return the commits of this project in a table's history, with their versions, the newest last."""
    found = [(commit["version"], record_of(commit)) for commit in reversed(table.history())]
    return [(number, record) for number, record in found if record is not None]


def record_of(commit: Mapping[str, Any]) -> CommitRecord | None:
    """Return what this project has put into an entry of the history; None if another program made it."""
    try:
        return CommitRecord.model_validate_json(commit[METADATA_KEY])
    except (KeyError, ValidationError):
        return None


def _statistics(before: Sequence[tuple[int, CommitRecord]], month: str | None) -> list[RowStatistics]:
    """Return those of the commits that a new one is compared with: of months, or of no month."""
    return [record.statistics for _, record in before if (record.month is None) == (month is None)]


def _newest(address: TableAddress, settings: Settings) -> DeltaTable | None:
    try:
        return open_version(address, settings)
    except DataNotFoundError:
        return None


def _refuse_repeated(
    version: str, month: str | None, before: Sequence[tuple[int, CommitRecord]], address: TableAddress
) -> None:
    for number, record in before:
        if record.data_version == version and record.month == month:
            raise AlreadyCommittedError(
                f"{record.source}: was committed as version {number} of {address}; "
                "--replace puts it in place of what is there",
                number,
            )


def _columns(loader: DataLoader, base: DeltaTable | None) -> Columns:
    """Find the types of the columns; where the files do not have them, all rows are read once for that."""
    parsed = any(table.format == "csv" for table in loader.tables)
    known = None if base is None else _arrow_schema(base)
    batches = loader.rows() if parsed else (table.sample(table.columns) for table in loader.tables)
    return fitted(found_columns(batches, parsed), known, parsed)


def _unusable(written: Sequence[TableFile], request: LoadRequest) -> str:
    """Return why the points of the trips cannot be used, as other commands would say it; empty if they can."""
    try:
        loader = open_loader([file.path for file in written], request)
        batches: Iterator[object] = loader.zone_numbers() if isinstance(loader.place, Zone) else loader.coordinates()
        deque(batches, maxlen=0)
    except DataError as error:
        return str(error).partition(": ")[2]  # without the name of the file in the folder that is removed
    return ""


def _quarantined(
    folder: TableFolder, record: CommitRecord, written: Sequence[TableFile], broken: Sequence[str], advice: str
) -> DataError:
    """Keep the rows and a report beside the table. Return the error to raise."""
    name = f"quarantine/{record.commit_id}"
    for file in written:
        folder.put(file.path, f"{SIDE_FOLDER}/{name}/{file.path.name}")
    report = {"broken": list(broken), "commit": record.model_dump()}
    folder.create(f"{name}/report.json", json.dumps(report, indent=2).encode())
    return DataError(
        f"{record.source}: not committed: {'; '.join(broken)}. The rows and a report are in "
        f"{side_file(folder.location, name)}{advice}"
    )


def _transact(
    address: TableAddress,
    settings: Settings,
    base: DeltaTable | None,
    columns: Columns,
    actions: list[AddAction],
    record: CommitRecord,
    replace: bool,
) -> int:
    """Make the version, and return its number. New columns are a version of their own, before it."""
    import pyarrow as pa
    from deltalake import CommitProperties, Schema
    from deltalake.exceptions import CommitFailedError, DeltaError
    from deltalake.transaction import create_table_with_add_actions

    schema = Schema.from_arrow(columns.schema.append(pa.field(MONTH, pa.string())))
    properties = CommitProperties(custom_metadata={METADATA_KEY: record.model_dump_json()})
    options = storage_options(address.location, settings)
    with explained_table(address):
        try:
            if base is None:
                create_table_with_add_actions(
                    address.location,
                    schema,
                    actions,
                    "error",
                    [MONTH],
                    storage_options=options,
                    commit_properties=properties,
                )
                return 0
            if columns.added:
                base.alter.add_columns([field for field in schema.fields if field.name in columns.added])
                base.update_incremental()
            base.create_write_transaction(
                [*actions],
                "overwrite" if replace or columns.widened else "append",
                schema,
                [MONTH],
                [(MONTH, "=", record.month)] if replace and record.month and not columns.widened else None,
                commit_properties=properties,
            )
        except DeltaError as error:
            if not isinstance(error, CommitFailedError) and "already exists" not in str(error):
                raise
            raise DataError(f"{address}: another commit came first, and this one is not made; commit again") from None
    newest = open_version(address, settings)
    return next(number for number, one in records_of(newest) if one.commit_id == record.commit_id)


def _others(table: DeltaTable, replaced: str | None) -> list[FileEntry]:
    """Return the files that stay; replaced: the month that does not, None for all rows, empty for none."""
    return [] if replaced is None else [entry for entry in entries_of(table) if entry.month != replaced]


def _arrow_schema(table: DeltaTable) -> pa.Schema:
    """Return the columns of a table as Arrow's types."""
    import pyarrow as pa

    return pa.schema(table.schema().to_arrow())
