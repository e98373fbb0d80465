"""Define the environment of a trial's processes, and find and kill processes by a marker in it."""

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
"""Variables that set the number of threads of a library. oneTBB has none: it follows the CPUs of the process."""

ARROW_ALLOCATOR = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""scikit-learn imports pyarrow if pandas is installed, whose default allocator starts a thread that manages memory."""

SWEEP_SECONDS = 5.0
"""How long to retry killing: a process that hangs in a driver ends when the driver returns."""


def trial_environment(inherited: Mapping[str, str], threads: int) -> dict[str, str]:
    """Return the environment of all trials: the inherited one without our own settings, with all thread counts set."""
    own = {name: value for name, value in inherited.items() if not name.startswith("TAXI_") and name != TRACEPARENT}
    return own | dict.fromkeys(THREAD_VARIABLES, str(threads)) | ARROW_ALLOCATOR


def trial_variables(marker: str, scratch: Path, traceparent: str | None) -> dict[str, str]:
    """Return the variables whose values differ by trial.

    joblib's memory maps go to `scratch`, and are removed with the trial even if it is killed. traceparent: the span of
    the trial, in the format of W3C Trace Context, for adapters that make spans of their own.
    """
    own = {MARKER: marker, "JOBLIB_TEMP_FOLDER": str(scratch)}
    return own if traceparent is None else own | {TRACEPARENT: traceparent}


class ShownMarker:
    """The marker as other processes see it: in the environment that this process was started with, which forks share.

    Construct it before the variable is changed, since the environment of the start stays as it is.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None)
        libc.getenv.restype = ctypes.c_void_p
        self._address: int = libc.getenv(MARKER.encode())
        self._length = len(os.environ[MARKER].encode())

    def replace(self, marker: str) -> None:
        """Show another marker. Raises ValueError if its length differs."""
        shown = marker.encode()
        if len(shown) != self._length:
            raise ValueError(f"the marker {marker!r} must have {self._length} bytes")
        ctypes.memmove(self._address, shown, self._length)


def new_marker(run_id: str) -> str:
    """Return a marker for one trial of the run; all markers of a run have the same length."""
    return f"{run_id}/{uuid.uuid4().hex}"


def sweep_orphans(run_id: str) -> int:
    """Kill every process of this host that still belongs to a trial of the run; return how many there were.

    For `--resume`, after a run was killed. Processes with an emptied environment are found by the guardian alone.
    """
    return _kill_marked(f"{run_id}/")


def sweep_trial(marker: str) -> int:
    """Kill every process with the marker of one trial; return how many there were."""
    return _kill_marked(marker)


def marked_processes(prefix: str) -> list[psutil.Process]:
    """Return the running processes, other than this one, whose marker starts with `prefix`."""
    found = []
    for process in psutil.process_iter():
        try:
            # A zombie process has no environment any more.
            if process.pid != os.getpid() and process.environ().get(MARKER, "").startswith(prefix):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
    return found


def _kill_marked(prefix: str) -> int:
    killed: set[int] = set()
    deadline = time.monotonic() + SWEEP_SECONDS
    # Repeated until none is found: one that was forked meanwhile is found in the next round.
    while (processes := marked_processes(prefix)) and time.monotonic() < deadline:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
            killed.add(process.pid)
        time.sleep(0.01)
    return len(killed)
