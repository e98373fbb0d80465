"""What a process asks of its operating system, all platform checks in one place.

Linux has all of it; elsewhere (macOS) what is missing is left out: no pinning, no adoption of orphans, no signal on the
parent's death beyond the guardian's own, and the memory limit is enforced by the parent's samples alone. This module
imports only the standard library, since the guardian uses it before anything else is loaded.
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
    """Become the parent of descendants whose own parent ends, whatever session they are in and whatever they forgot."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Be killed by the kernel when the parent ends, even while native code holds every thread of ours."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def pin_to(cpus: tuple[int, ...]) -> None:
    """Run on these CPUs only; processes and threads started later inherit it. Empty: anywhere."""
    if cpus and _LINUX:
        os.sched_setaffinity(0, cpus)


def limit_memory(limit: int) -> None:
    """Let allocations beyond `limit` bytes fail.

    RLIMIT_DATA counts private writable memory of this process, touched or not, and not file mappings, so that the
    points and the libraries are free. Each process of a trial has the limit for itself; the tree is the parent's.
    A control group would count the tree, but needs rights that an ordinary user has not.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))


def leave_no_core_dump() -> None:
    """Writing gigabytes of core would outlast the deadline."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def offer_to_out_of_memory_killer() -> None:
    """When the host runs out of memory, let the kernel end this process and not the run."""
    # Some containers have a read-only /proc; the kernel then chooses by size.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def readable(*descriptors: int, seconds: float | None = None) -> set[int]:
    """Those of the descriptors that can be read without waiting, or have closed; wait until one is, at most `seconds`.

    Unlike `select.select` it takes descriptors above 1023, of which a large program has some.
    """
    waiting = select.poll()
    for descriptor in descriptors:
        waiting.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in waiting.poll(None if seconds is None else max(seconds, 0.0) * 1000)}


def peak_resident_bytes(pid: int) -> int | None:
    """The kernel's high-water mark of resident memory of a process, None where it cannot be had.

    `ru_maxrss` will not do on Linux: it starts at the size of the process that called exec.
    """
    if _LINUX:
        return _kibibytes(Path(f"/proc/{pid}/status"), "VmHWM:")
    if pid == os.getpid():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None


def proportional_bytes(pid: int) -> int | None:
    """Resident memory with every shared page divided among the processes that map it (PSS), None where unknown."""
    return _kibibytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") if _LINUX else None


def _kibibytes(path: Path, field: str) -> int | None:
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError:  # it has ended meanwhile, or is somebody else's
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
