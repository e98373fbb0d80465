"""Read the trials of one adapter over all recorded runs."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Select, select

from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.storage.database import reading
from taxi_mlops.storage.experiments import TrialRow


class StoredTrial(BaseModel):
    """A trial in one line. What was not measured is null."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    run_id: str
    adapter: str
    workload: str
    kind: str
    block: int
    finished_at: AwareDatetime
    status: str
    cause: str | None
    fit_seconds: float | None
    peak_memory_bytes: int | None
    n_clusters: int | None


def stored_trials(url: ServiceUrl, adapter: str, since: datetime | None, limit: int) -> tuple[StoredTrial, ...]:
    """Return the newest trials of an adapter, the last first; empty if there is no store yet. Raises ServiceError."""
    with reading(url) as connection:
        if connection is None:
            return ()
        rows = connection.execute(trials_query(adapter, since, limit))
        return tuple(StoredTrial.model_validate(row) for row in rows)


def trials_query(adapter: str, since: datetime | None, limit: int) -> Select[tuple[object, ...]]:
    """Return the query, which uses the index of adapter and date."""
    columns = [getattr(TrialRow, name) for name in StoredTrial.model_fields]
    query = select(*columns).where(TrialRow.adapter == adapter).order_by(TrialRow.finished_at.desc()).limit(limit)
    return query if since is None else query.where(TrialRow.finished_at >= since)
