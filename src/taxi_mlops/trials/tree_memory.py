"""Measure the peak memory of a process tree from outside."""

from __future__ import annotations

import psutil

from taxi_mlops.trials import confinement


class TreeMemory:
    """Samples the memory of all descendants of a process, which is not counted itself.

    The value is resident memory: of a single process its resident set (with the mapped points and libraries), of
    several the sum of their proportional sets, so that pages which they share count once. The peak is the largest
    sample, but at least the kernel's own high-water mark of any single process, which sampling cannot miss.
    """

    def __init__(self, root: int) -> None:
        self._root = psutil.Process(root)
        self.peak_bytes = 0

    def forget(self) -> None:
        """Restart the peak from now on."""
        self.peak_bytes = 0

    def sample(self) -> None:
        """Take one sample."""
        try:
            processes = self._root.children(recursive=True)
        except psutil.NoSuchProcess:
            return
        resident = {process.pid: _resident_bytes(process) for process in processes}
        total = sum(resident.values())
        # Proportional sets are expensive to read, and their sum is at most that of the resident sets.
        if len(resident) > 1 and total > self.peak_bytes:
            proportional = {pid: confinement.proportional_bytes(pid) for pid in resident}
            total = sum(resident[pid] if value is None else value for pid, value in proportional.items())
        highest = max((confinement.peak_resident_bytes(pid) or 0 for pid in resident), default=0)
        self.peak_bytes = max(self.peak_bytes, total, highest)


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
