"""The environment that the processes of a trial start with, and how they are found again by it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import psutil

MARKER = "TAXI_TRIAL"
"""Environment variable that every process of a trial inherits: `<run id>/<trial's own identifier>`."""

TRACEPARENT = "TRACEPARENT"

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMBA_NUM_THREADS",
    "PARLAY_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
)
"""How many threads a library may use. oneTBB has no such variable: it follows the CPUs that a process is pinned to."""

ARROW_ALLOCATOR = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""pyarrow, which scikit-learn imports where pandas is installed, otherwise keeps a thread that tidies up its memory."""

SWEEP_SECONDS = 5.0
"""How long to go on killing: a process that hangs in a driver ends when the driver lets go of it."""


def trial_environment(inherited: Mapping[str, str], threads: int) -> dict[str, str]:
    """The environment of all trials: what is inherited, without our own settings, with all thread counts set."""
    own = {name: value for name, value in inherited.items() if not name.startswith("TAXI_") and name != TRACEPARENT}
    return own | dict.fromkeys(THREAD_VARIABLES, str(threads)) | ARROW_ALLOCATOR


def trial_variables(marker: str, scratch: Path, traceparent: str | None) -> dict[str, str]:
    """The variables that each trial has its own values of.

    joblib's memory maps go to `scratch`, where they are removed with the trial even if it is killed. traceparent: the
    span that the trial belongs to, as W3C's Trace Context writes it, for adapters that trace what they do.
    """
    own = {MARKER: marker, "JOBLIB_TEMP_FOLDER": str(scratch)}
    return own if traceparent is None else own | {TRACEPARENT: traceparent}


class ShownMarker:
    """The marker as others see it: in the environment that this process was started with, which a fork shares.

    To be made before the variable is set anew, since that leaves the environment of the start as it is.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None)
        libc.getenv.restype = ctypes.c_void_p
        self._address: int = libc.getenv(MARKER.encode())
        self._length = len(os.environ[MARKER].encode())

    def replace(self, marker: str) -> None:
        """Show another marker. Raises ValueError where it is not of the same length."""
        shown = marker.encode()
        if len(shown) != self._length:
            raise ValueError(f"the marker {marker!r} must have {self._length} bytes")
        ctypes.memmove(self._address, shown, self._length)


def new_marker(run_id: str) -> str:
    """A marker for one trial of the run; all markers of a run have the same length."""
    return f"{run_id}/{uuid.uuid4().hex}"


def sweep_orphans(run_id: str) -> int:
    """Kill every process of this host that still belongs to a trial of the run, and return how many there were.

    For `--resume`, after a run was killed. Processes that emptied their environment are found by the guardian alone.
    """
    return _kill_marked(f"{run_id}/")


def sweep_trial(marker: str) -> int:
    """Kill every process that still bears the marker of one trial, and return how many there were."""
    return _kill_marked(marker)


def marked_processes(prefix: str) -> list[psutil.Process]:
    """The running processes, other than this one, whose marker starts with `prefix`."""
    found = []
    for process in psutil.process_iter():
        try:
            # A process that has ended and waits to be collected has no environment any more.
            if process.pid != os.getpid() and process.environ().get(MARKER, "").startswith(prefix):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
    return found


def _kill_marked(prefix: str) -> int:
    killed: set[int] = set()
    deadline = time.monotonic() + SWEEP_SECONDS
    # Again until none is found: one that was forked while we looked turns up in the next round.
    while (processes := marked_processes(prefix)) and time.monotonic() < deadline:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
            killed.add(process.pid)
        time.sleep(0.01)
    return len(killed)
