"""Run tasks on a Dask cluster, by Dask's own scheduler: it queues them, and runs those of a dead worker elsewhere."""

from __future__ import annotations

import gc
import logging
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import uuid4

from taxi_mlops.errors import LibraryMissingError, ServiceError
from taxi_mlops.scale.executors import Answer, Task, WorkerDiedError
from taxi_mlops.scale.shared_folders import Marker, look
from taxi_mlops.scale.versions import PACKAGES, require_equal

if TYPE_CHECKING:
    from distributed import Client, Future, Security

T = TypeVar("T")

_OF_DASK = ("distributed", "dask", "cloudpickle", "msgpack")
_AHEAD = 4
"""Tasks that are handed over for each worker, so that the scheduler need not hold all of them."""
_START_SECONDS = 120
_CONNECT_SECONDS = 15
_LOOK_SECONDS = 5.0
_END_SECONDS = 10


class DaskExecutor:
    """Runs tasks on the workers of a Dask cluster.

    seconds_without_workers: how long to wait for a new worker where all are gone.
    """

    def __init__(self, client: Client, name: str, seconds_without_workers: float = 60.0) -> None:
        self._client, self._seconds_without_workers = client, seconds_without_workers
        self.name = name
        workers = client.scheduler_info(n_workers=-1)["workers"]
        self.worker_names: list[str] = sorted(workers)
        """The addresses of the workers, at the beginning."""
        self.workers = sum(int(worker["nthreads"]) for worker in workers.values())
        """Threads of all workers: each runs one task at a time."""
        shares = [int(worker["memory_limit"]) // int(worker["nthreads"]) for worker in workers.values()]
        self.bytes_of_a_worker = min((share for share in shares if share), default=None)
        """The memory for one task, where it is smallest; None if no worker has a limit."""

    def require_shared(self, folders: Sequence[Path]) -> None:
        """Raise UsageError if a worker does not see the folders of this machine, or cannot write to them."""
        for folder in folders:
            with Marker(folder) as marker:
                marker.require(self._client.run(look, str(marker.path), marker.token), self.name)

    def run(
        self, function: Callable[[Task], Answer], tasks: Sequence[Task], at_once: int | None = None
    ) -> Iterator[tuple[int, Answer]]:
        """Yield the number of each task with its answer, as they are done. at_once: fewer than there are workers.

        Raises what a task raises, WorkerDiedError, and ServiceError if the cluster is lost.
        """
        suspects: list[int] = []
        yield from self._run(function, tasks, range(len(tasks)), at_once, suspects)
        # What ran or waited beside a deadly task on the same worker is suspected, too.
        guilty: list[int] = []
        for number in suspects:
            yield from self._run(function, tasks, [number], 1, guilty)
            if guilty:
                raise WorkerDiedError(
                    f"{tasks[number]}: every worker that worked on it died; give the workers more memory, or fewer "
                    "threads"
                )

    def _run(
        self,
        function: Callable[[Task], Answer],
        tasks: Sequence[Task],
        numbers: Sequence[int],
        at_once: int | None,
        suspects: list[int],
    ) -> Iterator[tuple[int, Answer]]:
        """Run some tasks; add those whose workers died to `suspects`."""
        from distributed.scheduler import KilledWorker

        done: SimpleQueue[Future[Answer]] = SimpleQueue()
        running: dict[Future[Answer], int] = {}
        waiting = iter(numbers)

        def submit(number: int) -> None:
            future = self._client.submit(function, tasks[number], key=f"{function.__name__}-{uuid4().hex}", pure=False)
            running[future] = number
            future.add_done_callback(done.put)

        for number in islice(waiting, at_once or _AHEAD * max(self.workers, 1)):
            submit(number)
        try:
            while running:
                future = self._next(done)
                number = running.pop(future)
                try:
                    answer = self._answer(future)
                except KilledWorker:
                    suspects.append(number)
                except MemoryError:
                    raise WorkerDiedError(
                        f"{tasks[number]}: there is not enough memory for it; give the workers more, or fewer threads"
                    ) from None
                else:
                    yield number, answer
                for further in islice(waiting, 1):
                    submit(further)
        finally:
            if running:
                self._client.cancel(list(running), force=True)

    def _next(self, done: SimpleQueue[Future[Answer]]) -> Future[Answer]:
        return self._while_there_are_workers(lambda seconds: done.get(timeout=seconds))

    def _answer(self, future: Future[Answer]) -> Answer:
        """Return the result, which is computed again where its worker died since. Raises what the task raises."""

        def attempt(seconds: float) -> Answer:
            try:
                answer: Answer = future.result(timeout=seconds)
            except TimeoutError:
                if future.status == "error":
                    raise
                raise Empty from None
            return answer

        return self._while_there_are_workers(attempt)

    def _while_there_are_workers(self, attempt: Callable[[float], T]) -> T:
        """Return what an attempt returns that raises Empty if it is not there within some seconds."""
        from distributed.comm.core import CommClosedError

        seen = time.monotonic()
        while True:
            try:
                return attempt(_LOOK_SECONDS)
            except Empty:
                if self._has_workers():
                    seen = time.monotonic()
                elif time.monotonic() - seen > self._seconds_without_workers:
                    raise ServiceError(f"{self.name}: all workers of the cluster are gone; start some") from None
            except (CancelledError, CommClosedError):
                raise self._lost() from None

    def _has_workers(self) -> bool:
        try:
            return bool(self._client.nthreads())
        except (OSError, ValueError, TimeoutError):
            raise self._lost() from None

    def _lost(self) -> ServiceError:
        return ServiceError(f"{self.name}: the connection to the Dask scheduler was lost")


@contextmanager
def dask_at(on: str) -> Iterator[DaskExecutor]:
    """Connect to the cluster of a scheduler, `dask://HOST:PORT` or `tls://HOST:PORT`.

    Certificates for TLS are those of Dask's own configuration (`distributed.comm.tls`).

    Raises ServiceError if it cannot be reached or has no workers, UsageError if they have other versions than this
    process, and LibraryMissingError.
    """
    address = on.replace("dask://", "tcp://")
    with _client(on, address) as client:
        _require_workers(client, on)
        found = cast("dict[str, Any]", client.get_versions(packages=list(PACKAGES)))
        members = {f"worker {name}": _versions(one, (*_OF_DASK, *PACKAGES)) for name, one in found["workers"].items()}
        require_equal(on, {"the scheduler": _versions(found["scheduler"], _OF_DASK), **members})
        yield DaskExecutor(client, on)


@contextmanager
def dask_here(workers: int, memory_bytes: int) -> Iterator[DaskExecutor]:
    """Start a cluster of processes of this machine, on loopback and with certificates of its own, and end it.

    memory_bytes: at which a worker is killed. Raises ServiceError if it does not start, and LibraryMissingError.
    """
    from taxi_mlops.scale import dask_cluster

    _distributed()
    folder = tempfile.mkdtemp(prefix="taxi-dask-")
    command = [sys.executable, "-m", dask_cluster.__name__, str(workers), str(memory_bytes), folder]
    log = Path(folder) / "log"
    try:
        with log.open("wb") as errors:
            process = subprocess.Popen(  # noqa: S603 - this interpreter
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
            )
        try:
            line = process.stdout.readline() if process.stdout else b""
            if not line:
                last = log.read_text(errors="replace").strip().splitlines()[-1:]
                raise ServiceError(f"a Dask cluster did not start on this machine: {''.join(last) or 'it ended'}")
            cluster = dask_cluster.Started.parse(line)
            with _client("dask", cluster.address, cluster.security()) as client:
                client.wait_for_workers(workers, timeout=_START_SECONDS)
                yield DaskExecutor(client, "dask")
        finally:
            _end(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process of a cluster, which ends its workers; these also end where it dies."""
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


@contextmanager
def _client(name: str, address: str, security: Security | None = None) -> Iterator[Client]:
    client = _connected(name, address, security)
    logger = logging.getLogger("distributed.client")
    level = logger.level
    logger.setLevel(logging.ERROR)  # that a worker died is no news: its tasks run again
    try:
        yield client
    finally:
        client.close(timeout=_END_SECONDS)
        logger.setLevel(level)


def _connected(name: str, address: str, security: Security | None) -> Client:
    distributed = _distributed()
    try:
        client: Client = distributed.Client(address, timeout=_CONNECT_SECONDS, security=security, set_as_default=False)
    except (OSError, TimeoutError):
        problem = "no Dask scheduler answers there; start one with: dask scheduler"
    except (TypeError, ValueError) as error:  # of TLS without certificates
        problem = " ".join(str(error).split())
    else:
        return client
    # The client that failed is closed when it is collected, which must not be while another one starts: it takes a lock
    # that this one holds.
    gc.collect()
    raise ServiceError(f"{name}: {problem}")


def _versions(found: Mapping[str, Any], packages: Sequence[str]) -> dict[str, str | None]:
    """Return versions of a scheduler or worker, as Dask finds them."""
    return {"python": _minor(found["packages"]["python"]), **{name: found["packages"].get(name) for name in packages}}


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _require_workers(client: Client, name: str) -> None:
    try:
        client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
    except TimeoutError:
        raise ServiceError(f"{name}: the cluster has no workers; start some with: dask worker") from None


def _distributed() -> ModuleType:
    try:
        import distributed
    except ImportError as error:
        raise LibraryMissingError(
            f"{error.name or 'distributed'} is not installed; install it with: pip install 'taxi-mlops[dask]'"
        ) from error
    return distributed
