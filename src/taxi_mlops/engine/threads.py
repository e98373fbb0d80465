"""Work on ranges, shared among threads. Kernels release the interpreter's lock, so plain threads run them in parallel.

No numba thread layer is involved: nothing is compiled twice, forks are safe, and callers may call from several threads.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import Empty, SimpleQueue

import numpy as np

from taxi_mlops.engine.arrays import IntArray

Range = tuple[int, int]
Run = Callable[[Callable[[Range], None], Sequence[Range]], None]
"""Calls a function with each of the ranges, and returns when all are done."""


POINTS_PER_THREAD = 16_384
"""Fewer are done sooner than they are shared out."""


def available_threads() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worthwhile_threads(threads: int | None, points: int) -> int:
    """Return how many of so many threads to use; None is as many as the process has CPUs. Few points are for one."""
    return max(min(threads or available_threads(), points // POINTS_PER_THREAD), 1)


@contextmanager
def workers(threads: int) -> Iterator[Run]:
    """Give a `Run` on so many threads."""
    if threads == 1:

        def one_by_one(work: Callable[[Range], None], ranges: Sequence[Range]) -> None:
            for one in ranges:
                work(one)

        yield one_by_one
        return
    with ThreadPoolExecutor(threads - 1) as pool:

        def share(work: Callable[[Range], None], ranges: Sequence[Range]) -> None:
            waiting: SimpleQueue[Range] = SimpleQueue()
            for one in ranges:
                waiting.put(one)
            helpers = [pool.submit(_drain, waiting, work) for _ in range(min(threads, len(ranges)) - 1)]
            _drain(waiting, work)
            for helper in helpers:
                helper.result()

        yield share


def _drain(waiting: SimpleQueue[Range], work: Callable[[Range], None]) -> None:
    """Do what is waiting. A task a thread and not one a range: handing over a task takes as long as 100,000 points."""
    while True:
        try:
            one = waiting.get_nowait()
        except Empty:
            return
        work(one)


def even_ranges(n: int, parts: int) -> list[Range]:
    """Cut 0:n into at most `parts` ranges of nearly equal length."""
    edges = [n * part // parts for part in range(parts + 1)]
    return [(begin, end) for begin, end in itertools.pairwise(edges) if end > begin]


def balanced_ranges(offsets: IntArray, parts: int) -> list[Range]:
    """Cut the m items between m + 1 increasing offsets into at most `parts` ranges of about equal extent."""
    edges = np.searchsorted(offsets, np.linspace(offsets[0], offsets[-1], parts + 1)[1:-1])
    edges = np.unique(np.concatenate(([0], edges, [len(offsets) - 1])))
    return [(int(begin), int(end)) for begin, end in itertools.pairwise(edges)]
