"""Run PostgreSQL on a folder for a while, on a private socket: to recover, and to compare."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from taxi_mlops.backup.manifest import RowCounts
from taxi_mlops.errors import ServiceError
from taxi_mlops.stack.programs import program
from taxi_mlops.stack.services.postgresql import ADMINISTRATOR, as_account, give_to_account

Connect = Callable[[str], psycopg.Connection[Any]]
"""Connects to a database by its name."""

_RECOVERY_SECONDS = 6 * 3600.0
_STOP_SECONDS = 600.0
_LOG_BYTES = 2000
_PORT = 5432  # a part of the name of the socket alone


@contextmanager
def running(data: Path, *, archives: bool) -> Iterator[Connect]:
    """Recover the data folder, and yield how to connect. Raises ServiceError with what PostgreSQL said.

    archives: the WAL that this writes is archived, since the folder becomes a stack's; otherwise none is.
    """
    with tempfile.TemporaryDirectory(prefix="taxi-pg-") as name:
        folder = Path(name)
        access = folder / "access.conf"
        access.write_text("local all all trust\n", encoding="utf-8")  # the folder of the socket keeps others out
        for path in (folder, access):
            give_to_account(path)
        given = {
            "listen_addresses": "",
            "unix_socket_directories": str(folder),
            "unix_socket_permissions": "0700",
            "hba_file": str(access),
            "archive_mode": "on" if archives else "off",
            "port": str(_PORT),
            "hot_standby": "off",  # so that it answers once it is recovered, and not before
            "logging_collector": "off",
        }
        options = [word for key, value in given.items() for word in ("-c", f"{key}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - a program that we found ourselves
                [program("postgres"), "-D", str(data), *options],
                **as_account(),
                cwd="/",
                env={"PATH": os.defpath},
                stdout=log,
                stderr=log,
            )
        try:

            def connect(database: str) -> psycopg.Connection[Any]:
                return psycopg.connect(host=name, port=_PORT, user=ADMINISTRATOR, dbname=database, autocommit=True)

            _wait(process, connect, folder / "log")
            yield connect
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def table_counts(connect: Connect) -> dict[str, dict[str, int]]:
    """Return the rows of every table, by database and `schema.table`. Raises ServiceError."""
    try:
        with connect("postgres") as connection:
            names = connection.execute(
                "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname"
            ).fetchall()
        return {name: _counts(connect, name) for (name,) in names}
    except psycopg.Error as error:
        raise ServiceError(f"the tables cannot be counted: {' '.join(str(error).split())}") from None


def differences(wanted: dict[str, dict[str, RowCounts]], found: dict[str, dict[str, int]]) -> list[str]:
    """Return what a restored PostgreSQL lacks or has too much of, a line for each."""
    lines = []
    for database, tables in wanted.items():
        if database not in found:
            lines.append(f"database {database} is missing")
            continue
        for table, rows in tables.items():
            count = found[database].get(table)
            if count is None:
                lines.append(f"table {database}.{table} is missing")
            elif not rows.least <= count <= rows.most:
                between = f"{rows.least}" if rows.least == rows.most else f"{rows.least} to {rows.most}"
                lines.append(f"table {database}.{table} has {count} rows, not {between}")
    return lines


def _counts(connect: Connect, database: str) -> dict[str, int]:
    with connect(database) as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"
        ).fetchall()
        found = {}
        for schema, table in tables:
            query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
            row = connection.execute(query).fetchone()
            found[f"{schema}.{table}"] = int(row[0]) if row else 0
        return found


def _wait(process: subprocess.Popen[bytes], connect: Connect, log: Path) -> None:
    deadline = time.monotonic() + _RECOVERY_SECONDS
    while True:
        if process.poll() is not None:
            raise ServiceError(f"PostgreSQL did not recover: {_last_words(log)}")
        try:
            with connect("postgres") as connection:
                if connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,):
                    return
        except psycopg.OperationalError:
            pass
        if time.monotonic() > deadline:
            raise ServiceError(f"PostgreSQL did not recover within {_RECOVERY_SECONDS / 3600:g} hours")
        time.sleep(0.1)


def _last_words(log: Path) -> str:
    """Return the fatal line of the log, or its end."""
    text = log.read_bytes()[-_LOG_BYTES:].decode("utf-8", "replace")
    fatal = [line for line in text.splitlines() if "FATAL" in line or "PANIC" in line]
    return " ".join((fatal[-1] if fatal else text).split())
