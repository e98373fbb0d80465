"""The versions of a table: list them, name one by a tag, go back to one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from taxi_mlops.audit.acts import Action
from taxi_mlops.audit.trail import trail_of
from taxi_mlops.data.delta import TableAddress, explained_table, open_version, read_side_file, tag_name
from taxi_mlops.errors import DataError
from taxi_mlops.settings import Settings
from taxi_mlops.versions.records import record_of
from taxi_mlops.versions.table_folder import TableFolder

_TAGS = "tags"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a table.

    operation: as Delta Lake names it. rows, month, source, message: of a commit by this project, else None or empty.
    drift: how far its points moved since the commit before (see `drift.PointSpread`); None where that is not known.
    """

    number: int
    time: datetime
    operation: str
    rows: int | None
    month: str | None
    source: str
    message: str
    tags: tuple[str, ...]
    drift: float | None = None


def history(table: str, settings: Settings) -> tuple[Version, ...]:
    """Return the versions of a table, the newest first. Raises DataError if there is no such table."""
    address = TableAddress.parse(table)
    opened = open_version(address, settings)
    tags = tags_of(address.location, settings)
    return tuple(_version(commit, tags) for commit in opened.history() if commit["version"] <= opened.version())


def tag(table: str, name: str, settings: Settings) -> int:
    """Name the version of an address, or the newest. Return its number. A tag stays where it is.

    Raises UsageError if the name is not one, DataError if the tag is there already.
    """
    address = TableAddress.parse(table)
    number = open_version(address, settings).version()
    folder, file = TableFolder(address.location, settings), f"{_TAGS}/{tag_name(name)}"
    with trail_of(settings).acting(Action.DATA_TAGGED, f"{TableAddress(address.location)}@{number}", tag=name):
        if not folder.create(file, f"{number}\n".encode()):
            there = tags_of(address.location, settings).get(name)
            if there != number:
                raise DataError(f"{address.location}: the tag {name} is on version {there} already; take another name")
    return number


def tags_of(location: str, settings: Settings) -> dict[str, int]:
    """Return the versions of all tags."""
    folder = TableFolder(location, settings)
    contents = {name: read_side_file(location, f"{_TAGS}/{name}", settings) for name in folder.names(_TAGS)}
    return {
        name: int(content) for name, content in contents.items() if content is not None and content.strip().isdigit()
    }


def restore(table: str, settings: Settings, message: str = "") -> int:
    """Make a new version that holds what the version of an address holds. Return its number.

    Raises DataError if there is no such version, or its files were removed by a vacuum.
    """
    from deltalake import CommitProperties

    address = TableAddress.parse(table)
    if not address.version:
        raise DataError(f"{table}: name the version to go back to, as in {table}@5")
    wanted = open_version(address, settings).version()
    newest = open_version(TableAddress(address.location), settings)
    act = trail_of(settings).acting(Action.DATA_RESTORED, str(address), message=message or None)
    with act, explained_table(address):
        properties = CommitProperties(custom_metadata={"message": message} if message else None)
        newest.restore(wanted, commit_properties=properties)
        newest.update_incremental()
    return newest.version()


def _version(commit: dict[str, object], tags: dict[str, int]) -> Version:
    number = int(str(commit["version"]))
    record = record_of(commit)
    return Version(
        number=number,
        time=datetime.fromtimestamp(int(str(commit["timestamp"])) / 1000, UTC),
        operation=str(commit.get("operation", "")),
        rows=record.statistics.rows if record else None,
        month=record.month if record else None,
        source=record.source if record else "",
        message=record.message if record else str(commit.get("message", "")),
        tags=tuple(sorted(name for name, tagged in tags.items() if tagged == number)),
        drift=record.spread.drift if record and record.spread else None,
    )
