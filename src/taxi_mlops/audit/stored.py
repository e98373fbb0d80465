"""Acts in the experiment store, whose table takes new rows only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from taxi_mlops.audit.acts import Act
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.storage.database import Database
from taxi_mlops.storage.experiments import AuditRow


def store_acts(url: ServiceUrl, acts: Sequence[Act]) -> None:
    """Store acts; those that are there already stay as they are.

    Raises ServiceError, and UsageError for a wrong URL.
    """
    database = Database(url)
    database.upgrade()
    with database.transaction() as connection:
        insert_acts(connection, acts)


def insert_acts(connection: Connection, acts: Sequence[Act]) -> None:
    """Add acts to the store within a transaction."""
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(AuditRow)
    now = datetime.now(UTC)
    rows = [{**act.model_dump(), "outcome": str(act.outcome), "recorded_at": now} for act in acts]
    connection.execute(insert.on_conflict_do_nothing(), rows)


def stored_acts(
    url: ServiceUrl, since: datetime | None, actor: str | None, action: str | None, limit: int
) -> tuple[Act, ...]:
    """Return the newest acts of the store, the newest first. action: whole, or its part before the dot.

    Raises ServiceError, and UsageError for a wrong URL.
    """
    database = Database(url)
    if not database.exists:
        return ()
    database.upgrade()
    query = select(AuditRow).order_by(AuditRow.at.desc(), AuditRow.id.desc()).limit(limit)
    if since is not None:
        query = query.where(AuditRow.at >= since)
    if actor is not None:
        query = query.where(AuditRow.actor == actor)
    if action is not None:
        query = query.where((AuditRow.action == action) | AuditRow.action.startswith(f"{action}.", autoescape=True))
    with database.errors(), database.engine.connect() as connection, Session(connection) as session:
        return tuple(_act(row) for row in session.scalars(query))


def _act(row: AuditRow) -> Act:
    return Act.model_validate({name: getattr(row, name) for name in Act.model_fields})
