"""What the log of a table keeps of the commits of this project."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from taxi_mlops.data.delta import TableAddress, open_version
from taxi_mlops.errors import DataError, DataNotFoundError
from taxi_mlops.settings import Settings
from taxi_mlops.versions.drift import PointSpread
from taxi_mlops.versions.row_statistics import RowStatistics

if TYPE_CHECKING:
    from deltalake import DeltaTable

METADATA_KEY = "taxi"
"""Of the entries in the history that this project has made."""


class CommitRecord(BaseModel):
    """What the log keeps of a commit, as JSON beside Delta's own entries.

    data_version: of the files that were committed (see `data.sources.data_version`). adopted: the loose files that it
    took, whether they stayed or were copied: their names within the table's folder, else their addresses. spread: where
    the points are; None if they are few, or zones.
    """

    model_config = ConfigDict(frozen=True)

    commit_id: str
    source: str
    data_version: str
    month: str | None
    message: str
    statistics: RowStatistics
    adopted: tuple[str, ...] = ()
    spread: PointSpread | None = None


_COMMIT_ID = re.compile(r"(\d{8}T\d{6})-[0-9a-f]{16}")
_TIME = "%Y%m%dT%H%M%S"


def new_commit_id() -> str:
    """Return an identifier, with which the names of the files of a commit begin."""
    return f"{datetime.now(UTC):{_TIME}}-{secrets.token_hex(8)}"


def is_of_commit(file_name: str) -> bool:
    """Return whether a file was written by a commit, of this table or another."""
    return _COMMIT_ID.match(file_name) is not None


def time_of_commit(identifier: str) -> datetime | None:
    """Return when a commit with this identifier began; None if it is none."""
    match = _COMMIT_ID.fullmatch(identifier)
    return datetime.strptime(match[1], _TIME).replace(tzinfo=UTC) if match else None


class AlreadyCommittedError(DataError):
    """The same files were committed to this month before. version: of that commit."""

    def __init__(self, message: str, version: int) -> None:
        super().__init__(message)
        self.version = version


def records_of(table: DeltaTable) -> list[tuple[int, CommitRecord]]:
    """Return the commits of this project in a table's history, with their versions, the newest last."""
    return records_in(table.history())


def records_in(history: Sequence[Mapping[str, Any]]) -> list[tuple[int, CommitRecord]]:
    """Return those of a history that was read. history: the newest entry first."""
    found = [(commit["version"], record_of(commit)) for commit in reversed(history)]
    return [(number, record) for number, record in found if record is not None]


def last_spread(before: Sequence[tuple[int, CommitRecord]]) -> PointSpread | None:
    """Return the spread of the newest of some commits that has one."""
    return next((record.spread for _, record in reversed(before) if record.spread is not None), None)


def record_of(commit: Mapping[str, Any]) -> CommitRecord | None:
    """Return what this project has put into an entry of the history; None if another program made it."""
    try:
        return CommitRecord.model_validate_json(commit[METADATA_KEY])
    except (KeyError, ValidationError):
        return None


def newest(address: TableAddress, settings: Settings) -> DeltaTable | None:
    """Open the newest version of a table; None if there is no table. Raises DataError if it cannot be read."""
    try:
        return open_version(address, settings)
    except DataNotFoundError:
        return None


def refuse_repeated(
    version: str, month: str | None, before: Sequence[tuple[int, CommitRecord]], address: TableAddress
) -> None:
    """Raise AlreadyCommittedError if one of the commits before had the same files and month."""
    for number, record in before:
        if record.data_version == version and record.month == month:
            raise AlreadyCommittedError(
                f"{record.source}: was committed as version {number} of {address}; "
                "--replace puts it in place of what is there",
                number,
            )
