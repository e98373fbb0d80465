"""The engine against the SIGMOD 2020 library `dbscan`, on points made from the Santiago trips.

    python benchmarks/engine.py [--points 450000,904000,5000000,10000000] [--rounds 5] [--output engine.json]

Each contestant is a process of its own that keeps its points and answers one call at a time; the parent lets them run
in turn, so that they share whatever else the machine does. All take the same points in the plane (the library takes two
dimensions), but for `grid-sphere`, which takes the same in degrees. Both sides use the same number of threads. Written:
all wall and CPU seconds, peak memory beyond the input, whether the answers are the same (core points, their partition,
noise), and the ratios of the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from santiago import FloatArray, peak_bytes, plane, reset_peak, santiago

PARAMETERS = [(50.0, 10), (100.0, 50), (50.0, 100), (200.0, 500), (100.0, 500)]
CONTESTANTS = ["dbscan", "grid", "grid-one-thread", "grid-sphere"]


def cluster(name: str, points: FloatArray, eps: float, min_samples: int, threads: int) -> tuple:
    """Run one contestant once; return labels and core mask."""
    if name == "dbscan":
        from dbscan import DBSCAN

        return DBSCAN(points, eps, min_samples)
    from taxi_mlops.engine.dbscan import dbscan, dbscan_plane

    run = dbscan if name == "grid-sphere" else dbscan_plane
    return run(points[:, 0], points[:, 1], eps, min_samples, threads=1 if name == "grid-one-thread" else threads)


def contestant(name: str, folder: Path, n: int, threads: int, pipe: Connection) -> None:
    """Answer calls (eps, min_samples, file for the answer or None) until told None."""
    os.environ["PARLAY_NUM_THREADS"] = str(threads)
    points = santiago(folder, n)
    if name != "grid-sphere":
        points = plane(points)
    cluster(name, points[:10_000], 50.0, 10, threads)
    cluster(name, points[:10_000], 50.0, 500, threads)
    pipe.send("ready")
    while (call := pipe.recv()) is not None:
        eps, min_samples, file = call
        before = reset_peak()
        wall, cpu = time.perf_counter(), time.process_time()
        labels, core = cluster(name, points, eps, min_samples, threads)
        seconds = time.perf_counter() - wall, time.process_time() - cpu
        peak = peak_bytes() - before
        if file is not None:
            np.savez(file, labels=labels, core=core)
        pipe.send((*seconds, peak))


def same_answer(reference: Path, candidate: Path) -> bool:
    """Return whether core points, their partition and noise are the same."""
    from taxi_mlops.evaluation.contingency import matched_cells, tabulate

    one, two = np.load(reference), np.load(candidate)
    core = one["core"]
    if not (np.array_equal(core, two["core"]) and np.array_equal(one["labels"] < 0, two["labels"] < 0)):
        return False
    labels = [side["labels"][core].astype(np.int32) for side in (one, two)]
    return bool(matched_cells(tabulate(*labels)).all())


def workloads_of(n: int, arguments: argparse.Namespace, scratch: Path) -> list[dict]:
    """Measure all parameters on n points."""
    context = get_context("spawn")
    pipes, processes = {}, []
    for name in CONTESTANTS:
        pipes[name], other = context.Pipe()
        process = context.Process(target=contestant, args=(name, arguments.data, n, arguments.threads, other))
        process.start()
        pipes[name].recv()
        processes.append(process)
    rows = []
    for eps, min_samples in PARAMETERS:
        runs: dict[str, list] = {name: [] for name in CONTESTANTS}
        for turn in range(arguments.rounds):
            for name in CONTESTANTS:
                file = scratch / f"{name}.npz" if turn == 0 else None
                pipes[name].send((eps, min_samples, file))
                runs[name].append(pipes[name].recv())
        rows.append(row_of(n, eps, min_samples, runs, scratch))
        print(json.dumps({key: value for key, value in rows[-1].items() if key != "runs"}), flush=True)
    for process in processes:
        pipes[CONTESTANTS[processes.index(process)]].send(None)
        process.join()
    return rows


def row_of(n: int, eps: float, min_samples: int, runs: dict[str, list], scratch: Path) -> dict:
    """Sum up the runs of one workload."""
    median = {name: statistics.median(wall for wall, _, _ in runs[name]) for name in CONTESTANTS}
    cpu = {name: min(seconds for _, seconds, _ in runs[name]) for name in CONTESTANTS}
    return {
        "points": n,
        "eps": eps,
        "min_samples": min_samples,
        "seconds": {name: round(value, 4) for name, value in median.items()},
        "cpu_seconds": {name: round(value, 4) for name, value in cpu.items()},
        "ratio": round(median["dbscan"] / median["grid"], 2),
        "cpu_ratio": round(cpu["dbscan"] / cpu["grid"], 2),
        "sphere_to_plane": round(cpu["grid-sphere"] / cpu["grid"], 2),
        "threads": round(median["grid-one-thread"] / median["grid"], 2),
        "bytes_per_point": round(max(peak for _, _, peak in runs["grid"]) / n, 1),
        "same_answer": same_answer(scratch / "dbscan.npz", scratch / "grid.npz"),
        "runs": runs,
    }


def main() -> None:
    """Measure, print a line for each workload, and write everything."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", default="450000,904000,5000000,10000000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        rows = [row for n in map(int, arguments.points.split(",")) for row in workloads_of(n, arguments, Path(scratch))]
    result = {
        "machine": {"platform": platform.platform(), "processor": platform.processor(), "cpus": os.cpu_count()},
        "versions": {name: version(name) for name in ("numpy", "numba", "dbscan")},
        "threads": arguments.threads,
        "geometric_mean_ratio": round(statistics.geometric_mean(row["ratio"] for row in rows), 2),
        "geometric_mean_cpu_ratio": round(statistics.geometric_mean(row["cpu_ratio"] for row in rows), 2),
        "smallest_ratio": min(row["ratio"] for row in rows),
        "workloads": rows,
    }
    print(json.dumps({key: value for key, value in result.items() if key != "workloads"}, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
