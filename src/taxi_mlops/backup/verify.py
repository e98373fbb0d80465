"""Restore a backup into a scratch folder and compare it, so that it is known to be of use before it is needed."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from taxi_mlops.backup.create import Notify
from taxi_mlops.backup.encryption import BackupKey, DamagedError
from taxi_mlops.backup.manifest import DatabaseBackup, Manifest
from taxi_mlops.backup.place import Place
from taxi_mlops.backup.postgresql import PgBackRest
from taxi_mlops.backup.scratch import differences, running, table_counts
from taxi_mlops.errors import ServiceError
from taxi_mlops.results.backup_state import Verification
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.services.postgresql import give_to_account


def verify(place: Place, label: str | None, key: BackupKey, notify: Notify) -> Verification:
    """Read every content, restore PostgreSQL into a scratch folder, and compare its tables. label: None for the newest.

    Raises ServiceError naming everything that is damaged; otherwise notes the verification in the place.
    """
    begun = time.monotonic()
    with place.locked():
        manifest = place.manifest(label, key) if label else place.newest(key)
        notify(f"{len(manifest.contents)} files and objects …")
        damaged = _damaged_contents(place, manifest, key)
        if manifest.postgresql is not None:
            notify("PostgreSQL …")
            damaged += _damaged_database(place, manifest.postgresql, key)
        if damaged:
            raise DamagedError(f"backup {manifest.label} is damaged: {'; '.join(damaged)}")
        verification = Verification(
            label=manifest.label, verified=datetime.now(UTC), seconds=round(time.monotonic() - begun, 3)
        )
        place.note(verification)
    return verification


def _damaged_contents(place: Place, manifest: Manifest, key: BackupKey) -> list[str]:
    damaged = []
    for name, sha256 in manifest.contents.items():
        try:
            place.check(sha256, key)
        except DamagedError as error:
            damaged.append(f"{name}: {error}")
    return damaged


def _damaged_database(place: Place, backup: DatabaseBackup, key: BackupKey) -> list[str]:
    """Return what is damaged. The scratch folder is a stack's, with neither services nor secrets of its own."""
    with tempfile.TemporaryDirectory(prefix="taxi-verify-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        stack = StackFolder(folder / "stack")
        stack.make()
        server = PgBackRest(stack, place, key)
        server.configure()
        damaged = []
        try:
            server.verify()
        except ServiceError as error:
            damaged.append(str(error))
        try:
            server.data.mkdir(mode=0o700)
            give_to_account(server.data)
            server.restore(backup.label, server.data, "backup", scratch=True)
            with running(server.data, archives=False) as connect:
                return damaged + differences(backup.tables, table_counts(connect))
        except ServiceError as error:  # says which file
            return [*damaged, str(error)]
