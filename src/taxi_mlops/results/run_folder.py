"""The folder of one run: which file lies where, and the lock that keeps two processes out of it."""

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
"""The lock of a process that was killed is let go once the kernel is done with it, and with what it was starting."""
_MIN_FREE_BYTES = 1 << 16
"""With less left a disk counts as full: not every library says that this is why it could not write."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of a run. `points` and `scratch` are working folders; the rest are results."""

    path: Path

    @property
    def specification(self) -> Path:
        return self.path / "specification.toml"

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
        """Where the run was recorded, and where that failed."""
        return self.path / "recordings.json"

    @property
    def labels(self) -> Path:
        return self.path / "labels"

    @property
    def log(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def trace(self) -> Path:
        """The run's spans, one a line, as OTLP JSON."""
        return self.path / "trace.jsonl"

    @property
    def metrics(self) -> Path:
        """The run's metrics in Prometheus' text format."""
        return self.path / "metrics.prom"

    @property
    def points(self) -> Path:
        return self.path / "points"

    def workload(self, key: str) -> Path:
        """Where the arrays of a workload lie."""
        return self.points if key == MAIN else self.points / key

    @property
    def scratch(self) -> Path:
        return self.path / "scratch"

    @property
    def answers(self) -> Path:
        """Labels and core masks as arrays, by their digest."""
        return self.path / "answers"

    def create(self) -> None:
        """Make the folder. Raises RunFolderError where it cannot be made, or holds anything already."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            taken = sorted(entry.name for entry in self.path.iterdir() if not entry.name.startswith("."))
        except OSError as error:
            raise RunFolderError(f"cannot use {self.path} as output folder: {error.strerror}") from None
        if self.specification.name in taken:
            raise RunFolderError(f"{self.path} holds a run already; go on with it by --resume {self.path}")
        if taken:
            raise RunFolderError(f"{self.path} is not empty ({taken[0]}, …); name a new folder")

    def discard(self) -> None:
        """Remove a run that never began, so that the folder can be used again once the mistake is mended."""
        shutil.rmtree(self.points, ignore_errors=True)
        for file in (self.specification, self.log, self.trace, self.metrics, self._lock):
            file.unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()

    @contextmanager
    def disk_full_errors(self) -> Iterator[None]:
        """Raises TaxiError in place of what a full disk breaks, whatever its form."""
        try:
            yield
        except OSError as error:
            self.ensure_free_space(said=str(error))
            raise

    def ensure_free_space(self, wanted_bytes: int = 0, said: str = "") -> None:
        """Raises TaxiError where there is less room on the disk, or what was `said` is that there is none."""
        if os.strerror(errno.ENOSPC) in said or shutil.disk_usage(self.path).free < _MIN_FREE_BYTES + wanted_bytes:
            then = f"go on with: taxi compare --resume {self.path}" if self.journal.is_file() else "start again"
            raise TaxiError(f"the disk of {self.path} is full; no finished trial is lost: make room on it, then {then}")

    @property
    def _lock(self) -> Path:
        return self.path / ".lock"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder. Raises RunFolderInUseError where another process holds it, and is not just being killed."""
        with held(self._lock, self.path, _KILLED_SECONDS):
            yield


def new_id() -> str:
    """An identifier of a run or a sweep: those that begin later sort later."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


@contextmanager
def held(path: Path, folder: Path, patience_seconds: float = 0.0) -> Iterator[None]:
    """Hold a lock file of a folder. Raises RunFolderInUseError where another process does not let it go in time."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=patience_seconds)
    except Timeout:
        raise RunFolderInUseError(f"{folder} is in use by another taxi process; wait for it to end") from None
    try:
        yield
    finally:
        lock.release()
