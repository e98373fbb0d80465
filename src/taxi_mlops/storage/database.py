"""Open the experiment store's database by its URL, SQLite or PostgreSQL, and migrate its schema."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from taxi_mlops.errors import ServiceError, UsageError
from taxi_mlops.service_urls import ServiceUrl

VERSION_TABLE = "taxi_mlops_version"
"""Not Alembic's default name, so that the store can share a database with MLflow."""

_WAIT_SECONDS = 30
_PATIENCE = 6
"""Timeout of a statement as a multiple of that of a connection: others may be writing, or tables be large."""
_LOCK_NUMBER = 0x7A71  # of PostgreSQL's advisory lock that writers take
_WRITING = {"sqlite_begin": "BEGIN IMMEDIATE"}


class Database:
    """The experiment store's database, at the current schema."""

    def __init__(self, url: ServiceUrl) -> None:
        """Connect lazily. Raises UsageError for a URL of an unknown kind, ServiceError if the driver is missing."""
        self.url = url
        self.engine = _engine(url)

    @property
    def exists(self) -> bool:
        """Return False for an SQLite file that does not exist yet."""
        return self._file is None or self._file.is_file()

    @property
    def _file(self) -> Path | None:
        path = self.engine.url.database
        return Path(path) if path and self.engine.dialect.name == "sqlite" else None

    def upgrade(self, revision: str = "head") -> str | None:
        """Migrate the schema to a revision, creating the database file if there is none; return the revision.

        Raises ServiceError.
        """
        if self._file is not None:
            with self.errors():
                self._file.parent.mkdir(parents=True, exist_ok=True)
        with self.transaction() as connection:
            if revision != "head" or _revision(connection) != scripts().get_current_head():
                command.upgrade(_config(connection), revision)
            return _revision(connection)

    def downgrade(self, revision: str) -> None:
        """Migrate the schema back to an earlier revision; `base` removes all tables. Raises ServiceError."""
        with self.transaction() as connection:
            command.downgrade(_config(connection), revision)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction that is committed whole or not at all; one writer at a time. Raises ServiceError."""
        with self.errors(), self.engine.execution_options(**_WRITING).begin() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_NUMBER})")
            yield connection

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise database errors as a ServiceError of one line, with passwords masked."""
        try:
            yield
        except CommandError as error:
            raise ServiceError(
                f"{self.url} was made by another version of taxi-mlops ({error}); install the newer one"
            ) from None
        except DBAPIError as error:
            raise ServiceError(f"{self.url}: {self._line(error.orig)}") from None
        except (SQLAlchemyError, OSError) as error:
            raise ServiceError(f"{self.url}: {self._line(error)}") from None

    def _line(self, error: object) -> str:
        return self.url.scrub(" ".join(str(error).split()))


@contextmanager
def reading(url: ServiceUrl | None) -> Iterator[Connection | None]:
    """Open a connection to the database at the current schema; None if there is none yet. Raises ServiceError."""
    database = Database(url) if url is not None else None
    if database is None or not database.exists:
        yield None
        return
    database.upgrade()
    with database.transaction() as connection:
        yield connection


def _engine(url: ServiceUrl) -> Engine:
    try:
        parsed = make_url(url.reveal())
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        _require_known_backend(parsed.get_backend_name(), url)
        # No connection is kept open: recording is rare and short.
        engine = create_engine(parsed, connect_args=_connect_args(parsed, url.options), poolclass=NullPool)
    except UsageError:
        raise
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise UsageError(
            f"{url} is not the URL of a database; it looks like postgresql://user:password@host/name or sqlite:///file.db"
        ) from None
    except ModuleNotFoundError as error:
        raise ServiceError(
            f"{url}: {error.name} is not installed; install it with: pip install 'taxi-mlops[postgresql]'"
        ) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
    else:
        from taxi_mlops.storage.bounded_connections import bounded_connection

        bounded = bounded_connection(_PATIENCE * float(url.options.get("connect_timeout", _WAIT_SECONDS)))
        event.listen(engine, "do_connect", lambda _dialect, _record, given, named: bounded.connect(*given, **named))
    return engine


def _require_known_backend(backend: str, url: ServiceUrl) -> None:
    if backend not in ("sqlite", "postgresql"):
        raise UsageError(f"{url}: the experiment store is SQLite or PostgreSQL, not {backend}")


def _connect_args(parsed: URL, options: Mapping[str, Any]) -> dict[str, Any]:
    if parsed.get_backend_name() == "sqlite":
        return {"timeout": _WAIT_SECONDS}
    wanted = {"connect_timeout": _WAIT_SECONDS, **options}
    return {name: value for name, value in wanted.items() if name not in parsed.query}


def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
    """Leave transactions to SQLAlchemy, so that schema changes belong to them; check foreign keys."""
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")


def _on_begin(connection: Connection) -> None:
    """Lock at the start of a write: of two transactions that had begun by reading, only one could write."""
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", "taxi_mlops.storage:migrations")
    config.attributes["connection"] = connection
    return config


def scripts() -> ScriptDirectory:
    """Return all migrations that this version has."""
    config = Config()
    config.set_main_option("script_location", "taxi_mlops.storage:migrations")
    return ScriptDirectory.from_config(config)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
