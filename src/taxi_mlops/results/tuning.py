"""`tune.json`, the journal `trials.jsonl`, and the other files of a tuning.

History of the schema:
1 - first version.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from taxi_mlops.errors import RunFolderError
from taxi_mlops.results.comparison import Dataset
from taxi_mlops.results.documents import ResultDocument, read_document
from taxi_mlops.results.run_folder import RunFolder, held
from taxi_mlops.training import Objective, Tune
from taxi_mlops.trials.machine import Machine

_KILLED_SECONDS = 3.0
"""How long to wait for the lock of a process that was just killed."""

TuningState = Literal["complete", "pruned", "infeasible"]


class Measured(ResultDocument):
    """A value with its 95 % confidence interval."""

    value: float
    low: float
    high: float


class TuningTrial(ResultDocument):
    """One pair of parameters, and what it is worth. A line of `trials.jsonl`."""

    number: int = Field(description="From 0, in the order in which trials ended.")
    finished_at: AwareDatetime
    seconds: float = Field(description="Wall-clock seconds of the trial.")
    eps_metres: float
    min_samples: int = Field(description="For all trips that `taxi train` clusters; of fewer, the same share is taken.")
    state: TuningState = Field(
        description="Infeasible: the share of noise is out of bounds. Pruned: it was no good on a sample."
    )
    reason: str = Field(default="", description="Why it is not complete.")
    noise_ratio: float = Field(description="Share of the points, or of the sample where it was pruned.")
    n_clusters: int
    unseen: Measured | None = Field(default=None, description="Score on unseen trips: 0.5 is chance, 1 the best.")
    stability: Measured | None = Field(
        default=None, description="Adjusted Rand index between the clusters of the points and of resampled points."
    )
    on_samples: dict[int, float] = Field(
        default_factory=dict, description="Value of the objective on samples, by their size; with one objective."
    )

    def value_of(self, objective: Objective) -> float | None:
        """Return the value of an objective; None where it was not measured."""
        if objective == "noise":
            return self.noise_ratio
        found = self.unseen if objective == "unseen" else self.stability
        return None if found is None else found.value


class TuningHeader(ResultDocument):
    """A tuning with every choice made, once its points are loaded."""

    schema_version: Literal[1] = 1
    tuning_id: str
    created_at: AwareDatetime
    document: Tune
    dataset: Dataset
    eps_metres: tuple[float, float] = Field(description="Range of eps.")
    min_samples: tuple[int, int] = Field(description="Range of min_samples.")
    start: tuple[tuple[float, int], ...] = Field(description="Pairs of eps and min_samples that are tried first.")
    left_for_training: int = Field(description="Trips that tuning never looks at, for `taxi train` to judge on.")
    unseen: int = Field(description="Trips that trials are judged on.")
    fitted: int = Field(description="Points that trials cluster.")
    time_column: str | None
    machine: Machine

    @property
    def scale(self) -> float:
        """By how much fewer points a trial clusters than `taxi train` does."""
        return self.fitted / (self.fitted + self.unseen)


class TuningResult(ResultDocument):
    """All results of a tuning."""

    schema_version: Literal[1] = 1
    header: TuningHeader
    trials: tuple[TuningTrial, ...]
    front: tuple[int, ...] = Field(description="Numbers of the trials than which no other is better in all objectives.")
    best: int | None = Field(description="Number of the best trial; null where none is within the bounds of noise.")
    rule: str = Field(description="How the best is chosen.")
    command: str | None = Field(description="The command that trains a model with the best parameters.")
    stopped: str | None = Field(default=None, description="Why there are fewer trials than planned.")
    seconds: float = Field(description="Wall-clock seconds of all trials.")
    study: str | None = Field(description="Name of the study in Optuna's storage; null without one.")
    storage: str | None = Field(description="Where Optuna's storage is, without passwords.")
    warnings: tuple[str, ...]

    @property
    def best_trial(self) -> TuningTrial | None:
        return None if self.best is None else self.trials[self.best]


@dataclass(frozen=True, slots=True)
class TuningFolder:
    """The paths of a tuning."""

    path: Path

    @property
    def document(self) -> Path:
        return self.path / "tune.toml"

    @property
    def header(self) -> Path:
        return self.path / "header.json"

    @property
    def journal(self) -> Path:
        """One line for each finished trial."""
        return self.path / "trials.jsonl"

    @property
    def result(self) -> Path:
        return self.path / "tune.json"

    @property
    def page(self) -> Path:
        return self.path / "tune.html"

    @property
    def hotspots(self) -> Path:
        return self.path / "hotspots.geojson"

    def create(self) -> None:
        """Create the folder. Raises RunFolderError if that fails, or if it contains anything already."""
        if self.document.is_file():
            raise RunFolderError(f"{self.path} holds a tuning already; resume it with --resume {self.path}")
        RunFolder(self.path).create()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder. Raises RunFolderInUseError if another process holds it, unless that is being killed."""
        with held(self.path / ".lock", self.path, _KILLED_SECONDS):
            yield

    def read_header(self) -> TuningHeader | None:
        """Return the choices, None before they are made. Raises RunFolderError for a broken file."""
        return read_document(TuningHeader, self.header, "start a new tuning")


def read_trials(path: Path) -> list[TuningTrial]:
    """Read a journal; the rest of a line whose writer was killed is removed.

    Raises RunFolderError for a line that is not of a journal.
    """
    if not path.is_file():
        return []
    content = path.read_bytes()
    intact = content.rfind(b"\n") + 1
    trials = []
    for number, line in enumerate(content[:intact].splitlines()):
        try:
            trials.append(TuningTrial.model_validate_json(line))
        except ValidationError as error:
            raise RunFolderError(f"{path}, line {number + 1} is no trial: {error.errors()[0]['msg']}") from None
    if [trial.number for trial in trials] != list(range(len(trials))):
        raise RunFolderError(f"{path}: its trials are not numbered from 0; two tunings wrote to one folder")
    if intact < len(content):
        os.truncate(path, intact)
    return trials


def append_trial(path: Path, trial: TuningTrial) -> None:
    """Write a trial to the disk. Raises OSError where that fails."""
    line = trial.model_dump_json().encode() + b"\n"
    with path.open("ab", buffering=0) as file:
        if file.write(line) != len(line):  # reading the journal removes what was written
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(file.fileno())


def objective_values(trial: TuningTrial, objectives: Sequence[Objective]) -> list[float] | None:
    """Return the values of a complete trial; None of another."""
    values = [trial.value_of(objective) for objective in objectives]
    if trial.state != "complete" or any(value is None for value in values):
        return None
    return [value for value in values if value is not None]
