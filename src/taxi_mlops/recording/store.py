"""Record runs in the experiment store, a database of typed columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from taxi_mlops.domain import MAIN, TrialOutcome
from taxi_mlops.recording.adapter_values import values_of
from taxi_mlops.recording.base import RecordedRun
from taxi_mlops.results.comparison import AdapterResult, Comparison, Findings
from taxi_mlops.results.journal import TrialRecord
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.storage.database import Database
from taxi_mlops.storage.experiments import AdapterRow, ComparisonRow, DataSetRow, TrialRow, ValueRow, WorkloadRow

STORE = "store"


class StoreRecorder:
    """Records runs in the database at a URL, which is created and migrated when it is first used."""

    name = STORE

    def __init__(self, url: ServiceUrl) -> None:
        self.target = str(url)
        self._url = url

    def record(self, run: RecordedRun) -> None:
        database = Database(self._url)
        database.upgrade()
        with database.transaction() as connection, Session(connection) as session:
            found = session.get(ComparisonRow, run.run_id)
            if found is not None and found.content == run.content:
                return
            if found is not None:
                session.delete(found)
                session.flush()
            session.add(_comparison(run, _data_set(session, run.comparison)))
            session.commit()


def _data_set(session: Session, comparison: Comparison) -> DataSetRow:
    """Return the row of these points, an earlier run's if there is one."""
    dataset = comparison.dataset
    known = select(DataSetRow).where(
        DataSetRow.fingerprint == dataset.fingerprint,
        DataSetRow.uri == dataset.uri,
        DataSetRow.data_version == dataset.data_version,
    )
    return session.scalars(known).one_or_none() or DataSetRow(
        fingerprint=dataset.fingerprint,
        uri=dataset.uri,
        data_version=dataset.data_version,
        trip_schema=dataset.schema_,
        rows_read=dataset.rows_read,
        rows_used=dataset.rows_used,
        points=dataset.points,
        weighted=dataset.weighted,
        dropped=dataset.dropped,
    )


def _comparison(run: RecordedRun, data_set: DataSetRow) -> ComparisonRow:
    comparison, plan = run.comparison, run.header.specification.trials
    parameters, machine = comparison.parameters, comparison.machine
    ranks = {entry.name: entry.rank for entry in comparison.ranking}
    trials: dict[str, list[TrialRecord]] = {result.name: [] for result in comparison.adapters}
    for record in run.trials:
        trials[record.outcome.trial.adapter].append(record)
    return ComparisonRow(
        run_id=run.run_id,
        created_at=comparison.created_at,
        recorded_at=datetime.now(UTC),
        content=run.content,
        folder=str(run.folder.path.absolute()),
        data_set=data_set,
        eps_metres=parameters.eps_metres,
        min_samples=parameters.min_samples,
        metric=parameters.metric,
        threads=comparison.threads,
        repeats=plan.repeats,
        seed=plan.seed,
        reference=comparison.reference,
        trials_seconds=comparison.trials_seconds,
        host=machine.host,
        system=machine.system,
        processor=machine.processor,
        logical_cpus=machine.logical_cpus,
        memory_bytes=machine.memory_bytes,
        python=machine.python,
        taxi_mlops=machine.taxi_mlops,
        schema_version=comparison.schema_version,
        document=comparison.model_dump(mode="json"),
        adapters=[
            _adapter(comparison, result, ranks[result.name], trials[result.name]) for result in comparison.adapters
        ],
        workloads=list(_workloads(comparison)),
    )


def _workloads(comparison: Comparison) -> Iterator[WorkloadRow]:
    main = (MAIN, comparison.dataset.points, comparison.dataset.fingerprint, comparison)
    found: list[tuple[str, int, str, Findings]] = [main]
    found += [(workload.key, workload.points, workload.fingerprint, workload) for workload in comparison.workloads]
    for key, points, fingerprint, findings in found:
        yield WorkloadRow(
            workload=key,
            points=points,
            fingerprint=fingerprint,
            eps_metres=findings.parameters.eps_metres,
            min_samples=findings.parameters.min_samples,
            reference=findings.reference,
        )


def _adapter(
    comparison: Comparison, result: AdapterResult, rank: int | None, trials: Sequence[TrialRecord]
) -> AdapterRow:
    return AdapterRow(
        adapter=result.name,
        created_at=comparison.created_at,
        version=result.version,
        exact=result.exact,
        status=result.status,
        reason=result.reason,
        rank=rank,
        verdict=result.equivalence.verdict if result.equivalence else None,
        trials=[_trial(record.finished_at, record.outcome) for record in trials],
        values=list(_values(comparison, result.name)),
    )


def _values(comparison: Comparison, adapter: str) -> Iterator[ValueRow]:
    """Return the rows of all numbers of an adapter, on every workload."""
    for key, findings in ((MAIN, comparison), *((workload.key, workload) for workload in comparison.workloads)):
        for result in findings.adapters:
            if result.name == adapter:
                for name, value in values_of(result).items():
                    yield ValueRow(workload=key, name=name, value=value)


def _trial(finished_at: datetime, outcome: TrialOutcome) -> TrialRow:
    return TrialRow(
        workload=outcome.trial.workload,
        kind=outcome.trial.kind,
        block=outcome.trial.block,
        finished_at=finished_at,
        status=outcome.status,
        cause=outcome.cause,
        exit_code=outcome.exit_code,
        total_seconds=outcome.total_seconds,
        cold_start_seconds=outcome.cold_start_seconds,
        prepare_seconds=outcome.prepare_seconds,
        fit_seconds=outcome.fit_seconds,
        fit_user_seconds=outcome.fit_user_seconds,
        fit_system_seconds=outcome.fit_system_seconds,
        peak_memory_bytes=outcome.peak_memory_bytes,
        labels_digest=outcome.labels_digest,
        n_clusters=outcome.n_clusters,
        n_noise=outcome.n_noise,
    )
