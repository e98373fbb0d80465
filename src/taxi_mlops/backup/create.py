"""Back up a running stack."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from taxi_mlops.backup import configuration
from taxi_mlops.backup.encryption import BackupKey
from taxi_mlops.backup.manifest import DatabaseBackup, Manifest, RowCounts
from taxi_mlops.backup.objects import Buckets
from taxi_mlops.backup.place import Place
from taxi_mlops.backup.postgresql import PgBackRest, administrator
from taxi_mlops.backup.scratch import table_counts
from taxi_mlops.errors import ServiceError
from taxi_mlops.results.backup_state import label_of
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.services.object_store import ObjectStore
from taxi_mlops.stack.services.postgresql import Postgresql

Notify = Callable[[str], None]


def create(stack: StackFolder, place: Place, key: BackupKey, notify: Notify) -> Manifest:
    """Back up what the stack has: PostgreSQL, the buckets, configuration. It is complete once its manifest is written.

    Raises ServiceError with one line.
    """
    services = stack.services()
    if not services:
        raise ServiceError(f"{stack.path} is no stack; name its folder with --dir")
    place.make()
    with place.locked():
        label = label_of(datetime.now(UTC))
        if label in place.labels():
            raise ServiceError("a backup was begun within this second; try again")
        database = None
        if Postgresql.name in services:
            notify("PostgreSQL …")
            database = _database(stack, place, key)
        buckets = {}
        if ObjectStore.name in services:
            notify("object store …")
            earlier = place.manifest(place.labels()[-1], key).buckets if place.labels() else {}
            buckets = Buckets(stack, place, key).back_up(earlier)
        manifest = Manifest(
            label=label,
            created=datetime.now(UTC),
            taxi_version=_version(),
            services=services,
            postgresql=database,
            files=configuration.back_up(stack, place, key),
            buckets=buckets,
        )
        place.write(manifest, key)
    return manifest


def _database(stack: StackFolder, place: Place, key: BackupKey) -> DatabaseBackup:
    server = PgBackRest(stack, place, key)
    server.configure()
    server.start_archiving()
    connect = partial(administrator, stack)
    before = table_counts(connect)
    made = server.back_up()
    after = table_counts(connect)
    # A table that was made or dropped meanwhile may be in the backup or not.
    tables = {
        database: {
            table: RowCounts(least=min(count, after[database][table]), most=max(count, after[database][table]))
            for table, count in found.items()
            if table in after[database]
        }
        for database, found in before.items()
        if database in after
    }
    return DatabaseBackup(label=made.label, version=made.version, size=made.size, tables=tables)


def _version() -> str:
    from taxi_mlops import __version__

    return __version__
