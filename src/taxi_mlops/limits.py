"""The memory and the CPUs that this process may use: those of the machine, or of the container that it runs in."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

_PROC = Path("/proc/self/cgroup")
_ROOT = Path("/sys/fs/cgroup")


def usable_memory(cgroups: Path = _PROC, root: Path = _ROOT) -> int:
    """Return in bytes the memory of the machine, or the lowest limit of the control groups of this process.

    `psutil` reports the machine's memory in a container, too; what takes more than the container may is killed.
    """
    import psutil

    limits = []
    for group, version in _groups(cgroups, root, "memory"):
        text = _read(group / ("memory.max" if version == 2 else "memory.limit_in_bytes"))
        limits += [int(text)] if text.isdigit() else []
    return min([psutil.virtual_memory().total, *limits])


def usable_cpus(cgroups: Path = _PROC, root: Path = _ROOT) -> tuple[int, ...]:
    """Return the numbers of the CPUs that this process may use, in ascending order.

    Where a container has a share of time instead of CPUs, as `docker run --cpus 2.5`, only as many as it can keep busy:
    threads on more would be stopped in the middle of their work.
    """
    if hasattr(os, "sched_getaffinity"):
        allowed = tuple(sorted(os.sched_getaffinity(0)))
    else:
        allowed = tuple(range(os.cpu_count() or 1))
    shares = []
    for group, version in _groups(cgroups, root, "cpu"):
        if version == 2:
            quota, _, period = _read(group / "cpu.max").partition(" ")
        else:
            quota, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period) > 0:
            shares.append(int(quota) // int(period))
    return allowed[: max(min([len(allowed), *shares]), 1)]


def _groups(cgroups: Path, root: Path, controller: str) -> list[tuple[Path, int]]:
    """Return the control groups of this process, up to the root, each with its version, 1 or 2."""
    try:
        lines = cgroups.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base, version = (root / controller, 1) if controllers else (root, 2)
        inside = PurePosixPath(group.lstrip("/"))
        found += [(base / folder, version) for folder in (inside, *inside.parents)]
    return found


def _read(path: Path) -> str:
    """Return the text of a file; none where it is of another version, or the container shows its group as the root."""
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
