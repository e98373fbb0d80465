"""The memory that this process may use: that of the machine, or of the container that it runs in."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

_PROC = Path("/proc/self/cgroup")
_ROOT = Path("/sys/fs/cgroup")


def usable_memory(cgroups: Path = _PROC, root: Path = _ROOT) -> int:
    """Return in bytes the memory of the machine, or the lowest limit of the control groups of this process.

    `psutil` reports the machine's memory in a container, too; what takes more than the container may is killed.
    """
    import psutil

    limits = [_limit(path) for path in _limit_files(cgroups, root)]
    return min([psutil.virtual_memory().total, *(limit for limit in limits if limit is not None)])


def _limit_files(cgroups: Path, root: Path) -> list[Path]:
    """Return the files of limits, of both versions of control groups, from the group of this process up to the root."""
    try:
        lines = cgroups.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        base, name = (root / "memory", "memory.limit_in_bytes") if controllers else (root, "memory.max")
        inside = PurePosixPath(group.lstrip("/"))
        found += [base / folder / name for folder in (inside, *inside.parents)]
    return found


def _limit(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:  # of another version, or the container shows its own group as the root
        return None
    return int(text) if text.isdigit() else None
