"""`taxi backup`: back up a stack, check backups, and bring a stack back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from taxi_mlops.cli.options import Json
from taxi_mlops.cli.printing import plain_table, print_json
from taxi_mlops.errors import ServiceError, UsageError

if TYPE_CHECKING:
    from taxi_mlops.audit.acts import Detail, Outcome
    from taxi_mlops.backup.encryption import BackupKey
    from taxi_mlops.backup.place import Place
    from taxi_mlops.stack.folder import StackFolder

INSTALL = "pip install 'taxi-mlops[stack]'"

app = typer.Typer(help="Back up a stack of `taxi stack`, check backups, bring it back.", no_args_is_help=True)

Stack = Annotated[Path, typer.Option("--dir", metavar="DIR", help="The stack's folder.")]
At = Annotated[
    Path | None, typer.Option("--at", metavar="PLACE", help="Folder of the backups. [default: TAXI_BACKUP_DIR]")
]
Label = Annotated[str | None, typer.Argument(metavar="[LABEL]", help="The backup. [default: the newest]")]
DEFAULT = Path("stack")


@app.command()
def create(folder: Stack = DEFAULT, at: At = None) -> None:
    """Back up PostgreSQL, the object store, secrets and configuration while the stack runs."""
    stack, place, key = _opened(folder, at)
    from taxi_mlops.audit.acts import Action
    from taxi_mlops.backup.create import create as make
    from taxi_mlops.stack.acts import stack_trail

    with stack_trail(stack).acting(Action.BACKUP_CREATED, str(place.path)) as draft:
        manifest = make(stack, place, key, _notify)
        draft.subject = manifest.label
        draft.details["place"] = str(place.path)
    objects = sum(map(len, manifest.buckets.values()))
    typer.echo(f"backup {manifest.label} in {place.path}: {len(manifest.files)} files, {objects:,} objects")
    typer.echo(f"Keep a copy of its key elsewhere: without it no backup can be read ({_where(folder)}).")


@app.command("list")
def list_backups(folder: Stack = DEFAULT, at: At = None, json: Json = False) -> None:
    """List the backups, the oldest first."""
    _, place, key = _opened(folder, at)
    from rich.console import Console

    from taxi_mlops.backup.manifest import Manifest

    found = tuple(place.manifest(label, key) for label in place.labels())
    if json:
        print_json(tuple[Manifest, ...], found)
        return
    if not found:
        typer.echo(f"no backups in {place.path}")
        return
    checked = place.verification()
    table = plain_table("label", "complete at (UTC)", "database", "files", "objects", "bytes of objects", "verified")
    for each in found:
        objects = [one for bucket in each.buckets.values() for one in bucket]
        verified = checked is not None and checked.label == each.label
        table.add_row(
            each.label,
            f"{each.created:%Y-%m-%d %H:%M:%S}",
            f"{each.postgresql.size / 1e6:,.1f} MB" if each.postgresql else "–",
            f"{len(each.files)}",
            f"{len(objects):,}",
            f"{sum(one.size for one in objects):,}",
            f"{checked.verified:%Y-%m-%d %H:%M:%S}" if checked and verified else "",
        )
    Console(highlight=False, width=160).print(table)


@app.command()
def verify(label: Label = None, folder: Stack = DEFAULT, at: At = None) -> None:
    """Restore a backup into a scratch folder and compare it. The exit code is 1 if something is damaged."""
    _, place, key = _opened(folder, at)
    from taxi_mlops.backup.verify import verify as check

    done = check(place, label, key, _notify)
    typer.echo(f"backup {done.label} was restored and compared in {done.seconds:.1f} s; nothing is damaged")


@app.command()
def restore(
    label: Label = None,
    folder: Stack = DEFAULT,
    at: At = None,
    until: Annotated[
        str,
        typer.Option(
            metavar="latest|backup|TIME",
            help="PostgreSQL as of all archived WAL, of the backup, or of a time (ISO 8601, UTC without an offset).",
        ),
    ] = "latest",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Stop the stack, bring back PostgreSQL, objects, secrets and configuration, and start it."""
    moment = _moment(until)
    stack, place, key = _opened(folder, at)
    from taxi_mlops.audit.acts import Outcome
    from taxi_mlops.backup.restore import restore as bring_back
    from taxi_mlops.stack.native import Stack

    if not yes:
        typer.confirm(f"Stop the stack in {folder} and restore it from {place.path}?", abort=True)
    try:
        done = bring_back(Stack(stack), place, label, moment, key, _notify)
    except ServiceError as error:
        _note_restore(stack, label or "newest", Outcome.FAILED, place=str(place.path), until=until, reason=str(error))
        raise
    _note_restore(stack, done.label, Outcome.DONE, place=str(place.path), until=until, objects=done.objects)
    typer.echo(f"restored {done.label}: PostgreSQL as of {until}, {done.objects:,} objects uploaded")
    if done.set_aside is not None:
        typer.echo(f"what PostgreSQL had before is in {done.set_aside}; remove it once all is well")


