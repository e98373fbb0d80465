"""Limit a process through its operating system: CPUs, memory, orphans, signals. All platform checks are here.

Linux supports all of it. Elsewhere (macOS) there is no pinning, no adoption of orphans, no signal on the parent's death
beyond the guardian's own, and the memory limit is enforced by the parent's samples alone. This module imports only the
standard library, since the guardian uses it before anything else is loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import sys
from pathlib import Path

_LINUX = sys.platform == "linux"

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants, in whatever session they are."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the parent ends, even while native code holds every thread."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the call
        os.kill(os.getpid(), signal.SIGKILL)


def pin_to(cpus: tuple[int, ...]) -> None:
    """Run on these CPUs only; processes and threads started later inherit that. Empty: no restriction."""
    if cpus and _LINUX:
        os.sched_setaffinity(0, cpus)


def limit_memory(limit: int) -> None:
    """Make allocations beyond `limit` bytes fail.

    RLIMIT_DATA counts private writable memory of this process, touched or not, and no file mappings, so that the
    points and the libraries do not count. The limit is for each process of a trial; the parent limits the whole tree.
    A control group would limit the tree too, but an ordinary user may not create one.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))


def leave_no_core_dump() -> None:
    """Disable core dumps: writing gigabytes would outlast the deadline."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def offer_to_out_of_memory_killer() -> None:
    """Make the kernel end this process, and not the run, when the host runs out of memory."""
    # Some containers have a read-only /proc; the kernel then chooses by size.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def readable(*descriptors: int, seconds: float | None = None) -> set[int]:
    """Wait until a descriptor is readable or closed, at most `seconds`; return those that are.

    Unlike `select.select` it accepts descriptors above 1023, which a large program has.
    """
    waiting = select.poll()
    for descriptor in descriptors:
        waiting.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in waiting.poll(None if seconds is None else max(seconds, 0.0) * 1000)}


def peak_resident_bytes(pid: int) -> int | None:
    """Return the kernel's high-water mark of resident memory of a process, None if it is unavailable.

    `ru_maxrss` is not suitable on Linux: it starts at the size of the process that called exec.
    """
    if _LINUX:
        return _kibibytes(Path(f"/proc/{pid}/status"), "VmHWM:")
    if pid == os.getpid():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None


def proportional_bytes(pid: int) -> int | None:
    """Return resident memory with shared pages divided among the processes that map them (PSS), None if unknown."""
    return _kibibytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") if _LINUX else None


def _kibibytes(path: Path, field: str) -> int | None:
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError:  # the process has ended, or belongs to another user
        return None
    for line in text.splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return None


def _prctl(option: int, value: int) -> None:
    if not _LINUX:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}, {value}) failed")
