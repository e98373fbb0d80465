"""Versions of trips in Delta Lake tables: `delta:TABLE`, and `@5`, `@TAG` or `@2016-07-01T00:00Z` behind it.

TABLE is a folder or s3://bucket/key. Tags are small files beside the table's log, in `_taxi/tags`. Making versions is
in `taxi_mlops.versions`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from taxi_mlops.data.files import TripFile
from taxi_mlops.data.objects import SCHEME as S3
from taxi_mlops.data.objects import ObjectAddress, ObjectStore
from taxi_mlops.data.request import DELTA
from taxi_mlops.data.validator import shortened
from taxi_mlops.errors import DataError, DataNotFoundError, UsageError
from taxi_mlops.settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

SIDE_FOLDER = "_taxi"
"""Within a table's folder, what this project keeps beside it. Delta's own tools pass over names with an underscore."""

MONTH = "month"
"""The column by which tables are partitioned: text like 2016-06, null where no month was named."""

_INSTALL = "pip install 'taxi-mlops[delta]'"
_TAG = re.compile(r"[A-Za-z_][\w.-]{0,99}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d.*")
_UNREADABLE_FEATURES = frozenset({"columnMapping", "deletionVectors"})
"""Of a table: its files have other columns, or more rows, than the version."""


@dataclass(frozen=True, slots=True)
class TableAddress:
    """A table and one of its versions.

    location: folder, or s3://bucket/key. version: a number, tag or time as users write it; empty is the newest.
    """

    location: str
    version: str = ""

    @classmethod
    def parse(cls, text: str) -> TableAddress:
        """Read `delta:TABLE@VERSION`; `delta:` may be missing. Raises DataError if there is no table in it."""
        name = text.removeprefix(DELTA)
        location, _, version = name.rpartition("@")
        if not location or "/" in version:  # a folder's name may hold @
            location, version = name, ""
        location = location.rstrip("/")
        if not location:
            raise DataError(f"{text}: tables are named like delta:FOLDER, delta:s3://bucket/key or delta:FOLDER@5")
        return cls(location, version)

    def __str__(self) -> str:
        return f"{DELTA}{self.location}" + (f"@{self.version}" if self.version else "")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file as a table's log has it. modification_time: milliseconds since 1970."""

    path: str
    modification_time: int
    month: str | None


@dataclass(frozen=True, slots=True)
class TableVersion:
    """A version of a table. address: with its number. identity: the table's own identifier, and the number."""

    address: TableAddress
    identity: str
    files: tuple[TripFile, ...]


def find_version(address: TableAddress, settings: Settings, month: str | None = None) -> TableVersion:
    """Return the files of a version, in the order in which their rows were committed. month: only those of this one.

    Raises DataError if there is no such table, version or month, or its files are not plain Parquet.
    """
    table = open_version(address, settings)
    number = table.version()
    features = _UNREADABLE_FEATURES & set(table.protocol().reader_features or ())
    if features:
        raise DataError(f"{address}: uses {' and '.join(sorted(features))}, which cannot be read; write a plain copy")
    entries = entries_of(table)
    if not entries:
        raise DataError(f"{address}: version {number} has no rows")
    if month is not None:
        there = sorted({entry.month for entry in entries if entry.month})
        entries = [entry for entry in entries if entry.month == month]
        if not entries:
            raise DataError(f"{address}: version {number} has no rows of {month}; months: {', '.join(there) or 'none'}")
    files = tuple(table_file(address.location, entry.path, settings) for entry in entries)
    for file in files:
        if isinstance(file, Path) and not file.exists():
            raise DataError(f"{address}: a vacuum removed files of version {number}, such as {file}")
    return TableVersion(TableAddress(address.location, str(number)), f"{table.metadata().id}@{number}", files)


def entries_of(table: DeltaTable) -> list[FileEntry]:
    """Return the files of the version that a table is at, in the order in which their rows were committed."""
    import pyarrow as pa

    actions = pa.table(table.get_add_actions()).to_pylist()
    entries = [
        FileEntry(action["path"], action["modification_time"], (action.get("partition") or {}).get(MONTH))
        for action in actions
    ]
    return sorted(entries, key=lambda entry: (entry.modification_time, entry.path))


