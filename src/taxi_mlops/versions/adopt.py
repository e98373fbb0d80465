"""Make loose Parquet files part of a table without copying them, where the format of tables allows it."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from taxi_mlops.data.delta import TableAddress, entries_of
from taxi_mlops.data.files import TripFile
from taxi_mlops.data.load import open_loader
from taxi_mlops.data.objects import SCHEME as S3
from taxi_mlops.data.objects import StoredObject
from taxi_mlops.data.parquet_table import parquet_schema
from taxi_mlops.data.progress import Progress
from taxi_mlops.data.request import MONTH_PATTERN, LoadRequest
from taxi_mlops.data.sources import STANDARD_INPUT, data_version, resolve
from taxi_mlops.data.tables import Table, record_batches
from taxi_mlops.errors import DataError, UsageError
from taxi_mlops.settings import Settings
from taxi_mlops.versions.checks import check, read_points
from taxi_mlops.versions.columns import Columns, arrow_schema, fitted, found_columns, is_stored_as
from taxi_mlops.versions.drift import spread_of
from taxi_mlops.versions.records import (
    AlreadyCommittedError,
    CommitRecord,
    is_of_commit,
    last_spread,
    new_commit_id,
    newest,
    records_of,
    refuse_repeated,
)
from taxi_mlops.versions.row_statistics import StatisticsCounter
from taxi_mlops.versions.table_files import TableFile, adopted, publish, rewritten, write_files
from taxi_mlops.versions.table_folder import TableFolder
from taxi_mlops.versions.transaction import transact

if TYPE_CHECKING:
    from deltalake import DeltaTable

NAMES = "names"
"""In place of a month: each file's is in its name."""
_MONTH = re.compile(r"(?<!\d)\d{4}-(?:0[1-9]|1[0-2])(?!\d)")
_OF_PARTITION = re.compile(r"month=(\d{4}-(?:0[1-9]|1[0-2]))")


