"""List runs: those below a folder, whether they ended or not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from taxi_mlops.errors import RunFolderError, TaxiError
from taxi_mlops.recording.recordings import Recordings
from taxi_mlops.results.comparison import read_comparison
from taxi_mlops.results.journal import Journal
from taxi_mlops.results.run_folder import RunFolder


class RunSummary(BaseModel):
    """A run in one line. What is unknown is null."""

    model_config = ConfigDict(frozen=True)

    folder: Path
    run_id: str | None = None
    created_at: AwareDatetime | None = None
    uri: str | None = None
    fingerprint: str | None = None
    points: int | None = None
    eps_metres: float | None = None
    min_samples: int | None = None
    adapters: tuple[str, ...] = ()
    winners: tuple[str, ...] = Field(default=(), description="Adapters of rank 1.")
    state: str = Field(description="ended, or the progress, or what is wrong with its files.")
    unrecorded: tuple[str, ...] = Field(default=(), description="Recorders that failed; `taxi record` retries them.")


@dataclass(frozen=True, slots=True)
class RunFilter:
    """A filter of runs; None selects all.

    adapter: a name. data: a part of the address of the trips, or the start of the points' fingerprint.
    """

    adapter: str | None = None
    data: str | None = None
    since: datetime | None = None
    limit: int | None = None

    def takes(self, run: RunSummary) -> bool:
        """Return whether a run matches, apart from the limit. A run with an unknown value does not."""
        if self.adapter is not None and self.adapter not in run.adapters:
            return False
        if self.since is not None and (run.created_at is None or run.created_at < self.since):
            return False
        if self.data is None:
            return True
        return self.data.lower() in (run.uri or "").lower() or (run.fingerprint or "").startswith(self.data.lower())


def newest_first(runs: Iterable[RunSummary], limit: int | None) -> tuple[RunSummary, ...]:
    """Return the runs by date, those without one last; at most `limit`."""
    ordered = sorted(runs, key=lambda run: run.created_at.timestamp() if run.created_at else 0.0, reverse=True)
    return tuple(ordered[:limit])


def list_runs(parent: Path, wanted: RunFilter = RunFilter()) -> tuple[RunSummary, ...]:
    """List every folder below `parent` that holds a run, the newest first. Raises RunFolderError if that fails."""
    try:
        folders = [RunFolder(entry) for entry in parent.iterdir() if entry.is_dir()]
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise RunFolderError(f"cannot list {parent}: {error.strerror}") from None
    runs = [_summary(folder) for folder in folders if folder.specification.is_file()]
    return newest_first((run for run in runs if wanted.takes(run)), wanted.limit)


def unrecorded(folder: RunFolder) -> tuple[str, ...]:
    """Return the recorders that failed for the run of this folder. Raises RunFolderError for a broken file."""
    return tuple(recording.recorder for recording in Recordings.read(folder).failed)


def _summary(folder: RunFolder) -> RunSummary:
    if not folder.journal.is_file():
        return RunSummary(folder=folder.path, state="stopped before the first trial")
    try:
        journal = Journal.read(folder.journal)
        comparison = read_comparison(folder.comparison) if folder.comparison.is_file() else None
        failed = unrecorded(folder)
    except TaxiError as error:
        return RunSummary(folder=folder.path, state=str(error))
    header = journal.header
    plan = header.specification.trials
    planned = len(plan.adapters or ()) * (1 + plan.repeats) * len(header.workloads)
    return RunSummary(
        folder=folder.path,
        run_id=header.run_id,
        created_at=header.created_at,
        uri=header.provenance.uri,
        fingerprint=header.fingerprint,
        points=header.n_points,
        eps_metres=header.specification.parameters.to_domain().eps_metres,
        min_samples=header.specification.parameters.min_samples,
        adapters=plan.adapters or (),
        winners=tuple(entry.name for entry in comparison.ranking if entry.rank == 1) if comparison else (),
        state="ended" if comparison else f"{len(journal.outcomes)} of {planned} trials",
        unrecorded=failed,
    )
