"""Start the guardian of a trial, as a fresh process or forked from a template, with the pipes to it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from taxi_mlops.trials.confinement import readable

GUARDIAN_GRACE_SECONDS = 15.0
"""How long a guardian has to end everything; after that it is killed, and the rest is found by the marker."""


class Process(Protocol):
    """The interface of a process that can be waited for, as `subprocess.Popen`."""

    @property
    def pid(self) -> int: ...

    def wait(self, timeout: float | None = None) -> object:
        """Wait until it has ended. Raises subprocess.TimeoutExpired."""
        ...

    def kill(self) -> None: ...


class ForkedProcess:
    """A process that another one has forked, known by its pid and its descriptor (`pidfd_open(2)`)."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self._descriptor: int | None = descriptor

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it has ended. Raises subprocess.TimeoutExpired."""
        if self._descriptor is None:
            return
        if not readable(self._descriptor, seconds=timeout):
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        os.close(self._descriptor)
        self._descriptor = None

    def kill(self) -> None:
        """Kill the process; does nothing if it has ended."""
        if self._descriptor is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Pipes:
    """The three pipes between parent and guardian. Ours: `lifeline`, `report`, `stderr`; the guardian's: `theirs`."""

    lifeline: int
    report: int
    stderr: int
    theirs: tuple[int, int, int]

    @classmethod
    def open(cls) -> Self:
        """Open the pipes. Raises OSError."""
        opened: list[int] = []
        try:
            for _ in range(3):
                opened.extend(os.pipe())
        except OSError:
            _close(opened)
            raise
        guarded, lifeline, report, reporting, stderr, printing = opened
        return cls(lifeline, report, stderr, (guarded, reporting, printing))

    def hand_over(self) -> None:
        """Close the guardian's ends, once it has them."""
        _close(self.theirs)

    def close(self) -> None:
        """Close the parent's ends; the guardian ends everything when the lifeline closes."""
        _close((self.lifeline, self.report, self.stderr))


@dataclass(frozen=True, slots=True)
class Launched:
    """A trial that was started.

    template_seconds: import time of its template, None if it is not a fork. printed: what the imports wrote to standard
    error.
    """

    guardian: Process
    pipes: Pipes
    template_seconds: float | None = None
    printed: bytes = b""


def launch_fresh(request: str, environment: Mapping[str, str]) -> Launched:
    """Start the guardian of a trial as a fresh process. Raises OSError."""
    pipes = Pipes.open()
    guarded, reporting, printing = pipes.theirs
    arguments = ["taxi_mlops.trials.guardian", str(guarded), str(reporting), request]
    try:
        guardian = start_module(arguments, environment, keep=(guarded, reporting), stderr=printing)
    except OSError:
        pipes.close()
        raise
    finally:
        pipes.hand_over()
    return Launched(guardian, pipes)


def start_module(
    arguments: Sequence[str], environment: Mapping[str, str], *, keep: tuple[int, ...], stderr: int
) -> subprocess.Popen[bytes]:
    """Run a module in a session of its own, which inherits the descriptors in `keep`. Raises OSError."""
    # -P: nothing is imported from the working folder.
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-P", "-m", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        env=environment,
        pass_fds=keep,
        start_new_session=True,
    )


def end_guarded(guardian: Process, lifeline: int) -> None:
    """Close the lifeline, which makes the guardian end everything, and wait for it."""
    # The byte is for the case that a forked process keeps the lifeline open.
    with contextlib.suppress(BrokenPipeError):
        os.write(lifeline, b"\n")
    os.close(lifeline)
    try:
        guardian.wait(GUARDIAN_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        guardian.kill()
        guardian.wait()


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
