"""The state of a table as it is monitored: how new and how large it is, and what failed the checks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from taxi_mlops.data.delta import TableAddress, open_version
from taxi_mlops.settings import Settings
from taxi_mlops.versions.checks import QUARANTINE
from taxi_mlops.versions.records import last_spread, records_in, time_of_commit
from taxi_mlops.versions.table_folder import TableFolder

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class TableState:
    """Of the newest version.

    rows, size: all rows, and the bytes of their files. committed: when trips were committed last; None if they never
    were by this project. quarantined: commits that failed the checks, the last of which began at `failed`. drift: of
    the last commit with many points, against the one before it.
    """

    location: str
    version: int
    rows: int
    size: int
    committed: datetime | None
    quarantined: int
    failed: datetime | None
    drift: float | None


def table_state(table: str, settings: Settings) -> TableState:
    """Read the log of a table and the names of its quarantine; no rows. Raises DataError if there is none."""
    import pyarrow as pa

    address = TableAddress(TableAddress.parse(table).location)
    opened = open_version(address, settings)
    history = opened.history()
    records = records_in(history)
    numbers = {number for number, _ in records}
    times = [entry["timestamp"] for entry in history if entry["version"] in numbers]
    actions = pa.table(opened.get_add_actions())
    failed = _times_of_quarantine(address.location, settings)
    spread = last_spread(records)
    return TableState(
        location=address.location,
        version=opened.version(),
        rows=_sum(actions, "num_records"),
        size=_sum(actions, "size_bytes"),
        committed=datetime.fromtimestamp(max(times) / 1000, UTC) if times else None,
        quarantined=len(failed),
        failed=max(failed, default=None),
        drift=spread.drift if spread else None,
    )


def _sum(actions: pa.Table, column: str) -> int:
    import pyarrow.compute as pc

    return int(pc.sum(actions[column]).as_py() or 0) if column in actions.column_names else 0


def _times_of_quarantine(location: str, settings: Settings) -> list[datetime]:
    """Return when the commits began that are in the quarantine."""
    names = TableFolder(location, settings).folders(QUARANTINE)
    return [time for time in map(time_of_commit, names) if time is not None]
