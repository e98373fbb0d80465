"""The interface of recorders, and the run that they record."""

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
    """A run that has ended, read from its folder: the only input of a recorder."""

    folder: RunFolder
    header: RunHeader
    trials: tuple[TrialRecord, ...]
    comparison: Comparison

    @classmethod
    def read(cls, folder: RunFolder) -> RecordedRun:
        """Read a run. Raises RunFolderError if the folder holds none, or one that has not ended."""
        journal = Journal.read(folder.journal)
        return cls(folder, journal.header, journal.records, read_comparison(folder.comparison))

    @property
    def run_id(self) -> str:
        return self.header.run_id

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of results that exist, without the labels."""
        folder = self.folder
        results = (folder.comparison, folder.report, folder.hotspots, folder.specification, folder.journal)
        return tuple(path for path in results if path.is_file())

    @property
    def labels(self) -> tuple[Path, ...]:
        """The files of labels, one for each adapter that gave any."""
        return tuple(sorted(self.folder.labels.glob("*.parquet")))

    @cached_property
    def content(self) -> str:
        """Hexadecimal SHA-256 over all results. A run recorded under it already is not recorded again."""
        digest = hashlib.sha256()
        for path in (*self.files, *self.labels):
            with path.open("rb") as file:
                digest.update(f"{path.name}\n".encode() + hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


class Recorder(Protocol):
    """A place where runs are recorded."""

    @property
    def name(self) -> str:
        """The name that users give on the command line."""
        ...

    @property
    def target(self) -> str:
        """The address of the place, with passwords masked."""
        ...

    def record(self, run: RecordedRun) -> str | None:
        """Record a run whole, or change nothing. Returns the path of its page at the target, if it has one.

        Recording the same run again changes nothing; changed results replace the earlier record. The run folder is
        only read. Raises ServiceError, in one line without passwords.
        """
        ...
