"""The interface that everything a run is recorded in stands behind, and what it is fed with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from taxi_mlops.results.comparison import Comparison, read_comparison
from taxi_mlops.results.journal import Journal, RunHeader, TrialRecord
from taxi_mlops.results.run_folder import RunFolder


@dataclass(frozen=True)
class RecordedRun:
    """A run that has ended, read back from its folder: nothing that a recorder is fed with comes from elsewhere."""

    folder: RunFolder
    header: RunHeader
    trials: tuple[TrialRecord, ...]
    comparison: Comparison

    @classmethod
    def read(cls, folder: RunFolder) -> RecordedRun:
        """Read a run. Raises RunFolderError where the folder holds none, or one that has not ended."""
        journal = Journal.read(folder.journal)
        return cls(folder, journal.header, journal.records, read_comparison(folder.comparison))

    @property
    def run_id(self) -> str:
        return self.header.run_id

    @property
    def files(self) -> tuple[Path, ...]:
        """The results that are there, the labels left out."""
        folder = self.folder
        results = (folder.comparison, folder.report, folder.hotspots, folder.specification, folder.journal)
        return tuple(path for path in results if path.is_file())

    @property
    def labels(self) -> tuple[Path, ...]:
        """Files with labels, one for each adapter that gave any."""
        return tuple(sorted(self.folder.labels.glob("*.parquet")))

    @cached_property
    def content(self) -> str:
        """Hexadecimal SHA-256 over all results. What is recorded under it already need not be recorded again."""
        digest = hashlib.sha256()
        for path in (*self.files, *self.labels):
            with path.open("rb") as file:
                digest.update(f"{path.name}\n".encode() + hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


class Recorder(Protocol):
    """One place that runs are recorded in."""

    @property
    def name(self) -> str:
        """What the user calls it."""
        ...

    @property
    def target(self) -> str:
        """Where it records; bears no password."""
        ...

    def record(self, run: RecordedRun) -> str | None:
        """Take a run in whole, or leave what was there. Returns the path of its page at the target, where it has one.

        Recording the same run again changes nothing; one whose results have changed takes the place of its earlier
        record. The run folder is only read. Raises ServiceError, in one line without passwords.
        """
        ...
