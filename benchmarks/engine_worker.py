"""A contestant of `engine.py` in a process of its own: it keeps its points and answers one call at a time."""

from __future__ import annotations

import mmap
import os
import signal
import time
from importlib.util import find_spec
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine_points import make_points
from santiago import FloatArray, peak_bytes, reset_peak

NO_CORE = np.empty(0, dtype=np.bool_)
"""For contestants that do not tell which points are core."""

PACKAGES = {
    "grid": "numba",
    "grid-one-thread": "numba",
    "grid-sphere": "numba",
    "dbscan": "dbscan",
    "sklearn": "sklearn",
    "sklearn-haversine": "sklearn",
    "sklearnex": "sklearnex",
    "hdbscan": "hdbscan",
    "dbscan-torch": "dbscan_torch",
    "mlpack": "mlpack",
}
SPHERICAL = ("grid-sphere", "sklearn-haversine")


class Measured(NamedTuple):
    """One call. peak: bytes beyond what the process held before. total: the peak of the whole process, in bytes."""

    wall: float
    cpu: float
    peak: int
    total: int


def installed(name: str) -> bool:
    """Return whether the contestant's package is there."""
    return find_spec(PACKAGES[name]) is not None


def cluster(name: str, points: FloatArray, eps: float, min_samples: int, threads: int) -> tuple[NDArray, NDArray]:
    """Run one contestant once; return labels and core mask. Points in metres, or degrees for `SPHERICAL`."""
    if name.startswith("grid"):
        from haversine_dbscan.clustering import dbscan, dbscan_plane

        run = dbscan if name == "grid-sphere" else dbscan_plane
        return run(points[:, 0], points[:, 1], eps, min_samples, threads=1 if name == "grid-one-thread" else threads)
    if name == "dbscan":
        from dbscan import DBSCAN

        return DBSCAN(points, eps, min_samples)
    if name == "hdbscan":
        from hdbscan import HDBSCAN

        model = HDBSCAN(min_samples=max(min_samples - 1, 1), approx_min_span_tree=False, core_dist_n_jobs=threads)
        cut = np.nextafter(eps, np.inf)
        return model.fit(points).dbscan_clustering(cut_distance=cut, min_cluster_size=2), NO_CORE
    if name == "dbscan-torch":
        import torch
        from dbscan_torch import dbscan2d

        torch.set_num_threads(threads)
        centred = torch.from_numpy((points - points.mean(axis=0)).astype(np.float32))
        return dbscan2d(centred, eps=eps, min_samples=min_samples).numpy(), NO_CORE
    if name == "mlpack":
        import mlpack

        found = mlpack.dbscan(input_=points, epsilon=eps, min_size=min_samples)["assignments"].ravel()
        return np.where(found < len(points), found, -1).astype(np.int64), NO_CORE
    return _like_scikit_learn(name, points, eps, min_samples, threads)


def _like_scikit_learn(
    name: str, points: FloatArray, eps: float, min_samples: int, threads: int
) -> tuple[NDArray, NDArray]:
    from haversine_dbscan.geodesy import EARTH_RADIUS_METRES

    options = {}
    if name == "sklearnex":
        from sklearnex.cluster import DBSCAN

        points = (points - points.mean(axis=0)) / eps  # it subtracts squares, so the origin must be near
        eps = 1.0
    else:
        from sklearn.cluster import DBSCAN
    if name == "sklearn-haversine":
        points, eps = np.radians(points), eps / EARTH_RADIUS_METRES
        options = {"metric": "haversine", "algorithm": "ball_tree"}
    model = DBSCAN(eps=eps, min_samples=min_samples, n_jobs=threads, **options).fit(points)
    core = np.zeros(len(points), dtype=np.bool_)
    core[model.core_sample_indices_] = True
    return model.labels_, core


class Worker:
    """The parent's side of a contestant with its points. It is stopped between its calls: some libraries' threads go on
    looking for work for a while, and would take the CPUs from whoever is measured next."""

    def __init__(self, name: str, points: str, n: int, folder: Path, threads: int) -> None:
        self.name = name
        context = get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(name, points, n, folder, threads, other))
        self._process.start()
        other.close()

    def wait(self) -> None:
        """Wait until the points are made and the first, untimed calls are done."""
        self._pipe.recv()
        self._signal(signal.SIGSTOP)

    def run(self, eps: float, min_samples: int, file: Path | None = None, timeout: float = 600.0) -> Measured | None:
        """Cluster once; None if it takes longer, or the process dies. `file` takes the answer."""
        try:
            self._signal(signal.SIGCONT)
            self._pipe.send((eps, min_samples, file))
            if not self._pipe.poll(timeout):
                return None
            return Measured(*self._pipe.recv())
        except (EOFError, BrokenPipeError):
            return None
        finally:
            self._signal(signal.SIGSTOP)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, number)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


def touch(size: int) -> None:
    """Write to so many bytes of fresh memory, and free them.

    The host of a virtual machine may take free pages back, and the first touch of one that it took costs forty times as
    much. Whoever is measured after a long run would pay for that; so each gets what it needs before its time is taken.
    It is mapped apart from the allocator, which would keep some of it, and so spare a later call its page faults.
    """
    with mmap.mmap(-1, max(size, mmap.PAGESIZE)) as region:
        for offset in range(0, size, mmap.PAGESIZE):
            region[offset] = 1


def _serve(name: str, points_name: str, n: int, folder: Path, threads: int, pipe: Connection) -> None:
    """Make the points, warm up, and answer calls until the parent ends the process."""
    os.environ["PARLAY_NUM_THREADS"] = str(threads)
    points = make_points(points_name, n, folder)
    for min_samples in (10, 500):
        cluster(name, points[:10_000], 50.0, min_samples, threads)
    pipe.send("ready")
    most = 0
    while True:
        try:
            eps, min_samples, file = pipe.recv()
        except EOFError:  # the parent is gone
            return
        touch(most)
        before = reset_peak()
        wall, cpu = time.perf_counter(), time.process_time()
        labels, core = cluster(name, points, eps, min_samples, threads)
        seconds = time.perf_counter() - wall, time.process_time() - cpu
        total = peak_bytes()
        if file is not None:
            np.savez(file, labels=labels, core=core)
        del labels, core
        most = max(most, total - before)
        pipe.send((*seconds, total - before, total))