@dataclass(frozen=True, slots=True)
class Copied:
    """A file that had to be copied, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Adoption:
    """An adoption that stands. version: the number that it made.

    in_place: names, within the table's folder, of files that stay where they are. months: of the files, without those
    that have none. there: how many more of the files were in the table before.
    """

    table: str
    version: int
    rows: int
    in_place: tuple[str, ...]
    copied: tuple[Copied, ...]
    months: tuple[str, ...]
    there: int


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """A loose file.

    name: within the table's folder, else its address. order: by which the log orders the files, milliseconds. copied:
    why it must be copied, or empty.
    """

    table: Table
    name: str
    month: str | None
    order: int
    copied: str


def adopt(
    sources: Sequence[str],
    settings: Settings,
    table: str | None = None,
    request: LoadRequest | None = None,
    *,
    month: str | None = None,
    message: str = "",
    accept: bool = False,
    on_progress: Progress | None = None,
) -> Adoption:
    """Add loose Parquet files to a table, which is made if there is none, and check them as a commit is checked.

    Files in the table's folder stay where they are, and belong to the table from then on. Those that are elsewhere, or
    whose columns have other types than the table's, are copied. Files that were adopted before are left out.

    sources: files, folders or patterns, local or s3://. table: None is the folder that holds all files. request: which
    columns hold the points. month: that of all trips, or `names`: of each file the one in its name; without it, files
    in folders named like month=2016-06 have that. accept: also if the rows are not as expected.

    Raises DataError if the files cannot be read, are no Parquet, do not fit the columns, are not as expected (then they
    stay loose), or another commit came first; AlreadyCommittedError if the table has all of them.
    """
    if month not in {None, NAMES} and not re.fullmatch(MONTH_PATTERN, str(month)):
        raise UsageError(f"{month}: months are written like 2016-06, or {NAMES} takes those in the names of the files")
    request = request or LoadRequest()
    found = [file for source in sources for file in _loose_files(source, settings, on_progress)]
    address = TableAddress(_folder_of(found)) if table is None else TableAddress.parse(table)
    if address.version:
        raise DataError(f"{table}: commits go to the newest version; leave out @{address.version}")
    base = newest(address, settings)
    before = [] if base is None else records_of(base)
    known = set() if base is None else _known_names(base, before)
    names = {
        file: _name_within(address.location, file) for file in found if not is_of_commit(PurePath(_key(file)).name)
    }
    files = [file for file, name in names.items() if name not in known]
    if not files:
        number = 0 if base is None else base.version()
        raise AlreadyCommittedError(f"{' '.join(sources)}: {address} has all {len(names):,} files already", number)
    version, of_all = data_version(files), None if month == NAMES else month
    refuse_repeated(version, of_all, before, address)
    tables = _parquet_tables(files, request)
    types = found_columns((one.sample(one.columns) for one in tables), parsed=False)
    columns = fitted(types, None if base is None else arrow_schema(base), parsed=False, as_found=True)
    now = time.time_ns() // 1_000_000
    loose = [
        _candidate(one, names[one.stored], month, now + number, address.location, columns)
        for number, one in enumerate(tables)
    ]
    folder, commit_id = TableFolder(address.location, settings), new_commit_id()
    with folder.staging() as staging:
        counter = StatisticsCounter()
        written = _read(loose, columns, counter, staging / commit_id, on_progress)
        in_place = [one for one in loose if not one.copied]
        files_read = [*(one.table.stored for one in in_place), *(file.path for file in written)]
        points = read_points(files_read, request)
        record = CommitRecord(
            commit_id=commit_id,
            source=" ".join(sources),
            data_version=version,
            month=of_all,
            message=message,
            statistics=counter.finish(),
            adopted=tuple(one.name for one in loose),
            spread=spread_of(points.latitude, points.longitude, last_spread(before)),
        )
        check(record, before, points, written, folder, settings, accept=accept)
        kept = entries_of(base) if base is not None and columns.widened else []
        again = rewritten(kept, address.location, columns, staging / f"{commit_id}-again", settings)
        actions = publish([*again, *written], folder)
        actions += [adopted(one.table.stored, one.name, one.month, one.order) for one in in_place]
    number = transact(address, settings, base, columns, actions, record, replace=False)
    return Adoption(
        table=str(address),
        version=number,
        rows=record.statistics.rows,
        in_place=tuple(one.name for one in in_place),
        copied=tuple(Copied(str(one.table.file), one.copied) for one in loose if one.copied),
        months=tuple(sorted({one.month for one in loose if one.month})),
        there=len(names) - len(files),
    )


def _parquet_tables(files: Sequence[TripFile], request: LoadRequest) -> tuple[Table, ...]:
    """Read the headers of the files. Raises DataError if one is not Parquet, or they hold no points of one kind."""
    tables = open_loader(files, request, columns_may_differ=True).tables
    for one in tables:
        if one.format != "parquet":
            raise DataError(f"{one.file}: is {one.format} and not Parquet; `taxi data commit` takes it")
    return tables


def _read(
    loose: Sequence[_Candidate],
    columns: Columns,
    counter: StatisticsCounter,
    beginning: Path,
    on_progress: Progress | None,
) -> list[TableFile]:
    """Read all rows, count them, and write those that must be copied to files whose names begin so."""
    written = list[TableFile]()
    for number, one in enumerate(loose):
        if on_progress:
            on_progress("Reading files", number, len(loose))
        rows = counter.counted(map(columns.converted, record_batches(one.table, _unique(one.table.columns))))
        if one.copied:
            name = beginning.with_name(f"{beginning.name}-{number:05d}")
            written += write_files(rows, columns.schema, name, one.month, one.order)
        else:
            deque(rows, maxlen=0)
    return written


def _loose_files(source: str, settings: Settings, on_progress: Progress | None) -> tuple[TripFile, ...]:
    """Return the files behind a name. Raises DataError if they would be copies, as those of addresses are."""
    scheme, colon, _ = source.partition(":")
    in_store = scheme.lower() == S3
    if not in_store and ((colon and not Path(source).exists() and "/" not in scheme) or _is_pipe(source)):
        raise DataError(f"{source}: only files and {S3}:// objects can be adopted; `taxi data commit` takes the others")
    return resolve(source, settings, on_progress).files


def _is_pipe(source: str) -> bool:
    return source == STANDARD_INPUT or Path(source).is_fifo()


def _folder_of(files: Sequence[TripFile]) -> str:
    """Return the folder that holds all files, without partitions like month=2016-06. Raises UsageError if none."""
    folders = [PurePath(_key(file)).parent for file in files]
    buckets = {file.address.bucket if isinstance(file, StoredObject) else None for file in files}
    if len(buckets) > 1 or len({folder.is_absolute() for folder in folders}) > 1:
        raise UsageError("the files are in no common folder; name one with --table")
    common = PurePath(os.path.commonpath(folders))
    while "=" in common.name:
        common = common.parent
    (bucket,) = buckets
    if bucket is None:
        return str(common)
    if str(common) == ".":
        raise UsageError(f"{S3}://{bucket}: a bucket cannot be a table; name a folder in it with --table")
    return f"{S3}://{bucket}/{common}"


def _key(file: TripFile) -> str:
    return file.address.key if isinstance(file, StoredObject) else str(file)


def _name_within(location: str, file: TripFile) -> str:
    """Return the name of a file within the table's folder; its address, or absolute path, if it is elsewhere."""
    if isinstance(file, StoredObject):
        return str(file.address).removeprefix(f"{location}/")
    path = PurePath(os.path.abspath(file))  # noqa: PTH100 - links stay as they are
    folder = os.path.abspath(location)  # noqa: PTH100
    is_inside = not location.startswith(f"{S3}://") and path.is_relative_to(folder)
    return path.relative_to(folder).as_posix() if is_inside else path.as_posix()


