"""Open clusters by their addresses, as users write them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from taxi_mlops.scale.executors import Executor

MIN_BYTES_OF_A_WORKER = 500_000_000
_BYTES_OF_THIS_PROCESS = 400_000_000
_BYTES_OF_A_CLUSTER = {"dask": 300_000_000, "ray": 700_000_000}
"""Of its scheduler, and of what starts and watches the workers."""


def bytes_for_workers(kind: str, memory_bytes: int) -> int:
    """Return what all workers may use if all processes of this machine may use so much. kind: tiles, dask or ray."""
    return memory_bytes - _BYTES_OF_THIS_PROCESS - _BYTES_OF_A_CLUSTER.get(kind, 0)


class ClusterExecutor(Executor, Protocol):
    """Runs tasks on the workers of a cluster, which may be other machines."""

    @property
    def worker_names(self) -> list[str]:
        """What the cluster calls its workers."""
        ...

    @property
    def bytes_of_a_worker(self) -> int | None:
        """The memory for one task, where it is smallest; None if the cluster does not know it."""
        ...

    def require_shared(self, folders: Sequence[Path]) -> None:
        """Raise NotSharedError if a worker does not see folders of this machine, or cannot write to them."""
        ...


def connect(address: str) -> AbstractContextManager[ClusterExecutor]:
    """Connect to a cluster that runs: `dask://HOST:PORT`, `tls://HOST:PORT` or `ray://HOST:PORT`.

    Raises ServiceError if it cannot be used, UsageError if it has other versions, and LibraryMissingError.
    """
    if address.startswith("ray://"):
        from taxi_mlops.scale.on_ray import ray_at

        return ray_at(address)
    from taxi_mlops.scale.on_dask import dask_at

    return dask_at(address)


def start(kind: str, workers: int, memory_bytes: int) -> AbstractContextManager[ClusterExecutor]:
    """Start a cluster of this machine, `dask` or `ray`, that ends with the context. memory_bytes: of all workers.

    Raises ServiceError if it does not start, and LibraryMissingError.
    """
    if kind == "ray":
        from taxi_mlops.scale.on_ray import ray_here

        return ray_here(workers, memory_bytes)
    from taxi_mlops.scale.on_dask import dask_here

    return dask_here(workers, memory_bytes)
