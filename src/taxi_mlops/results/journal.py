"""The journal: the append-only record of a run on disk, one JSON object a line, written before anything else.

The first line describes the run, every further line is the outcome of one trial. A run that was killed leaves at most
one broken line, the last; opening the journal again removes it.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from taxi_mlops.domain import MAIN, Provenance, Trial, TrialOutcome
from taxi_mlops.errors import RunFolderError
from taxi_mlops.evaluation.eps_choice import EpsChoice
from taxi_mlops.files import write_atomically
from taxi_mlops.specification import Specification
from taxi_mlops.trials.machine import Machine


class UnavailableAdapter(BaseModel):
    """An adapter that the run would have used if its library were installed."""

    model_config = ConfigDict(frozen=True)

    name: str
    reason: str


class FurtherWorkload(BaseModel):
    """A workload of a run beside its main one: a sample of the points, or other parameters. key: its name in trials."""

    model_config = ConfigDict(frozen=True)

    key: str
    n_points: int
    fingerprint: str
    eps_metres: float
    min_samples: int


class RunHeader(BaseModel):
    """The description of a run: everything that must be equal for a trial to belong to it."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["run"] = "run"
    journal_version: Literal[1] = 1
    run_id: str
    created_at: AwareDatetime
    specification: Specification
    fingerprint: str
    threads: int
    n_points: int
    weighted: bool
    provenance: Provenance
    machine: Machine
    eps_choice: EpsChoice | None = None
    unavailable: tuple[UnavailableAdapter, ...] = ()
    further: tuple[FurtherWorkload, ...] = ()

    @property
    def workloads(self) -> tuple[str, ...]:
        """The keys of all workloads: smaller samples, the main one, other parameters."""
        smaller = [workload.key for workload in self.further if workload.n_points < self.n_points]
        others = [workload.key for workload in self.further if workload.key not in smaller]
        return (*smaller, MAIN, *others)

    def smaller_than(self, key: str) -> tuple[str, ...]:
        """Return the keys of the workloads of the same parameters and fewer points."""
        this = self.of(key)
        return tuple(
            other
            for other in self.workloads
            if (found := self.of(other)).n_points < this.n_points
            and found.specification.parameters == this.specification.parameters
        )

    def of(self, key: str) -> RunHeader:
        """Return the header that the run would have if this were its only workload."""
        found = next((workload for workload in self.further if workload.key == key), None)
        parameters = self.specification.parameters
        if found is not None:
            pair = {"eps_metres": found.eps_metres, "min_samples": found.min_samples}
            parameters = parameters.model_copy(update=pair)
        return self.model_copy(
            update={
                "specification": self.specification.model_copy(update={"parameters": parameters}),
                "fingerprint": found.fingerprint if found else self.fingerprint,
                "n_points": found.n_points if found else self.n_points,
                "further": (),
            }
        )


class TrialRecord(BaseModel):
    """One finished trial."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["trial"] = "trial"
    finished_at: AwareDatetime
    outcome: TrialOutcome


RECORD: TypeAdapter[RunHeader | TrialRecord] = TypeAdapter(
    Annotated[RunHeader | TrialRecord, Field(discriminator="kind")]
)


class Journal:
    """The journal of one run, open for appending by one process, which holds the run folder's lock."""

    def __init__(self, path: Path, header: RunHeader, records: list[TrialRecord]) -> None:
        self.path = path
        self.header = header
        self._records = records

    @classmethod
    def create(cls, path: Path, header: RunHeader) -> Journal:
        """Create a journal with its header, atomically. Raises RunFolderError if one exists already."""
        if path.exists():
            raise RunFolderError(f"{path.parent} holds a run already; resume it with --resume {path.parent}")
        write_atomically(path, header.model_dump_json() + "\n")
        return cls(path, header, [])

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Read a journal and open it for appending.

        Raises RunFolderError if it is missing, of another version, or broken anywhere but in its last line.
        """
        header, records, intact = _read(path)
        if intact < path.stat().st_size:
            os.truncate(path, intact)
        return cls(path, header, records)

    @classmethod
    def read(cls, path: Path) -> Journal:
        """Read a journal without changing it; a broken last line is ignored."""
        header, records, _ = _read(path)
        return cls(path, header, records)

    @property
    def records(self) -> tuple[TrialRecord, ...]:
        return tuple(self._records)

    @property
    def outcomes(self) -> tuple[TrialOutcome, ...]:
        return tuple(record.outcome for record in self._records)

    def holds(self, trial: Trial) -> bool:
        return any(record.outcome.trial.key == trial.key for record in self._records)

    def append(self, record: TrialRecord) -> None:
        """Write one outcome to the disk. Raises ValueError if the trial is recorded already."""
        if self.holds(record.outcome.trial):
            raise ValueError(f"trial {record.outcome.trial.key} is in {self.path} already")
        _append(self.path, record)
        self._records.append(record)


def _append(path: Path, record: TrialRecord) -> None:
    line = record.model_dump_json().encode() + b"\n"
    with path.open("ab", buffering=0) as file:
        if file.write(line) != len(line):  # opening the journal removes what was written
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(file.fileno())


def _read(path: Path) -> tuple[RunHeader, list[TrialRecord], int]:
    """Return the header, the records, and the length in bytes of the complete lines."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise RunFolderError(f"{path.parent} holds no run: {path.name} is missing") from None
    whole = content[: content.rfind(b"\n") + 1]
    header: RunHeader | None = None
    records: list[TrialRecord] = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            record = RECORD.validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            raise RunFolderError(f"{path}, line {number} is not of a journal: {first['msg']}") from None
        if isinstance(record, TrialRecord):
            records.append(record)
        elif header is None:
            header = record
        else:
            raise RunFolderError(f"{path}, line {number} is a second header: two runs wrote to one folder")
    if header is None:
        raise RunFolderError(f"{path.parent} holds no run: {path.name} has no header; remove it and start again")
    return header, records, len(whole)
