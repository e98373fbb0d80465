"""Run tasks on a Ray cluster, by Ray's own scheduler: it queues them, and runs those of a dead worker elsewhere."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import psutil

from taxi_mlops.errors import LibraryMissingError, ServiceError
from taxi_mlops.scale.executors import Answer, Task, WorkerDiedError
from taxi_mlops.scale.shared_folders import Marker, look
from taxi_mlops.scale.versions import PACKAGES, require_equal

if TYPE_CHECKING:
    import ray

T = TypeVar("T")

_RETRIES = 2
_AHEAD = 4
"""Tasks that are handed over for each worker; Ray's queues are kept short, as its manual advises."""
_CONNECT_SECONDS = 15
_END_SECONDS = 2.0
_OBJECT_STORE_BYTES = 100_000_000
"""Points and labels are in files; answers are small."""
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S": "60",
    "RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S": "60",
}
"""Nothing is reported to the makers of Ray, and a busy machine has time to start it."""
_STARTS = 3
"""Ray gives up a start that takes half a minute, as on a busy machine it may."""
_NOT_STARTED = "Initialization failure from server"
"""What the server of clients says if the process of a new client died at its start, as now and then one does."""
_TOKEN = Path("~/.ray/auth_token")
_SILENCE = "RAY_DEDUP_LOGS_SKIP_REGEX"


