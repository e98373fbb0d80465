"""Every figure about the engine, each by one command; `all` makes them one after the other.

    python benchmarks/engine.py all --quick --output engine.json     # a quarter of an hour on two quiet cores

compare      against the SIGMOD 2020 library `dbscan` on points made from the Santiago trips: seconds in turn, ratios,
             one and two threads, great circle and plane, bytes a point, equal answers
peers        against the other implementations that are installed, at sizes that they bear, each marked exact or not
growth       the exponent of time against n, 0.1 to 100 million points at one density; 100 million against numpy.sort
adversarial  the exponents of sets made to be difficult, 0.1 to 10 million points, without fixed costs
start        the first call with a cold and with a warm compilation cache, against the second
predict      predictions a second, on a model of 10 million points
plot         the chart of a result: engine.py plot engine.json engine.svg

Each contestant is a process of its own that keeps its points and answers one call at a time; the parent lets them run
in turn, so that they share whatever else the machine does. All take the same points in the plane (the library takes two
dimensions), but for `grid-sphere` and `sklearn-haversine`, which take them in degrees. `--output` keeps the sections
that the file has from earlier commands. `--points` takes sizes in millions and replaces those of the command.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from engine_plot import draw
from engine_points import DIFFICULT, make_points
from engine_worker import NO_CORE, PACKAGES, SPHERICAL, Measured, Worker, installed
from taxi_mlops.trials.machine import describe_machine

PARAMETERS = [(50.0, 10), (100.0, 50), (50.0, 100), (200.0, 500), (100.0, 500)]
CONTESTANTS = ["dbscan", "grid", "grid-one-thread", "grid-sphere"]
PEERS = {
    "sklearn-haversine": 450_000,
    "sklearn": 450_000,
    "dbscan-torch": 10_000_000,
    "mlpack": 450_000,
    "sklearnex": 100_000,
    "hdbscan": 100_000,
}
"""The most points that each is asked to cluster."""
PEER_SIZES = [100_000, 450_000, 10_000_000]
FIXED = 1000
"""Points whose time is taken for the fixed costs of a call."""


def sizes(arguments: argparse.Namespace, default: list[int]) -> list[int]:
    """Return the numbers of points of a command."""
    if arguments.points is None:
        return default
    return [round(float(millions) * 1e6) for millions in arguments.points.split(",")]


def start_workers(names: list[str], points: str, n: int, arguments: argparse.Namespace) -> dict[str, Worker]:
    """Start contestants on a set of Santiago and wait for all."""
    workers = {
        name: Worker(
            name,
            f"{points} in degrees" if name in SPHERICAL else points,
            n,
            arguments.data,
            1 if name == "grid-one-thread" else arguments.threads,
        )
        for name in names
    }
    for worker in workers.values():
        worker.wait()
    return workers


def same_answer(reference: Path, candidate: Path) -> dict[str, int | bool | None]:
    """Count the points that differ: core points, core points outside corresponding clusters, noise."""
    from taxi_mlops.evaluation.contingency import matched_cells, tabulate

    one, two = np.load(reference), np.load(candidate)
    core = one["core"]
    clustered = core & (two["labels"] >= 0)
    table = tabulate(one["labels"][clustered].astype(np.int32), two["labels"][clustered].astype(np.int32))
    cores = None if len(two["core"]) == len(NO_CORE) else int((core != two["core"]).sum())
    noise = int(((one["labels"] < 0) != (two["labels"] < 0)).sum())
    parted = bool(matched_cells(table).all()) is False
    return {"core_differing": cores, "noise_differing": noise, "partition_differing": parted} | {
        "equal": not (cores or noise or parted)
    }


def compare(arguments: argparse.Namespace, scratch: Path) -> dict:
    """Measure all parameters on all sizes against `dbscan`."""
    rows = []
    for n in sizes(arguments, [450_000, 904_000, 5_000_000, 10_000_000]):
        workers = start_workers(CONTESTANTS, "santiago", n, arguments)
        for eps, min_samples in PARAMETERS:
            runs: dict[str, list[Measured]] = {name: [] for name in CONTESTANTS}
            for turn in range(arguments.rounds):
                # The first after one that gave back gigabytes pays for the kernel's work: so each is that in its turn.
                first = turn % len(CONTESTANTS)
                for name in CONTESTANTS[first:] + CONTESTANTS[:first]:
                    measured = workers[name].run(eps, min_samples, scratch / f"{name}.npz" if turn == 0 else None)
                    if measured is None:
                        sys.exit(f"{name} gave no answer for {n} points, eps {eps:g}, min_samples {min_samples}")
                    runs[name].append(measured)
            rows.append(row_of(n, eps, min_samples, runs, scratch))
            print(json.dumps({key: value for key, value in rows[-1].items() if key != "runs"}), flush=True)
        for worker in workers.values():
            worker.close()
    return {
        "geometric_mean_ratio": round(statistics.geometric_mean(row["ratio"] for row in rows), 2),
        "geometric_mean_cpu_ratio": round(statistics.geometric_mean(row["cpu_ratio"] for row in rows), 2),
        "smallest_ratio": min(row["ratio"] for row in rows),
        "geometric_mean_sphere_to_plane": round(statistics.geometric_mean(row["sphere_to_plane"] for row in rows), 2),
        "geometric_mean_threads": round(statistics.geometric_mean(row["threads"] for row in rows), 2),
        "most_bytes_per_point": max(row["bytes_per_point"] for row in rows),
        "all_equal": all(row["answer"]["equal"] for row in rows),
        "workloads": rows,
    }


def row_of(n: int, eps: float, min_samples: int, runs: dict[str, list[Measured]], scratch: Path) -> dict:
    """Sum up the runs of one workload."""
    median = {name: statistics.median(run.wall for run in runs[name]) for name in CONTESTANTS}
    cpu = {name: min(run.cpu for run in runs[name]) for name in CONTESTANTS}
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
        "bytes_per_point": round(max(run.peak for run in runs["grid"]) / n, 1),
        "answer": same_answer(scratch / "grid.npz", scratch / "dbscan.npz"),
        "runs": {name: [run._asdict() for run in values] for name, values in runs.items()},
    }


def peers(arguments: argparse.Namespace, scratch: Path) -> dict:
    """Run each installed peer once or twice at the sizes that it can handle, beside the engine, with (50, 10)."""
    eps, min_samples = 50.0, 10
    rows: list[dict] = []
    missing = [name for name in PEERS if not installed(name)]
    for n in sizes(arguments, PEER_SIZES):
        names = [name for name in PEERS if name not in missing and n <= PEERS[name]]
        for name in names:
            grid = "grid-sphere" if name in SPHERICAL else "grid"
            workers = start_workers([grid, name], "santiago", n, arguments)
            rounds = 1 if arguments.quick else 3
            row: dict = {"peer": name, "points": n, "eps": eps, "min_samples": min_samples}
            for turn in range(rounds):
                files = {worker: scratch / f"{worker}.npz" if turn == 0 else None for worker in workers}
                ours, theirs = (
                    workers[who].run(eps, min_samples, files[who], arguments.timeout) for who in (grid, name)
                )
                if theirs is None or ours is None:
                    row["failed"] = f"no answer within {arguments.timeout:g} s"
                    break
                if turn == 0 or theirs.wall < row["seconds"]:
                    row |= {"seconds": theirs.wall, "engine_seconds": ours.wall, "ratio": theirs.wall / ours.wall}
                    row |= {"cpu_seconds": theirs.cpu, "engine_cpu_seconds": ours.cpu}
                    row["cpu_ratio"] = theirs.cpu / ours.cpu
                    row["bytes_per_point"] = theirs.peak / n
            if "failed" not in row:
                row["answer"] = same_answer(scratch / f"{grid}.npz", scratch / f"{name}.npz")
                row["exact"] = row["answer"]["equal"]
            rows.append({key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()})
            print(json.dumps(rows[-1]), flush=True)
            for worker in workers.values():
                worker.close()
    return {"not_installed": missing, "workloads": rows}


def exponent(points: list[int], seconds: list[float], fixed: float) -> float:
    """Return the slope of the logarithms, the fixed cost taken off."""
    costs = [max(value - fixed, 1e-9) for value in seconds]
    return float(np.polyfit(np.log(points), np.log(costs), 1)[0])


def timed(points: str, n: int, eps: float, min_samples: int, arguments: argparse.Namespace, name: str) -> dict | None:
    """Return the least CPU time of a few calls, the wall time beside it, and memory; None if it took too long."""
    worker = Worker(name, points, n, arguments.data, arguments.threads)
    worker.wait()
    runs = []
    for _ in range(2 if arguments.quick and n > 1_000_000 else 3):
        run = worker.run(eps, min_samples, timeout=arguments.timeout)
        if run is None:
            break
        runs.append(run)
    worker.close()
    if not runs:
        return None
    best = min(runs, key=lambda run: run.cpu)
    return {
        "points": n,
        "seconds": round(min(run.wall for run in runs), 4),
        "cpu_seconds": round(best.cpu, 4),
        "bytes_per_point": round(max(run.peak for run in runs) / n, 1),
        "total_bytes": max(run.total for run in runs),
    }


def fitted(
    points: str,
    eps: float,
    min_samples: Callable[[int], int],
    name: str,
    counts: list[int],
    arguments: argparse.Namespace,
) -> dict:
    """Measure a set at several sizes and fit the exponent of its CPU time."""
    fixed = timed(points, FIXED, eps, min_samples(FIXED), arguments, name)
    rows = []
    for n in counts:
        row = timed(points, n, eps, min_samples(n), arguments, name)
        if row is None:
            print(f"{points}: more than {arguments.timeout:g} s for {n} points", flush=True)
            break
        rows.append(row)
        print(json.dumps({"set": points, **row}), flush=True)
    result: dict = {"eps": eps, "fixed_cpu_seconds": fixed and fixed["cpu_seconds"], "sizes": rows}
    result["finished"] = len(rows) == len(counts)
    if len(rows) > 1:
        known = [row["points"] for row in rows], [row["cpu_seconds"] for row in rows]
        result["exponent"] = round(exponent(*known, fixed["cpu_seconds"] if fixed else 0.0), 3)
        last = rows[-2:]
        growth = math.log(last[1]["cpu_seconds"] / last[0]["cpu_seconds"])
        result["last_exponent"] = round(growth / math.log(last[1]["points"] / last[0]["points"]), 3)
    return result


def growth(arguments: argparse.Namespace, _: Path) -> dict:
    """Fit the exponent at fixed density, and hold the largest size against numpy.sort."""
    counts = sizes(arguments, [100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000])
    result = fitted("cities", 200.0, lambda _: 50, "grid", counts, arguments)
    keys = np.random.default_rng(0).integers(-(2**31), 2**31, counts[-1], dtype=np.int32)
    began = time.perf_counter()
    np.sort(keys)
    result["sort_seconds"] = time.perf_counter() - began
    del keys
    if result["finished"]:
        result["times_of_sort"] = round(result["sizes"][-1]["seconds"] / result["sort_seconds"], 1)
    dense = timed("santiago", counts[-1], 50.0, 100, arguments, "grid")
    result["one_city"] = dense and {**dense, "times_of_sort": round(dense["seconds"] / result["sort_seconds"], 1)}
    print(json.dumps({key: value for key, value in result.items() if key != "sizes"}), flush=True)
    return result


def adversarial(arguments: argparse.Namespace, _: Path) -> dict:
    """Fit the exponents of the difficult sets."""
    results = {}
    for name, difficult in DIFFICULT.items():
        if arguments.only and arguments.only not in name:
            continue
        counts = sizes(arguments, [100_000, 300_000, 1_000_000, 3_000_000, 10_000_000])
        who = "grid-sphere" if difficult.spherical else "grid"
        results[name] = fitted(name, difficult.eps, difficult.min_samples, who, counts, arguments)
        print(json.dumps({"set": name, **{key: value for key, value in results[name].items() if key != "sizes"}}))
    return results


START = """
import time
began = time.perf_counter()
import numpy as np
from haversine_dbscan.clustering import dbscan, dbscan_plane
imported = time.perf_counter() - began
points = np.random.default_rng(0).normal(0, 1e-2, (100_000, 2))
run, eps = (dbscan, 100.0) if "{metric}" == "great_circle" else (dbscan_plane, 1e-3)
calls = []
for _ in range(2):
    wall, cpu = time.perf_counter(), time.process_time()
    run(points[:, 0], points[:, 1], eps, 10)
    calls += [time.perf_counter() - wall, time.process_time() - cpu]
