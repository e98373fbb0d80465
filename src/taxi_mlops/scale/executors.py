"""Where tasks run: in this process, or in several of this machine."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext, ForkServerProcess
from threading import Thread
from types import ModuleType, TracebackType
from typing import Any, Protocol, Self, TypeVar

from taxi_mlops.errors import TaxiError

Task = TypeVar("Task")
Answer = TypeVar("Answer")

_PRELOADED = ["taxi_mlops.scale.stages"]
_ORPHAN_SECONDS = 1.0


class WorkerDiedError(TaxiError):
    """A task kills every worker that runs it, most likely for want of memory."""


class Executor(Protocol):
    """Runs a function on each of some tasks, which say in words what they are (`str`).

    workers: how many tasks it runs at a time.
    """

    @property
    def workers(self) -> int: ...

    def run(
        self, function: Callable[[Task], Answer], tasks: Sequence[Task], at_once: int | None = None
    ) -> Iterator[tuple[int, Answer]]:
        """Yield the number of each task with its answer, as they are done. at_once: fewer than there are workers.

        Raises what a task raises, once the others that run are done, and WorkerDiedError.
        """
        ...


class Inline:
    """One task after the other, in this process."""

    workers = 1

    def run(
        self,
        function: Callable[[Task], Answer],
        tasks: Sequence[Task],
        at_once: int | None = None,  # noqa: ARG002
    ) -> Iterator[tuple[int, Answer]]:
        for number, task in enumerate(tasks):
            yield number, function(task)


class Processes:
    """Processes of this machine, forked from a server that has imported what they need. They end with this process.

    Where one dies, the tasks that ran are run again one by one, to find the one that is to blame.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def run(
        self, function: Callable[[Task], Answer], tasks: Sequence[Task], at_once: int | None = None
    ) -> Iterator[tuple[int, Answer]]:
        waiting, running = deque(enumerate(tasks)), dict[Future[Answer], tuple[int, Task]]()
        most = min(at_once or self.workers, self.workers)
        while waiting or running:
            while waiting and len(running) < most:
                number, task = waiting.popleft()
                running[self._started().submit(function, task)] = number, task
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                number, task = running.pop(future)
                try:
                    answer = future.result()
                except BrokenProcessPool:
                    suspects = [(number, task), *running.values()]
                    running.clear()
                    self._end()
                    yield from self._one_by_one(function, suspects)
                    break
                except MemoryError:
                    raise WorkerDiedError(f"{task}: there is not enough memory for it; {_ADVICE}") from None
                yield number, answer

    def _one_by_one(
        self, function: Callable[[Task], Answer], suspects: Sequence[tuple[int, Task]]
    ) -> Iterator[tuple[int, Answer]]:
        for number, task in suspects:
            try:
                answer = self._started().submit(function, task).result()
            except BrokenProcessPool:
                self._end()
                raise WorkerDiedError(f"{task}: the process that worked on it died twice; {_ADVICE}") from None
            yield number, answer

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = _Context()
            context.set_forkserver_preload(_PRELOADED)
            self._pool = ProcessPoolExecutor(self.workers, context, _begin, (os.getpid(),))
        return self._pool

    def _end(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


_ADVICE = "give more memory (--memory-limit), or fewer workers (--threads)"


class _Process(ForkServerProcess):
    """A process that does not import the caller's main module, which need not be prepared for that."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: ANN401, N802 - as multiprocessing has it
        with _no_main_module():
            return ForkServerProcess._Popen(process_obj)


class _Context(ForkServerContext):
    Process = _Process


@contextmanager
def _no_main_module() -> Iterator[None]:
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _begin(parent: int) -> None:
    """Prepare a worker: one thread, no part in the terminal's interrupts, and no life after its parent's."""
    import pyarrow as pa

    pa.set_cpu_count(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while True:
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            os._exit(1)
        time.sleep(_ORPHAN_SECONDS)
