"""Check that the workers of a cluster share folders with this machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from taxi_mlops.errors import UsageError

_SECONDS = 5.0
"""Network file systems show new files late."""
_WAIT_SECONDS = 0.1


class NotSharedError(UsageError):
    """A worker does not see a folder of this machine."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A file that every worker must find in a folder, and answer with one of its own."""

    folder: Path
    token: str = field(default_factory=lambda: uuid4().hex)

    @property
    def path(self) -> Path:
        return self.folder / f".shared-{self.token}"

    def __enter__(self) -> Self:
        self.path.write_text(self.token)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for path in self.folder.glob(f"{self.path.name}*"):
            path.unlink(missing_ok=True)

    def require(self, answers: Mapping[str, str | None], cluster: str) -> None:
        """Raise NotSharedError if a worker did not find the file, or its own is not here.

        answers: of `look`, by worker.
        """
        for worker, answer in sorted(answers.items()):
            if answer is None or not _appears(self.folder / answer):
                raise NotSharedError(
                    f"{cluster}: worker {worker} does not share {self.folder} with this machine; choose folders for "
                    "--output and --spill that are on a disk which all machines see and may write to (NFS, for example)"
                )


def look(marker: str, token: str) -> str | None:
    """Find a marker, and write a file beside it; return its name. None if there is none, or it cannot be written."""
    path = Path(marker)
    try:
        if not _appears(path) or path.read_text() != token:
            return None
        answer = path.with_name(f"{path.name}-{uuid4().hex}")
        answer.touch()
    except OSError:
        return None
    return answer.name


def _appears(path: Path) -> bool:
    deadline = time.monotonic() + _SECONDS
    while not path.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(_WAIT_SECONDS)
    return True
