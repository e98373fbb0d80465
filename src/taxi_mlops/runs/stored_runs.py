"""Read runs from the experiment store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session, selectinload

from taxi_mlops.errors import TaxiError, UsageError
from taxi_mlops.parameters import validate
from taxi_mlops.results.comparison import Comparison, read_comparison
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.runs.listing import RunFilter, RunSummary, list_runs, newest_first, unrecorded
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.storage.database import reading
from taxi_mlops.storage.experiments import AdapterRow, ComparisonRow, DataSetRow


def known_runs(url: ServiceUrl | None, parent: Path, wanted: RunFilter) -> tuple[RunSummary, ...]:
    """Return the runs of the store, and those below `parent` that it does not have; the newest first.

    url: of the store, None if there is none. Raises ServiceError if the store cannot be read.
    """
    stored = stored_runs(url, wanted)
    held = {run.run_id for run in stored}
    others = [run for run in list_runs(parent, wanted) if run.run_id is None or run.run_id not in held]
    return newest_first((*stored, *others), wanted.limit)


def stored_runs(url: ServiceUrl | None, wanted: RunFilter) -> tuple[RunSummary, ...]:
    """Return the runs of the store, the newest first; empty if there is no store yet. Raises ServiceError."""
    query = _query(wanted).options(selectinload(ComparisonRow.adapters), selectinload(ComparisonRow.data_set))
    with reading(url) as connection:
        if connection is None:
            return ()
        with Session(connection) as session:
            return tuple(_summary(row) for row in session.scalars(query))


def find_comparison(url: ServiceUrl | None, named: str) -> Comparison:
    """Return the comparison of a run, named by its folder, its run id, or an unambiguous start of that.

    Raises RunFolderError for a folder without one, UsageError if no run, or more than one, matches.
    """
    if Path(named).is_dir():
        return read_comparison(RunFolder(Path(named)).comparison)
    found = _documents(url, named)
    if not found:
        raise UsageError(f"no recorded run is called {named!r}, and no folder is; `taxi runs` lists them")
    if len(found) > 1 and named not in found:
        raise UsageError(f"{named!r} begins {len(found)} run ids, {min(found)} to {max(found)}; give more of it")
    run_id = named if named in found else next(iter(found))
    return validate(Comparison, found[run_id], f"run {run_id} of the store")


def _documents(url: ServiceUrl | None, beginning: str) -> dict[str, object]:
    query = select(ComparisonRow.run_id, ComparisonRow.document).where(
        ComparisonRow.run_id.startswith(beginning, autoescape=True)
    )
    with reading(url) as connection:
        return {row.run_id: row.document for row in connection.execute(query)} if connection else {}


def _query(wanted: RunFilter) -> Select[tuple[ComparisonRow]]:
    query = select(ComparisonRow).order_by(ComparisonRow.created_at.desc()).limit(wanted.limit)
    if wanted.adapter is not None:
        query = query.join(AdapterRow)
    if wanted.data is not None:
        query = query.join(DataSetRow)
    return query.where(*conditions(wanted))


def conditions(wanted: RunFilter) -> Iterator[ColumnElement[bool]]:
    """Return the conditions of a filter on comparisons, adapters and data sets, which the query must join."""
    if wanted.adapter is not None:
        yield AdapterRow.adapter == wanted.adapter
    if wanted.since is not None:
        yield ComparisonRow.created_at >= wanted.since
    if wanted.data is not None:
        part = wanted.data.lower()
        yield or_(
            func.lower(DataSetRow.uri).contains(part, autoescape=True),
            DataSetRow.fingerprint.startswith(part, autoescape=True),
        )


def _summary(row: ComparisonRow) -> RunSummary:
    return RunSummary(
        folder=Path(row.folder),
        run_id=row.run_id,
        created_at=row.created_at,
        uri=row.data_set.uri,
        fingerprint=row.data_set.fingerprint,
        points=row.data_set.points,
        eps_metres=row.eps_metres,
        min_samples=row.min_samples,
        adapters=tuple(adapter.adapter for adapter in row.adapters),
        winners=tuple(adapter.adapter for adapter in row.adapters if adapter.rank == 1),
        state="ended",
        unrecorded=_backlog(RunFolder(Path(row.folder))),
    )


def _backlog(folder: RunFolder) -> tuple[str, ...]:
    """Return what the folder reports as failed, if it still exists on this host."""
    try:
        return unrecorded(folder)
    except TaxiError:
        return ()
