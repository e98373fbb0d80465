"""Where tasks run: in this process, or in several of this machine."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import Pipe, forkserver, get_context
from multiprocessing.connection import Connection, wait
from threading import Thread
from types import ModuleType, TracebackType
from typing import Any, Protocol, Self, TypeVar, cast

from taxi_mlops.errors import TaxiError

Task = TypeVar("Task")
Answer = TypeVar("Answer")

_PRELOADED = ["taxi_mlops.scale.stages", "taxi_mlops.scale.preloaded"]
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

        Raises what a task raises, and WorkerDiedError; the tasks that run then are stopped or not waited for.
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


def start_server() -> None:
    """Start the server that `Processes` are forked from, and return at once: what it imports takes seconds."""
    get_context("forkserver").set_forkserver_preload(_PRELOADED)
    forkserver.ensure_running()


class Processes:
    """Processes of this machine, forked from a server that has imported what they need. They end with this process.

    Each has a pipe of its own: where one dies, it is known which task it ran. That task is run again at the end, alone.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._idle = list[_Worker]()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_idle()

    def run(
        self, function: Callable[[Task], Answer], tasks: Sequence[Task], at_once: int | None = None
    ) -> Iterator[tuple[int, Answer]]:
        again = list[tuple[int, Task]]()
        limit = min(at_once or self.workers, self.workers)
        yield from self._run(function, enumerate(tasks), limit, lambda number, task: again.append((number, task)))
        if again:
            self._end_idle()  # one that is dying, too, would seem to have died of the task
        yield from self._run(function, again, 1, _raise_died_twice)

    def _end_idle(self) -> None:
        while self._idle:
            self._idle.pop().end()

    def _run(
        self,
        function: Callable[[Task], Answer],
        tasks: Iterable[tuple[int, Task]],
        limit: int,
        on_death: Callable[[int, Task], None],
    ) -> Iterator[tuple[int, Answer]]:
        waiting, running = deque(tasks), dict[Connection, tuple[_Worker, int, Task]]()
        try:
            while waiting or running:
                while waiting and len(running) < limit:
                    number, task = waiting.popleft()
                    worker = self._working_on(function, task)
                    running[worker.connection] = worker, number, task
                for connection in cast("list[Connection]", wait([*running])):
                    worker, number, task = running.pop(connection)
                    try:
                        error, answer = connection.recv()
                    except (EOFError, ConnectionResetError):
                        worker.end()
                        on_death(number, task)
                        continue
                    self._idle.append(worker)
                    if isinstance(error, MemoryError):
                        raise WorkerDiedError(f"{task}: there is not enough memory for it; {_ADVICE}")
                    if error is not None:
                        raise error
                    yield number, answer
        finally:
            for worker, _, _ in running.values():
                worker.end()

    def _working_on(self, function: Callable[[Task], Answer], task: Task) -> _Worker:
        """Return a worker that has got a task: one that is idle, if it lives, or a new one."""
        while self._idle:
            worker = self._idle.pop()
            try:
                worker.connection.send((function, task))
            except BrokenPipeError:
                worker.end()
            else:
                return worker
        worker = _Worker()
        worker.connection.send((function, task))
        return worker


_ADVICE = "give more memory (--memory-limit), or fewer workers (--threads)"


def _raise_died_twice(number: int, task: object) -> None:  # noqa: ARG001
    raise WorkerDiedError(f"{task}: the process that worked on it died twice; {_ADVICE}")


class _Worker:
    """A process, and this process's end of its pipe."""

    def __init__(self) -> None:
        start_server()
        self.connection, theirs = Pipe()
        self._process = get_context("forkserver").Process(target=_work, args=(theirs, os.getpid()), daemon=True)
        with _no_main_module():
            self._process.start()
        theirs.close()

    def end(self) -> None:
        """Kill the process, whatever it does: what it writes is complete only once it is renamed."""
        self._process.kill()
        self._process.join()
        self.connection.close()


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Keep a process that is started from importing the caller's main module, which need not be prepared for that."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _work(connection: Connection, parent: int) -> None:
    """Answer tasks with what they raise and what they return, until the pipe's other end is closed."""
    import pyarrow as pa

    pa.set_cpu_count(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to this process, too; the parent ends this one
    Thread(target=_end_with, args=(parent,), daemon=True).start()
    while True:
        try:
            function, task = connection.recv()
        except EOFError:
            return
        connection.send(_outcome(function, task))


def _outcome(function: Callable[[Any], Any], task: object) -> tuple[Exception | None, Any]:
    try:
        return None, function(task)
    except Exception as error:  # noqa: BLE001 - raised where the answer is received
        error.add_note(traceback.format_exc())
        return error, None


def _end_with(parent: int) -> None:
    while True:
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            os._exit(1)
        time.sleep(_ORPHAN_SECONDS)
