"""Acts that are not in the store yet: a file for each, which is written before the act is done.

A file has the act as it begins, and as it ends on a second line. Its process holds a lock on it meanwhile, so that
others know an act that is being done from one whose process was killed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from io import BufferedRandom
from pathlib import Path

from pydantic import ValidationError

from taxi_mlops.audit.acts import Act

AT_ONCE = 200
"""Files that are held at a time."""
MAX_BYTES = 200_000
"""Of a file; none of ours is as large."""
_SUFFIX = ".jsonl"


class Entry:
    """The file of an act that is being done."""

    def __init__(self, path: Path, act: Act) -> None:
        """Write the act, and lock its file. Raises OSError."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._file = os.fdopen(descriptor, "ab", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._write(act)

    def end(self, act: Act) -> None:
        """Write how it ended, and unlock the file. Raises OSError."""
        try:
            self._write(act)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)  # also where a fork has the file open
            self._file.close()

    def _write(self, act: Act) -> None:
        self._file.write(act.model_dump_json().encode() + b"\n")
        os.fsync(self._file.fileno())


class Journal:
    """The folder of these files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, act: Act) -> Entry:
        """Write an act that is about to be done. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Entry(self.folder / f"{act.id}{_SUFFIX}", act)

    @contextmanager
    def held(self) -> Iterator[Mapping[Path, Act]]:
        """Hold the files of at most `AT_ONCE` acts, the oldest first, which no process is doing any more."""
        with ExitStack() as files:
            found: dict[Path, Act] = {}
            for path in self._paths():
                act = _ended(path, files)
                if act is not None:
                    found[path] = act
                if len(found) == AT_ONCE:
                    break
            yield found

    def acts(self) -> tuple[Act, ...]:
        """Return all acts that are here, also those that are being done, the oldest first."""
        found = (_last_act(path) for path in self._paths())
        return tuple(act for act in found if act is not None)

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{_SUFFIX}"))


def _ended(path: Path, files: ExitStack) -> Act | None:
    """Return the act of a file and keep the file locked; None if its process is at work, or it is gone."""
    try:
        file: BufferedRandom = path.open("r+b")
    except OSError:
        return None
    with ExitStack() as closing:
        closing.enter_context(file)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return None
        act = _last_act(path)
        if act is not None:
            files.enter_context(closing.pop_all())
        return act


def _last_act(path: Path) -> Act | None:
    """Return the last act that was written whole; None if there is none."""
    try:
        with path.open("rb") as file:
            lines = file.read(MAX_BYTES).split(b"\n")[:-1]  # what a killed process did not end is left out
    except OSError:
        return None
    for line in reversed(lines):
        try:
            return Act.model_validate_json(line)
        except ValidationError:
            continue
    return None
