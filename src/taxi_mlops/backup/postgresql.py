"""Back up and restore PostgreSQL with pgBackRest: base backups and archived WAL, checked, compressed, encrypted.

PostgreSQL archives each segment of WAL once a backup was made, at the latest every minute, so that at most a minute of
writes is lost. Source: https://pgbackrest.org/configuration.html.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from taxi_mlops.backup.encryption import BackupKey
from taxi_mlops.backup.place import Place
from taxi_mlops.errors import ServiceError
from taxi_mlops.stack.folder import StackFolder, write_private
from taxi_mlops.stack.programs import INSTALL, find_program, program
from taxi_mlops.stack.services.postgresql import (
    ADMINISTRATOR,
    Postgresql,
    as_account,
    database_password,
    give_to_account,
)
from taxi_mlops.stack.services.postgresql import administrator as connect_administrator

_STANZA = "taxi"
_SECONDS = 6 * 3600.0
_WAL_SECONDS = 60
_CONNECT_SECONDS = 30
_CONFIGURATION = """\
# Written by `taxi backup`.
[global]
repo1-path={repository}
repo1-cipher-type=aes-256-cbc
repo1-cipher-pass={passphrase}
repo1-bundle=y
repo1-retention-full=9999999
lock-path={work}/lock
spool-path={work}/spool
log-level-file=off
log-level-console=warn
start-fast=y
compress-type=zst
process-max=2
archive-timeout=600
archive-push-queue-max=4GiB
job-retry=0
[{stanza}]
pg1-path={data}
pg1-port={port}
pg1-user={user}
"""


@dataclass(frozen=True, slots=True)
class BaseBackup:
    """A base backup. size: bytes of the database."""

    label: str
    version: str
    size: int


class PgBackRest:
    """pgBackRest for the PostgreSQL of a stack. Methods raise ServiceError with one line."""

    def __init__(self, stack: StackFolder, place: Place, key: BackupKey) -> None:
        """Raises ServiceError if pgBackRest is not installed."""
        if find_program("pgbackrest") is None:
            raise ServiceError(f"pgBackRest is not installed; {INSTALL} gets it")
        self._program = program("pgbackrest")
        self._stack = stack
        self._place = place
        self._key = key
        self._folder = stack.data(Postgresql.name)
        self._file = self._folder / "pgbackrest.conf"

    @property
    def data(self) -> Path:
        """The data folder of the stack's PostgreSQL."""
        return self._folder / "data"

    def configure(self) -> None:
        """Write the configuration, and create the folder of the repository."""
        for folder in (self._place.postgresql, self._folder):
            folder.mkdir(mode=0o700, exist_ok=True)
            give_to_account(folder)
        text = _CONFIGURATION.format(
            repository=self._place.postgresql,
            passphrase=self._key.passphrase("postgresql"),
            work=self._folder / "pgbackrest",
            stanza=_STANZA,
            data=self.data,
            port=self._stack.port(Postgresql.name),
            user=ADMINISTRATOR,
        )
        write_private(self._file, text)
        give_to_account(self._file)

    def start_archiving(self) -> None:
        """Let the running PostgreSQL archive its WAL, from now on, without a restart."""
        with administrator(self._stack) as connection:
            if connection.execute("SHOW archive_mode").fetchone() != ("on",):
                raise ServiceError(
                    "PostgreSQL was started without archive_mode; start it again: taxi stack down, then taxi stack up"
                )
            command = shlex.join([self._program, f"--config={self._file}", f"--stanza={_STANZA}", "archive-push"])
            wanted = {"archive_command": f"{command.replace('%', '%%')} %p", "archive_timeout": f"{_WAL_SECONDS}s"}
            for name, value in wanted.items():
                connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), value))
            connection.execute("SELECT pg_reload_conf()")
        self._run("stanza-create")

    def back_up(self) -> BaseBackup:
        """Make a base backup, and wait until the WAL that it needs is archived."""
        self._run("backup", "--type=full")
        known = self._info()
        newest = known["backup"][-1]
        (database,) = [each for each in known["db"] if each["id"] == newest["database"]["id"]]
        return BaseBackup(newest["label"], str(database["version"]), int(newest["info"]["size"]))

    def restore(self, label: str, target: Path, until: datetime | str, *, scratch: bool) -> None:
        """Write the data of a base backup into an empty folder, to be recovered by PostgreSQL at its start.

        until: a time; `backup` for the state at its end; `latest` for all that was archived. scratch: the restored
        PostgreSQL archives nothing. Every file is compared with its checksum.
        """
        options = ["--archive-mode=off"] if scratch else []
        match until:
            case "backup":
                options += ["--type=immediate", "--target-action=promote"]
            case datetime():
                options += ["--type=time", f"--target={until.isoformat(sep=' ')}", "--target-action=promote"]
            case _:
                options += ["--type=default"]
        self._run("restore", f"--set={label}", f"--pg1-path={target}", *options)

    def verify(self) -> None:
        """Compare every file of the repository, WAL too, with its checksum. Raises ServiceError naming the damaged."""
        said = self._run("verify", "--output=text")
        if "status: error" in said:
            raise ServiceError(f"{self._place.postgresql} is damaged: {' '.join(said.split())}")

    def keep(self, labels: frozenset[str]) -> None:
        """Remove all other base backups, and the WAL that no kept one needs."""
        for each in self._info()["backup"]:
            if each["label"] not in labels:
                self._run("expire", f"--set={each['label']}")
        self._run("expire", f"--repo1-retention-full={max(1, len(labels))}")

    def has_stanza(self) -> bool:
        """Return whether the repository holds anything."""
        return (self._place.postgresql / "backup" / _STANZA).is_dir()

    def _info(self) -> dict[str, Any]:
        (found,) = json.loads(self._run("info", "--output=json"))
        return dict(found)

    def _run(self, command: str, *options: str) -> str:
        try:
            done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603 - a program that we found ourselves
                [self._program, f"--config={self._file}", f"--stanza={_STANZA}", *options, command],
                **as_account(),
                cwd="/",
                env={
                    "PATH": os.defpath,
                    "PGHOST": "127.0.0.1",
                    "PGPASSWORD": database_password(self._stack, ADMINISTRATOR),
                },
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ServiceError(f"pgBackRest's {command} took more than {_SECONDS / 3600:g} hours") from None
        if done.returncode:
            raise ServiceError(f"pgBackRest's {command} failed: {_reason(done.stdout + done.stderr)}")
        return done.stdout


def administrator(stack: StackFolder, database: str = "postgres") -> psycopg.Connection[Any]:
    """Connect as PostgreSQL's administrator. Raises ServiceError."""
    try:
        return connect_administrator(stack, database, seconds=_CONNECT_SECONDS)
    except psycopg.Error as error:
        raise ServiceError(f"PostgreSQL does not answer: {' '.join(str(error).split())}") from None


def _reason(said: str) -> str:
    """Return the line that says what went wrong."""
    lines = [line.partition("ERROR: ")[2] for line in said.splitlines() if "ERROR: " in line]
    return " ".join((lines[0] if lines else said[-500:]).split()) or "it said nothing"