print(imported, *calls)
"""


def start(_: argparse.Namespace, scratch: Path) -> dict:
    """Time the first call in fresh processes: with an empty compilation cache, then with the one that this filled.

    They run copies of the engine, as code beside its sources would be found in any case.
    """
    results = {}
    package = Path(find_spec("haversine_dbscan").origin).parent
    for metric in ("great_circle", "euclidean"):
        shutil.copytree(package, scratch / metric / package.name, ignore=shutil.ignore_patterns("__pycache__"))
        environment = {**os.environ, "PYTHONPATH": str(scratch / metric)}
        environment.pop("NUMBA_CACHE_DIR", None)
        for cache in ("cold", "warm"):
            script = START.format(metric=metric)
            done = subprocess.run(
                [sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True
            )
            imported, first, first_cpu, second, second_cpu = map(float, done.stdout.split())
            key = f"{metric} {cache}"
            results[key] = {
                "import_seconds": round(imported, 3),
                "first_call_more_seconds": round(first - second, 3),
                "first_call_more_cpu_seconds": round(first_cpu - second_cpu, 3),
            }
            print(json.dumps({key: results[key]}), flush=True)
    return results


def predict(arguments: argparse.Namespace, _: Path) -> dict:
    """Fit a model, and predict as many new points of the same city."""
    from haversine_dbscan.estimator import GridDBSCAN

    [n] = sizes(arguments, [10_000_000])
    points = make_points("santiago in degrees", n, arguments.data)
    began = time.perf_counter()
    model = GridDBSCAN(eps=100.0, min_samples=500, n_jobs=arguments.threads).fit(points)
    fit = time.perf_counter() - began
    asked = points + np.random.default_rng(2).normal(0, 2e-4, points.shape)
    began = time.perf_counter()
    model.predict(asked[:1000])
    first = time.perf_counter() - began
    began = time.perf_counter()
    model.predict(asked)
    seconds = time.perf_counter() - began
    result = {
        "points": n,
        "core_points": len(model.components_),
        "fit_seconds": round(fit, 3),
        "first_1000_seconds": round(first, 3),
        "predictions_per_second": round(n / seconds),
    }
    print(json.dumps(result), flush=True)
    return result


COMMANDS = {
    "compare": compare,
    "growth": growth,
    "adversarial": adversarial,
    "start": start,
    "predict": predict,
    "peers": peers,
}


def versions() -> dict[str, str]:
    """Return the versions of what is installed."""
    found = {}
    for name in sorted({*PACKAGES, "numpy", "numba", "scikit-learn", "scikit-learn-intelex"}):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    """Measure what is asked for, print a line for each result, and write everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=[*COMMANDS, "all", "plot"])
    parser.add_argument("files", nargs="*", type=Path, help="of plot: the result and the picture")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--points", help="sizes in millions, by comma")
    parser.add_argument("--only", help="of adversarial: sets with this in their name")
    parser.add_argument("--rounds", type=int, help="of compare; 5, or 3 with --quick")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for one call")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "plot":
        result, picture = arguments.files
        draw(json.loads(result.read_text()), picture)
        return
    arguments.rounds = arguments.rounds or (3 if arguments.quick else 5)
    result = json.loads(arguments.output.read_text()) if arguments.output and arguments.output.exists() else {}
    result |= {"machine": describe_machine().model_dump(), "versions": versions(), "threads": arguments.threads}
    began = time.perf_counter()
    for name in COMMANDS if arguments.command == "all" else [arguments.command]:
        with tempfile.TemporaryDirectory() as scratch:
            print(f"--- {name} ({time.perf_counter() - began:.0f} s)", flush=True)
            result[name] = COMMANDS[name](arguments, Path(scratch))
        if arguments.output:
            arguments.output.write_text(json.dumps(result, indent=1))
    if arguments.command in ("compare", "all"):
        print(json.dumps({key: value for key, value in result["compare"].items() if key != "workloads"}, indent=2))


if __name__ == "__main__":
    main()
