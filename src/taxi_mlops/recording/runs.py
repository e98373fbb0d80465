"""The runs below a folder, ended or not, told from their own files."""

from __future__ import annotations

from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from taxi_mlops.errors import RunFolderError, TaxiError
from taxi_mlops.recording.comparison import read_comparison
from taxi_mlops.recording.journal import Journal
from taxi_mlops.recording.run_folder import RunFolder


class RunSummary(BaseModel):
    """One run in a line. What cannot be told is null."""

    model_config = ConfigDict(frozen=True)

    folder: Path
    run_id: str | None = None
    created_at: AwareDatetime | None = None
    uri: str | None = None
    points: int | None = None
    eps_metres: float | None = None
    min_samples: int | None = None
    adapters: tuple[str, ...] = ()
    winners: tuple[str, ...] = Field(default=(), description="Adapters of rank 1.")
    state: str = Field(description="ended, or how far it came, or what is wrong with its files.")


def list_runs(parent: Path) -> tuple[RunSummary, ...]:
    """Every folder below `parent` that holds a run, the newest first. Raises RunFolderError where it cannot be read."""
    try:
        folders = [RunFolder(entry) for entry in parent.iterdir() if entry.is_dir()]
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise RunFolderError(f"cannot list {parent}: {error.strerror}") from None
    runs = [_summary(folder) for folder in folders if folder.specification.is_file()]
    return tuple(sorted(runs, key=lambda run: run.created_at.timestamp() if run.created_at else 0.0, reverse=True))


def _summary(folder: RunFolder) -> RunSummary:
    if not folder.journal.is_file():
        return RunSummary(folder=folder.path, state="stopped before the first trial")
    try:
        journal = Journal.read(folder.journal)
        comparison = read_comparison(folder.comparison) if folder.comparison.is_file() else None
    except TaxiError as error:
        return RunSummary(folder=folder.path, state=str(error))
    header = journal.header
    plan = header.specification.trials
    planned = len(plan.adapters or ()) * (1 + plan.repeats)
    return RunSummary(
        folder=folder.path,
        run_id=header.run_id,
        created_at=header.created_at,
        uri=header.provenance.uri,
        points=header.n_points,
        eps_metres=header.specification.parameters.to_domain().eps_metres,
        min_samples=header.specification.parameters.min_samples,
        adapters=plan.adapters or (),
        winners=tuple(entry.name for entry in comparison.ranking if entry.rank == 1) if comparison else (),
        state="ended" if comparison else f"{len(journal.outcomes)} of {planned} trials",
    )
