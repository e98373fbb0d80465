"""Work on ranges, shared among threads. Kernels release the interpreter's lock, so plain threads run them in parallel.

No numba thread layer is involved: nothing is compiled twice, forks are safe, and callers may call from several threads.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread

import numpy as np

from haversine_dbscan.arrays import IntArray

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
    # Plain queues, not an executor of futures: at each step of a small clustering, that takes twice as long.
    tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
    failures: SimpleQueue[BaseException | None] = SimpleQueue()
    helpers = [Thread(target=_help, args=(tasks, failures)) for _ in range(threads - 1)]
    for helper in helpers:
        helper.start()

    def share(work: Callable[[Range], None], ranges: Sequence[Range]) -> None:
        waiting: SimpleQueue[Range] = SimpleQueue()
        for one in ranges:
            waiting.put(one)
        drain = partial(_drain, waiting, work)
        helping = min(threads, len(ranges)) - 1
        for _ in range(helping):
            tasks.put(drain)
        drain()
        for failure in [failures.get() for _ in range(helping)]:
            if failure is not None:
                raise failure

    try:
        yield share
    finally:
        for _ in helpers:
            tasks.put(None)
        for helper in helpers:
            helper.join()


def _help(tasks: SimpleQueue[Callable[[], None] | None], failures: SimpleQueue[BaseException | None]) -> None:
    """Do one task after the other until there is None; answer each with how it failed, or None."""
    while (task := tasks.get()) is not None:
        failure = None
        try:
            task()
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
            failure = error
        failures.put(failure)


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
    """Cut the m items between m + 1 increasing offsets from 0 into at most `parts` ranges of about equal extent."""
    edges = np.searchsorted(offsets, [int(offsets[-1]) * part // parts for part in range(1, parts)]).tolist()
    return [(begin, end) for begin, end in itertools.pairwise([0, *edges, len(offsets) - 1]) if end > begin]