def _known_names(table: DeltaTable, before: Sequence[tuple[int, CommitRecord]]) -> set[str]:
    """Return the files that are or were part of a table: what was replaced is not adopted once more."""
    return {unquote(entry.path) for entry in entries_of(table)} | {name for _, one in before for name in one.adopted}


def _candidate(table: Table, name: str, month: str | None, order: int, location: str, columns: Columns) -> _Candidate:
    """Decide whether a file can stay where it is, and of which month it is."""
    outside = name.startswith((f"{S3}://", "/"))
    copied = f"is outside {location}, the table's folder" if outside else _why_copied(table, columns)
    return _Candidate(table, name, _month_of(table.stored, month), order, copied)


def _month_of(file: TripFile, month: str | None) -> str | None:
    """Return the month of a file. Raises DataError if it is to be in the name, and is not."""
    path = PurePath(_key(file))
    if month == NAMES:
        found = set(_MONTH.findall(path.name))
        if len(found) != 1:
            raise DataError(f"{file}: its name holds {'several months' if found else 'no month'}; name it with --month")
        return str(found.pop())
    if month is not None:
        return month
    partitions = [match[1] for match in map(_OF_PARTITION.fullmatch, path.parent.parts) if match]
    return partitions[-1] if partitions else None


def _why_copied(table: Table, columns: Columns) -> str:
    """Return why a file cannot be part of the table as it is; empty if it can."""
    if table.geometry is not None:
        return "is GeoParquet, whose points become columns"
    if len(_unique(table.columns)) < len(table.columns):
        return "has columns of the same name"
    schema = parquet_schema(table.stored)
    for field in columns.schema:
        if field.name in schema.names and not is_stored_as(schema.field(field.name).type, field.type):
            return f"column {field.name!r} is {schema.field(field.name).type} there and {field.type} in the table"
    return ""


def _unique(names: Sequence[str]) -> list[str]:
    """Return the names that stand only once."""
    return [name for name in names if names.count(name) == 1]
