"""Copy the files of a stack's folder that are no data: secrets, settings, rules, dashboards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from taxi_mlops.backup.encryption import BackupKey
from taxi_mlops.backup.manifest import BackedUpFile
from taxi_mlops.backup.place import Place
from taxi_mlops.errors import ServiceError
from taxi_mlops.stack.folder import StackFolder

KEY = "backup_key"
"""Name of the secret that backups are encrypted with. It is in no backup."""
_FILES = ("settings.toml", "services.json", "workers.json")
_FOLDERS = ("secrets", "prometheus/rules", "alertmanager/templates", "grafana/dashboards")
_MOST_BYTES = 64 << 20


def back_up(stack: StackFolder, place: Place, key: BackupKey) -> tuple[BackedUpFile, ...]:
    """Copy the files. Raises ServiceError naming the one that cannot be read."""
    return tuple(_copied(path, stack, place, key) for path in sorted(_found(stack)))


def restore(stack: StackFolder, files: tuple[BackedUpFile, ...], place: Place, key: BackupKey) -> None:
    """Write the files, which only their owner may read. Raises ServiceError."""
    stack.make()
    for each in files:
        target = stack.path / each.path
        if not target.resolve().is_relative_to(stack.path.resolve()) or Path(each.path).is_absolute():
            raise ServiceError(f"{each.path} of the backup leads out of {stack.path}")
        with place.get(each.sha256, key) as content:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = target.with_name(f".{target.name}.restored")
            draft.unlink(missing_ok=True)
            draft.touch(mode=0o600, exist_ok=False)
            draft.write_bytes(content.read())
            draft.replace(target)


def _found(stack: StackFolder) -> Iterator[Path]:
    yield from (stack.path / name for name in _FILES if (stack.path / name).is_file())
    for name in _FOLDERS:
        for path in (stack.path / name).rglob("*"):
            # A link may lead anywhere; the key would be of no use where it is needed.
            if path.is_file() and not path.is_symlink() and path.name != KEY and not path.name.startswith("."):
                yield path


def _copied(path: Path, stack: StackFolder, place: Place, key: BackupKey) -> BackedUpFile:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ServiceError(f"{path} has more than {_MOST_BYTES >> 20} MiB, so it is no configuration")
        with path.open("rb") as file:
            sha256, size = place.put(file, key)
    except OSError as error:
        raise ServiceError(f"{path} cannot be read: {error.strerror}") from None
    return BackedUpFile(path=str(path.relative_to(stack.path)), size=size, sha256=sha256)