class RayExecutor:
    """Runs tasks on the workers of the Ray cluster that this process is connected to: one for each of its CPUs."""

    def __init__(self, ray: ModuleType, name: str) -> None:
        self._ray, self.name = ray, name
        self._nodes: list[dict[str, Any]] = [node for node in ray.nodes() if node["Alive"]]
        self.workers = sum(_cpus(node) for node in self._nodes)

    @property
    def worker_names(self) -> list[str]:
        """The nodes, each with the number of its workers."""
        return sorted(f"{node['NodeManagerAddress']} ({_cpus(node)} CPUs)" for node in self._nodes)

    @property
    def bytes_of_a_worker(self) -> int | None:
        """The memory for one task, where it is smallest."""
        shares = [int(node["Resources"]["memory"]) // _cpus(node) for node in self._nodes if _cpus(node)]
        return min(shares, default=None)

    def require_shared(self, folders: Sequence[Path]) -> None:
        """Raise NotSharedError if a node does not see folders of this machine, or cannot write to them."""
        for folder in folders:
            with Marker(folder) as marker:
                marker.require(self.on_each_node(look, str(marker.path), marker.token), self.name)

    def on_each_node(self, function: Callable[..., T], *arguments: object) -> dict[str, T]:
        """Run a function once on each node; return the answers by its address."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        references = {}
        for node in self._nodes:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            remote = self._ray.remote(function).options(num_cpus=0, scheduling_strategy=there)
            references[node["NodeManagerAddress"]] = remote.remote(*arguments)
        return dict(zip(references, self._ray.get(list(references.values())), strict=True))

    def run(
        self, function: Callable[[Task], Answer], tasks: Sequence[Task], at_once: int | None = None
    ) -> Iterator[tuple[int, Answer]]:
        """Yield the number of each task with its answer, as they are done. at_once: fewer than there are workers.

        Raises what a task raises, WorkerDiedError, and ServiceError if the cluster is lost.
        """
        remote = self._ray.remote(_apply).options(name=function.__name__, num_cpus=1, max_retries=_RETRIES)
        waiting, running = iter(range(len(tasks))), dict[Any, int]()
        for number in islice(waiting, at_once or _AHEAD * self.workers):
            running[remote.remote(function, tasks[number])] = number
        try:
            while running:
                done, _ = self._ray.wait(list(running), num_returns=1)
                number = running.pop(done[0])
                yield number, self._answer(done[0], tasks[number])
                for further in islice(waiting, 1):
                    running[remote.remote(function, tasks[further])] = further
        except (ConnectionError, self._ray.exceptions.RaySystemError) as error:
            raise ServiceError(f"{self.name}: the connection to the Ray cluster was lost") from error
        finally:
            for reference in running:
                self._ray.cancel(reference)

    def _answer(self, reference: ray.ObjectRef[Answer], task: object) -> Answer:
        failures = self._ray.exceptions
        try:
            answer: Answer = self._ray.get(reference)
        except failures.RayTaskError as error:
            if isinstance(error.cause, MemoryError):
                raise WorkerDiedError(
                    f"{task}: there is not enough memory for it; give the workers more, or fewer of them"
                ) from None
            raise error.cause from None
        except (failures.WorkerCrashedError, failures.OutOfMemoryError, failures.NodeDiedError):
            raise WorkerDiedError(
                f"{task}: every worker that worked on it died; give the workers more memory, or fewer of them"
            ) from None
        return answer


def _apply(function: Callable[[Task], Answer], task: Task) -> Answer:
    return function(task)


@contextmanager
def ray_at(on: str) -> Iterator[RayExecutor]:
    """Connect to the cluster of a head node, `ray://HOST:PORT`.

    Raises ServiceError if it cannot be reached, UsageError if its nodes have other versions than this process, and
    LibraryMissingError.
    """
    _use_token()
    ray = _ray()
    address = urlsplit(on)
    try:
        socket.create_connection((address.hostname or "", address.port or 0), _CONNECT_SECONDS).close()
    except OSError:
        raise ServiceError(f"{on}: no Ray cluster answers there; start one with: ray start --head") from None
    with _session(ray, on, address=on):
        executor = RayExecutor(ray, on)
        found = executor.on_each_node(_finder(), ("python", *PACKAGES))
        require_equal(on, {f"node {node}": versions for node, versions in found.items()})
        yield executor


def _use_token() -> None:
    """Send the token, if there is one, to a cluster that runs: Ray by itself does so for those that it starts only.

    Ray reads this when it is imported; where it is already, the setting is the caller's.
    """
    found = "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ or _TOKEN.expanduser().exists()
    if found and "ray" not in sys.modules:
        os.environ.setdefault("RAY_AUTH_MODE", "token")


@contextmanager
def ray_here(workers: int, memory_bytes: int) -> Iterator[RayExecutor]:
    """Start a cluster of processes of this machine, and end it; a session that this process has is taken as it is.

    memory_bytes: of all workers together. Raises ServiceError if it does not start, and LibraryMissingError.
    """
    ray = _ray()
    if ray.is_initialized():
        yield RayExecutor(ray, "ray")
        return
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    started: list[psutil.Process] = []
    try:
        with _session(
            ray,
            "ray",
            address="local",  # a new one, even if another runs here
            num_cpus=workers,
            object_store_memory=_OBJECT_STORE_BYTES,
            include_dashboard=False,
            _memory=memory_bytes,
            _temp_dir=folder,
            _node_ip_address="127.0.0.1",
        ):
            try:
                yield RayExecutor(ray, "ray")
            finally:
                started = _processes_of_ray(folder)
    finally:
        _end(started)
        shutil.rmtree(folder, ignore_errors=True)


def _processes_of_ray(folder: str) -> list[psutil.Process]:
    """Return the processes that Ray has started for this one: they name its folder, or have a title of Ray's."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            command = " ".join(process.cmdline())
            if folder in command or command.startswith("ray::"):
                found.append(process)
    return found


def _end(processes: Sequence[psutil.Process]) -> None:
    """Kill those that do not end by themselves: Ray's agents otherwise see seconds later that their node is gone."""
    _, left = psutil.wait_procs(processes, timeout=_END_SECONDS)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()


@contextmanager
def _session(ray: ModuleType, name: str, **options: Any) -> Iterator[None]:  # noqa: ANN401 - Ray's own
    for left in reversed(range(_STARTS)):
        try:
            ray.init(log_to_driver=False, logging_level=logging.CRITICAL, configure_logging=True, **options)
        except Exception as error:
            ray.shutdown()
            refused = name.startswith("ray://") and not str(error).startswith(_NOT_STARTED)
            if refused or not left:
                raise ServiceError(f"{name}: {' '.join(str(error).split())}") from error
        else:
            break
    try:
        yield
    finally:
        ray.shutdown()


def _cpus(node: dict[str, Any]) -> int:
    return int(node["Resources"].get("CPU", 0))


def _finder() -> Callable[[Sequence[str]], dict[str, str | None]]:
    """Return a function that finds versions where this package is not installed: it is sent as it is."""

    def find(packages: Sequence[str]) -> dict[str, str | None]:
        import platform
        from importlib.metadata import PackageNotFoundError, version

        found: dict[str, str | None] = {}
        for package in packages:
            try:
                found[package] = version(package) if package != "python" else None
            except PackageNotFoundError:
                found[package] = None
        found["python"] = ".".join(platform.python_version_tuple()[:2])
        return found

    return find


@contextmanager
def _quiet() -> Iterator[None]:
    """Have Ray print nothing of its workers, which it would put among the results; it reads this when it is imported.

    A setting of the user's, and a library that is imported already, are left as they are.
    """
    if _SILENCE in os.environ:
        yield
        return
    os.environ[_SILENCE] = "."
    try:
        yield
    finally:
        del os.environ[_SILENCE]


def _ray() -> ModuleType:
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        with _quiet():
            import ray
    except ImportError as error:
        raise LibraryMissingError(
            f"{error.name or 'ray'} is not installed; install it with: pip install 'taxi-mlops[ray]'"
        ) from error
    return ray
