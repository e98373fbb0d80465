"""The folder of one run: the paths of its files, and the lock that lets only one process write to it."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from taxi_mlops.domain import MAIN
from taxi_mlops.errors import RunFolderError, RunFolderInUseError, TaxiError

_KILLED_SECONDS = 3.0
"""How long to wait for the lock of a process that was just killed, until the kernel has released it."""
_MIN_FREE_BYTES = 1 << 16
"""With less free space a disk counts as full: not every library reports that as the reason of a failed write."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of a run. `points` and `scratch` are working folders; the rest are results."""

    path: Path

    @property
    def specification(self) -> Path:
        return self.path / "specification.toml"

    @property
    def trips(self) -> Path:
        """The points, where they were given in memory: the source that the specification names."""
        return self.path / "trips.parquet"

    @property
    def journal(self) -> Path:
        return self.path / "trials.jsonl"

    @property
    def comparison(self) -> Path:
        return self.path / "comparison.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def hotspots(self) -> Path:
        return self.path / "hotspots.geojson"

    @property
    def recordings(self) -> Path:
        """Status of each recorder for this run."""
        return self.path / "recordings.json"

    @property
    def labels(self) -> Path:
        return self.path / "labels"

    @property
    def log(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def trace(self) -> Path:
        """The run's spans as OTLP JSON, one a line."""
        return self.path / "trace.jsonl"

    @property
    def metrics(self) -> Path:
        """The run's metrics in Prometheus' text format."""
        return self.path / "metrics.prom"

    @property
    def points(self) -> Path:
        return self.path / "points"

    def workload(self, key: str) -> Path:
        """Return the folder with the arrays of a workload."""
        return self.points if key == MAIN else self.points / key

    @property
    def scratch(self) -> Path:
        return self.path / "scratch"

    @property
    def answers(self) -> Path:
        """Labels and core masks as arrays, by their digest."""
        return self.path / "answers"

    def create(self) -> None:
        """Create the folder. Raises RunFolderError if that fails, or if it contains anything already."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            taken = sorted(entry.name for entry in self.path.iterdir() if not entry.name.startswith("."))
        except OSError as error:
            raise RunFolderError(f"cannot use {self.path} as output folder: {error.strerror}") from None
        if self.specification.name in taken:
            raise RunFolderError(f"{self.path} holds a run already; resume it with --resume {self.path}")
        if taken:
            raise RunFolderError(f"{self.path} is not empty ({taken[0]}, …); name a new folder")

    def discard(self) -> None:
        """Remove a run that never began, so that the folder can be used again after the error is corrected."""
        shutil.rmtree(self.points, ignore_errors=True)
        for file in (self.specification, self.trips, self.log, self.trace, self.metrics, self._lock):
            file.unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()

    @contextmanager
    def disk_full_errors(self) -> Iterator[None]:
        """Raise TaxiError for any error that a full disk causes, whatever its type."""
        try:
            yield
        except OSError as error:
            self.ensure_free_space(said=str(error))
            raise

    def ensure_free_space(self, wanted_bytes: int = 0, said: str = "") -> None:
        """Raise TaxiError if less space is free, or if the error message `said` means a full disk."""
        if os.strerror(errno.ENOSPC) in said or shutil.disk_usage(self.path).free < _MIN_FREE_BYTES + wanted_bytes:
            then = f"resume with: taxi compare --resume {self.path}" if self.journal.is_file() else "start again"
            raise TaxiError(f"the disk of {self.path} is full; no finished trial is lost: free some space, then {then}")

    @property
    def _lock(self) -> Path:
        return self.path / ".lock"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder. Raises RunFolderInUseError if another process holds it, unless that is being killed."""
        with held(self._lock, self.path, _KILLED_SECONDS):
            yield


def new_id() -> str:
    """Return a new id of a run or a sweep; ids sort by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


@contextmanager
def held(path: Path, folder: Path, patience_seconds: float = 0.0) -> Iterator[None]:
    """Hold a lock file of a folder. Raises RunFolderInUseError if another process does not release it in time."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=patience_seconds)
    except Timeout:
        raise RunFolderInUseError(f"{folder} is in use by another taxi process; wait for it to end") from None
    try:
        yield
    finally:
        lock.release()
