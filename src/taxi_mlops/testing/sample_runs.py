"""Write small runs that have ended, for tests of whatever reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from taxi_mlops.domain import MAIN, AdapterInfo, Provenance, Trial, TrialKind, TrialOutcome, TrialStatus
from taxi_mlops.evaluation.equivalence import Equivalence, Verdict
from taxi_mlops.files import write_atomically
from taxi_mlops.recording.base import RecordedRun
from taxi_mlops.results.assembly import Verdicts, assemble, of_workload, with_further
from taxi_mlops.results.documents import to_json
from taxi_mlops.results.journal import FurtherWorkload, Journal, RunHeader, TrialRecord, UnavailableAdapter
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.specification import Specification
from taxi_mlops.trials.machine import describe_machine

REFERENCE, EQUAL, DIFFERENT, LATE, MISSING = "steady", "swift", "sloppy", "late", "absent"
"""Adapters of a sample run: the reference, an equal one, a different one, one that times out, one not installed."""

BEGUN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

_SECONDS = {REFERENCE: 2.0, EQUAL: 0.5, DIFFERENT: 0.25}


def make_run(
    folder: Path,
    run_id: str = "20260102T030405Z-000001",
    *,
    slowness: float = 1.0,
    begun: datetime = BEGUN,
    uri: str = "/data/santiago.parquet",
    sizes: tuple[int, ...] = (),
) -> RecordedRun:
    """Write a run with every kind of outcome into a new folder, and read it. Its label files are not real ones.

    slowness: a factor on all timings. sizes: of samples of its 1,000 points; costs grow with them.
    """
    run = RunFolder(folder)
    run.create()
    header = _header(run_id, begun, uri, sizes)
    write_atomically(run.specification, header.specification.to_toml())
    journal = Journal.create(run.journal, header)
    at = begun
    for outcome in _outcomes(header, slowness):
        at += timedelta(seconds=outcome.total_seconds or 0.0)
        journal.append(TrialRecord(finished_at=at, outcome=outcome))
    verdicts = Verdicts(
        REFERENCE,
        {
            EQUAL: Equivalence(Verdict.EQUAL, 0, None, 0, 0, 0, 1.0, ()),
            DIFFERENT: Equivalence(Verdict.DIFFERENT, None, "it does not tell", 3, 7, 0, 0.875, ()),
        },
        ("a sample run",),
    )
    infos = {name: _info(name) for name in (REFERENCE, EQUAL, DIFFERENT, LATE)}
    found = {
        key: assemble(header.of(key), of_workload(journal.outcomes, key), infos, verdicts) for key in header.workloads
    }
    comparison = with_further(found.pop(MAIN), found)
    run.labels.mkdir()
    for name in _SECONDS:
        (run.labels / f"{name}.parquet").write_bytes(b"PAR1 no real labels")
    run.report.write_text("<!doctype html><title>A sample run</title>", encoding="utf-8")
    write_atomically(run.comparison, to_json(comparison))
    return RecordedRun.read(run)


def _header(run_id: str, begun: datetime, uri: str, sizes: tuple[int, ...]) -> RunHeader:
    adapters = [REFERENCE, EQUAL, DIFFERENT, LATE]
    return RunHeader(
        run_id=run_id,
        created_at=begun,
        specification=Specification.model_validate(
            {"trials": {"adapters": adapters, "reference": REFERENCE, "repeats": 3, "memory_limit": "1GB"}}
        ),
        fingerprint="ab" * 32,
        threads=2,
        n_points=1000,
        weighted=False,
        provenance=Provenance(uri, "santiago", "1", 1010, 1000, {"missing": 10}),
        machine=describe_machine(),
        unavailable=(UnavailableAdapter(name=MISSING, reason="library absent is not installed"),),
        further=tuple(
            FurtherWorkload(key=f"n{size}", n_points=size, fingerprint="cd" * 32, eps_metres=100.0, min_samples=10)
            for size in sizes
        ),
    )


def _outcomes(header: RunHeader, slowness: float) -> list[TrialOutcome]:
    late = TrialOutcome(
        Trial(LATE, TrialKind.MEMORY, 0), TrialStatus.TIMEOUT, cause="took longer than 600 s\x00", total_seconds=600.0
    )
    memory = [_memory(name, key, header) for key in header.workloads for name in _SECONDS]
    timed = [
        _timed(name, block, key, header, slowness)
        for block in range(1, header.specification.trials.repeats + 1)
        for key in header.workloads
        for name in _SECONDS
    ]
    return [*memory, late, *timed]


def _memory(name: str, key: str, header: RunHeader) -> TrialOutcome:
    share = header.of(key).n_points / header.n_points
    return TrialOutcome(
        Trial(name, TrialKind.MEMORY, 0, key),
        TrialStatus.OK,
        adapter_version="1.0",
        total_seconds=3.0,
        peak_memory_bytes=int(_SECONDS[name] * 1e8 * share),
    )


def _timed(name: str, block: int, key: str, header: RunHeader, slowness: float) -> TrialOutcome:
    seconds, share = _SECONDS[name], header.of(key).n_points / header.n_points
    return TrialOutcome(
        Trial(name, TrialKind.TIMING, block, key),
        TrialStatus.OK,
        adapter_version="1.0",
        total_seconds=3.0,
        cold_start_seconds=0.5,
        prepare_seconds=0.01,
        fit_seconds=seconds * slowness * share * (1 + block / 100),
        fit_user_seconds=seconds,
        fit_system_seconds=0.125,
        labels_digest=name,
        n_clusters=12,
        n_noise=100,
    )


def _info(name: str) -> AdapterInfo:
    return AdapterInfo(name, "1.0", "", exact=True, weighted=False, parallel=False, homepage="")
