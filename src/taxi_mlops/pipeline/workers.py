"""Open what clusters the tiles: processes of this machine, or a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from taxi_mlops.clustering import Cluster
from taxi_mlops.errors import UsageError
from taxi_mlops.pipeline.resolve import threads_to_use
from taxi_mlops.reports.units import memory
from taxi_mlops.scale.clusters import MIN_BYTES_OF_A_WORKER, ClusterExecutor, bytes_for_workers, connect, start
from taxi_mlops.scale.executors import Executor, Processes
from taxi_mlops.scale.run import Limits
from taxi_mlops.transport import require_encrypted


@dataclass(frozen=True, slots=True)
class Workers:
    """What runs the tasks, and on how much at a time. cluster: the same executor, if it is a cluster's."""

    executor: Executor
    limits: Limits
    cluster: ClusterExecutor | None = None


@contextmanager
def open_workers(document: Cluster, memory_bytes: int, require_tls: bool = False) -> Iterator[Workers]:
    """Open one worker for each thread, as far as memory is enough, or connect to those of a cluster that runs.

    memory_bytes: for all processes of this machine. require_tls: whether a cluster elsewhere must have TLS. Raises
    UsageError if the memory is too little for one worker, UnencryptedError, and as `connect` and `start` do.
    """
    on = document.on or "tiles"
    rest = bytes_for_workers(on, memory_bytes)
    if "://" in on:
        if require_tls:
            require_encrypted(on, "--on")
        with connect(on) as cluster:
            share = cluster.bytes_of_a_worker or rest // cluster.workers
            if share < MIN_BYTES_OF_A_WORKER:
                raise UsageError(
                    f"{on}: a worker has {memory(share)} for each of its threads, and needs "
                    f"{memory(MIN_BYTES_OF_A_WORKER)}; start workers with fewer threads or more memory"
                )
            yield Workers(cluster, Limits.of_memory(share), cluster)
        return
    if rest < MIN_BYTES_OF_A_WORKER:
        where = "" if on == "tiles" else f" on {on}"
        least = memory(memory_bytes - rest + MIN_BYTES_OF_A_WORKER)
        raise UsageError(f"--memory-limit {memory(memory_bytes)}: tiles{where} need {least} or more")
    count = max(min(threads_to_use(document.threads), rest // MIN_BYTES_OF_A_WORKER), 1)
    limits = Limits.of_memory(rest // count)
    if on == "tiles":
        with Processes(count) as processes:
            yield Workers(processes, limits)
    else:
        with start(on, count, rest) as cluster:  # a tile that cannot be cut is clustered alone, in all the memory
            yield Workers(cluster, limits, cluster)
