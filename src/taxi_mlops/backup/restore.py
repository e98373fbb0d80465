"""Bring a stack back from a backup, on this machine or on an empty one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from taxi_mlops.backup import configuration
from taxi_mlops.backup.create import Notify
from taxi_mlops.backup.encryption import BackupKey
from taxi_mlops.backup.manifest import DatabaseBackup
from taxi_mlops.backup.objects import Buckets
from taxi_mlops.backup.place import Place
from taxi_mlops.backup.postgresql import PgBackRest
from taxi_mlops.backup.scratch import running
from taxi_mlops.errors import ServiceError
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.native import Stack
from taxi_mlops.stack.services.postgresql import give_to_account


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored. set_aside: where the data of PostgreSQL are that were there before."""

    label: str
    objects: int
    set_aside: Path | None


def restore(
    stack: Stack, place: Place, label: str | None, until: datetime | str, key: BackupKey, notify: Notify
) -> Restored:
    """Stop the stack, bring back configuration, PostgreSQL and objects, and start it.

    label: None for the newest backup, or for a time the newest from before it. until: see `PgBackRest.restore`. Data
    of PostgreSQL that are there stay beside the new ones. Objects that the backup does not have stay, too. Raises
    ServiceError; then PostgreSQL has the data that it had.
    """
    with place.locked():
        before = until if isinstance(until, datetime) else None
        manifest = place.manifest(label, key) if label else place.newest(key, before)
        if before is not None and manifest.created > before:
            raise ServiceError(
                f"backup {manifest.label} is from after {before:%Y-%m-%d %H:%M:%S %Z}; name an earlier one"
            )
        notify("stop …")
        stack.down()
        configuration.restore(stack.folder, manifest.files, place, key)
        aside = None
        if manifest.postgresql is not None:
            notify("PostgreSQL …")
            aside = _restore_database(stack.folder, place, manifest.postgresql, until, key)
        notify("start …")
        stack.up(manifest.services, notify)
        if manifest.postgresql is not None:
            PgBackRest(stack.folder, place, key).start_archiving()
        objects = 0
        if manifest.buckets:
            notify("object store …")
            objects = Buckets(stack.folder, place, key).restore(manifest.buckets)
    return Restored(manifest.label, objects, aside)


def _restore_database(
    stack: StackFolder, place: Place, backup: DatabaseBackup, until: datetime | str, key: BackupKey
) -> Path | None:
    server = PgBackRest(stack, place, key)
    server.configure()
    aside = None
    if server.data.exists():
        aside = server.data.with_name(f"data.before-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}")
        server.data.rename(aside)
    try:
        server.data.mkdir(mode=0o700)
        give_to_account(server.data)
        server.restore(backup.label, server.data, until, scratch=False)
        with running(server.data, archives=True):
            pass  # it is recovered now, and the stack starts it as any other
    except ServiceError:
        if server.data.exists():
            server.data.rename(server.data.with_name(f"data.failed-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"))
        if aside is not None:
            aside.rename(server.data)
        raise
    return aside