@app.command()
def prune(
    keep: Annotated[int, typer.Option(min=1, metavar="N", help="How many of the newest backups stay.")] = 7,
    folder: Stack = DEFAULT,
    at: At = None,
) -> None:
    """Remove all but the newest backups, with the WAL that only they need."""
    stack, place, key = _opened(folder, at)
    from taxi_mlops.audit.acts import Action
    from taxi_mlops.backup.prune import prune as remove
    from taxi_mlops.stack.acts import stack_trail

    with stack_trail(stack).acting(Action.BACKUP_PRUNED, str(place.path), keep=keep) as draft:
        removed = remove(stack, place, keep, key)
        draft.details["removed"] = ", ".join(removed)
    typer.echo(f"removed {', '.join(removed)}" if removed else "nothing to remove")


def _note_restore(stack: StackFolder, label: str, outcome: Outcome, **details: Detail) -> None:
    """Note a restore in the stack's own audit trail, as its settings are by now; not if there is no stack."""
    from taxi_mlops.audit.acts import Action
    from taxi_mlops.stack.acts import stack_trail

    if stack.is_made:
        trail = stack_trail(stack)
        trail.note(Action.BACKUP_RESTORED, label, outcome, **details)
        trail.deliver_or_warn()


def _opened(folder: Path, at: Path | None) -> tuple[StackFolder, Place, BackupKey]:
    """Return the stack, the place of its backups and their key."""
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in ("supervisor", "psycopg", "boto3", "cryptography")):
        raise UsageError(f"backups need more libraries; get them with: {INSTALL}")
    from taxi_mlops.backup.configuration import KEY
    from taxi_mlops.backup.encryption import BackupKey
    from taxi_mlops.backup.place import Place
    from taxi_mlops.settings import load_settings
    from taxi_mlops.stack.folder import StackFolder

    settings, stack = load_settings(), StackFolder(folder)
    path = at or settings.backup_dir
    if path is None:
        raise UsageError("say where backups are kept: --at PLACE, or TAXI_BACKUP_DIR")
    if path.absolute().is_relative_to(stack.path):
        raise UsageError(f"{path} is in the stack's own folder, with which it would be lost; choose another disk")
    if settings.backup_key is not None:
        return stack, Place(path), BackupKey(settings.backup_key.get_secret_value())
    if not stack.is_made:
        raise UsageError(f"there is no stack in {folder} that has the key of backups; set TAXI_BACKUP_KEY")
    return stack, Place(path), BackupKey(stack.secret(KEY))


def _where(folder: Path) -> str:
    from taxi_mlops.backup.configuration import KEY
    from taxi_mlops.settings import load_settings

    return "TAXI_BACKUP_KEY" if load_settings().backup_key is not None else str(folder / "secrets" / KEY)


def _moment(until: str) -> datetime | str:
    if until in ("latest", "backup"):
        return until
    try:
        found = datetime.fromisoformat(until)
    except ValueError:
        raise UsageError(f"--until {until!r} is neither latest, backup, nor a time as 2026-11-30T02:15:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _notify(line: str) -> None:
    typer.echo(line, err=True)
