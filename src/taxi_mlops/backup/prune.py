"""Remove old backups."""

from __future__ import annotations

from taxi_mlops.backup.encryption import BackupKey
from taxi_mlops.backup.place import Place
from taxi_mlops.backup.postgresql import PgBackRest
from taxi_mlops.stack.folder import StackFolder


def prune(stack: StackFolder, place: Place, keep: int, key: BackupKey) -> tuple[str, ...]:
    """Remove all but the newest backups, with the contents and the WAL that only they need; return their labels.

    keep: at least 1. Raises ServiceError.
    """
    with place.locked():
        labels = place.labels()
        removed = labels[:-keep] if len(labels) > keep else ()
        kept = [place.manifest(label, key) for label in labels if label not in removed]
        place.remove(removed, kept, key)
        databases = frozenset(manifest.postgresql.label for manifest in kept if manifest.postgresql)
        server = PgBackRest(stack, place, key)
        if databases and server.has_stanza():
            server.configure()
            server.keep(databases)
    return removed
