"""Measure the CPU time of a process tree, workers of process pools included."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import Self

import psutil


@dataclass(frozen=True, slots=True)
class CpuTime:
    """CPU seconds since an arbitrary start; only differences are meaningful."""

    user: float
    system: float

    def __add__(self, other: Self) -> CpuTime:
        return CpuTime(self.user + other.user, self.system + other.system)

    def __sub__(self, other: Self) -> CpuTime:
        return CpuTime(self.user - other.user, self.system - other.system)


def own_cpu_time() -> CpuTime:
    """Return the CPU time of this process, and of the children that it has waited for."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    waited_for = resource.getrusage(resource.RUSAGE_CHILDREN)
    return CpuTime(own.ru_utime + waited_for.ru_utime, own.ru_stime + waited_for.ru_stime)


def descendants_cpu_time() -> CpuTime:
    """Return the CPU time of the running descendants (pools of worker processes), in the kernel's ticks of about 10 ms.

    A worker that ends and is waited for moves from here into `own_cpu_time`, so that the sum never decreases.
    """
    total = CpuTime(0.0, 0.0)
    for descendant in psutil.Process().children(recursive=True):
        try:
            times = descendant.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += CpuTime(times.user + times.children_user, times.system + times.children_system)
    return total
