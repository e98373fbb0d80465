"""Remove the files that no version which is still wanted needs."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

from taxi_mlops.audit.acts import Action
from taxi_mlops.audit.trail import trail_of
from taxi_mlops.data.delta import TableAddress, explained_table, open_version
from taxi_mlops.errors import DataError
from taxi_mlops.settings import Settings
from taxi_mlops.versions.history import tags_of
from taxi_mlops.versions.records import records_of


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """files: that were removed, or would be. kept: versions that keep all their files for a run or a tag."""

    files: tuple[str, ...]
    kept: tuple[int, ...]


def vacuum(
    table: str, settings: Settings, keep: timedelta, named: Collection[int] = (), *, dry_run: bool = False
) -> Vacuumed:
    """Remove files that left the table longer ago than `keep`, but for those of versions that are named or tagged.

    named: versions that runs or models name. Versions without their files can no longer be read; their entries in the
    log stay. Files that were never in the log are removed too, as those of a commit that was killed, but not if the
    table has adopted files: then other loose files may lie beside them. Raises DataError if there is no such table.
    """
    address = TableAddress.parse(table)
    if address.version:
        raise DataError(f"{table}: a vacuum is of the whole table; leave out @{address.version}")
    opened = open_version(address, settings)
    tagged = tags_of(address.location, settings).values()
    kept = sorted({number for number in (*named, *tagged) if number <= opened.version()})
    adopted = any(record.adopted for _, record in records_of(opened))
    hours = int(keep.total_seconds() // 3600)
    with ExitStack() as act:
        draft = None if dry_run else act.enter_context(trail_of(settings).acting(Action.DATA_VACUUMED, str(address)))
        act.enter_context(explained_table(address))
        files = opened.vacuum(
            retention_hours=hours,
            dry_run=dry_run,
            enforce_retention_duration=False,
            full=not adopted,
            keep_versions=kept,
        )
        if draft is not None:
            draft.details |= {"files": len(set(files)), "keep_hours": hours}
    return Vacuumed(tuple(sorted(set(files))), tuple(kept))