def open_version(address: TableAddress, settings: Settings) -> DeltaTable:
    """Open a table at a version. Raises DataError if there is no such one, UsageError if deltalake is missing."""
    with explained_table(address):
        from deltalake import DeltaTable

        table = DeltaTable(address.location, storage_options=storage_options(address.location, settings))
        newest = table.version()
        if not address.version:
            return table
        wanted = _number_of(address, settings)
        if isinstance(wanted, int) and wanted > newest:
            raise DataError(f"{address}: the newest version is {newest}")
        if isinstance(wanted, datetime) and wanted < _time_of(table.history()[-1]):
            raise DataError(f"{address}: the first version is of {_time_of(table.history()[-1]).isoformat()}")
        table.load_as_version(wanted)
        return table


@contextmanager
def explained_table(address: TableAddress) -> Iterator[None]:
    """Raise the errors of deltalake as errors of one line."""
    try:
        from deltalake.exceptions import DeltaError, TableNotFoundError
    except ImportError:
        raise UsageError(f"{DELTA} tables need deltalake; install it with: {_INSTALL}") from None
    try:
        yield
    except TableNotFoundError:
        raise DataNotFoundError(
            f"{address.location}: there is no Delta table; `taxi data commit FILE --table {address.location}` makes one"
        ) from None
    except (DeltaError, OSError) as error:
        raise DataError(f"{address}: cannot be read ({shortened(str(error).partition(chr(10))[0], 200)})") from error


def storage_options(location: str, settings: Settings) -> dict[str, str] | None:
    """Return how deltalake connects to the object store; None for a folder."""
    if not location.startswith(f"{S3}://"):
        return None
    url, secret = settings.object_store_url, settings.object_store_secret_key
    options = {
        "AWS_ENDPOINT_URL": str(url).rstrip("/") if url else None,
        "AWS_ALLOW_HTTP": "true" if url and url.scheme == "http" else None,
        "AWS_ACCESS_KEY_ID": settings.object_store_access_key,
        "AWS_SECRET_ACCESS_KEY": secret.get_secret_value() if secret else None,
        "AWS_REGION": settings.object_store_region,
        "conditional_put": "etag",  # so that of two writers of one version one is refused
    }
    return {name: value for name, value in options.items() if value is not None}


def versions_named(table: str, names: Iterable[str]) -> set[int]:
    """Return the numbers of the versions of a table that are among the names of sources."""
    wanted = _place(TableAddress.parse(table).location)
    addresses = [TableAddress.parse(name) for name in names if name.startswith(DELTA)]
    return {int(one.version) for one in addresses if one.version.isdecimal() and _place(one.location) == wanted}


def _place(location: str) -> str:
    return location if location.startswith(f"{S3}://") else str(Path(location).resolve())


def tag_name(text: str) -> str:
    """Return the name of a tag. Raises UsageError if it could be a number, a time or a path."""
    if not _TAG.fullmatch(text):
        raise UsageError(f"{text}: a tag is a letter, then letters, digits, - _ or .")
    return text


def side_file(location: str, name: str) -> str:
    """Return where a file beside the table is: a path, or an address in the object store."""
    return f"{location}/{SIDE_FOLDER}/{name}"


def read_side_file(location: str, name: str, settings: Settings) -> bytes | None:
    """Return the content of a file beside the table, None if there is none. Raises DataError if it cannot be read."""
    where = side_file(location, name)
    if where.startswith(f"{S3}://"):
        store, address = ObjectStore(settings), ObjectAddress.parse(where)
        if store.head(address) is None:
            return None
        (found,) = store.find(address)
        with found.open() as content:
            return content.read()
    try:
        return Path(where).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{where}: cannot be read ({error.strerror})") from error


def _number_of(address: TableAddress, settings: Settings) -> int | datetime:
    """Return the number of a version or tag, or the time that a version is wanted of (UTC if it has no zone)."""
    text = address.version
    if text.isdecimal():
        return int(text)
    if _TIME.fullmatch(text):
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            raise DataError(f"{address}: times are written like 2016-07-01T00:00Z") from None
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    content = read_side_file(address.location, f"tags/{text}", settings) if _TAG.fullmatch(text) else None
    if content is None or not content.strip().isdigit():
        raise DataError(f"{address}: there is no tag {text!r}; see: taxi data log --table {address.location}")
    return int(content)


def _time_of(commit: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(commit["timestamp"] / 1000, UTC)


def table_file(location: str, path: str, settings: Settings) -> TripFile:
    """Return a file of the table's log; paths are encoded as in addresses, and may be absolute."""
    name = unquote(path)
    if name.startswith("file://"):
        return Path(urlsplit(name).path)
    whole = name if name.startswith((f"{S3}://", "/")) else f"{location}/{name}"
    if whole.startswith(f"{S3}://"):
        (found,) = ObjectStore(settings).find(ObjectAddress.parse(whole))
        return found
    return Path(whole)
