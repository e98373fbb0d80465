"""How long `taxi cluster --on tiles` takes, how much memory and disk, beside a bare script that only reads and writes.

    python benchmarks/scale.py run --points 1,10,100 --output scale.json
    python benchmarks/scale.py run --points 1000 --memory-limit 6GB --rounds 1 --output scale.json

Points are those of `scale_points.py`: Parquet parts of ten million rows with two columns of float64. In each round the
bare script and the clusterings run in turns, each as processes of its own: the script reads the two columns with
pyarrow and writes a column of int32, and does nothing else. Peak memory is the sum of the proportional set sizes (PSS)
of all processes, four times a second; peak spill the size of the spill folder, as often. Each round drops the
parts from the page cache first. `--points` are millions. What was measured earlier stays in the file of `--output`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

from scale_points import write_points
from taxi_mlops.trials.machine import describe_machine

BARE = """
import sys
from pathlib import Path
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
source, target = map(Path, sys.argv[1:])
target.mkdir()
for path in sorted(source.glob("*.parquet")):
    table = pq.read_table(path, columns=["latitude", "longitude"])
    label = (table["latitude"].to_numpy() * 100.0).astype(np.int32)
    pq.write_table(pa.table({"label": label}), target / path.name)
"""
_SAMPLE_SECONDS = 0.25


class Measured(NamedTuple):
    """What a command took: seconds on the wall and of all CPUs, and bytes at the peak."""

    seconds: float
    cpu_seconds: float
    memory_bytes: int
    spill_bytes: int


def measure(command: list[str], spill: Path | None = None) -> tuple[Measured, str]:
    """Run a command; return what it took, and what it wrote to stdout."""
    with tempfile.TemporaryFile("w+") as output:
        started, memory, disk = time.perf_counter(), 0, 0
        process = psutil.Popen(command, stdout=output)
        cpu: dict[int, float] = {}
        while process.poll() is None:
            memory = max(memory, _memory(process, cpu))
            disk = max(disk, _disk(spill) if spill else 0)
            time.sleep(_SAMPLE_SECONDS)
        seconds = time.perf_counter() - started
        if process.returncode:
            sys.exit(f"{' '.join(command)} ended with {process.returncode}")
        output.seek(0)
        return Measured(round(seconds, 2), round(sum(cpu.values()), 2), memory, disk), output.read()


def _memory(process: psutil.Process, cpu: dict[int, float]) -> int:
    """Return the PSS of a process and all its descendants, and note their CPU seconds by process."""
    total = 0
    try:
        everyone = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for one in everyone:
        try:
            times = one.cpu_times()
            cpu[one.pid] = times.user + times.system
            rollup = Path(f"/proc/{one.pid}/smaps_rollup").read_text()
            total += next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
        except (psutil.NoSuchProcess, OSError, StopIteration):
            continue  # it has just ended
    return total


def _disk(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue  # it was renamed
    return total


def forget(paths: list[Path]) -> None:
    """Drop files from the page cache, as far as the kernel likes."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def run(arguments: argparse.Namespace, scratch: Path) -> list[dict]:
    """Measure all sizes; return a row for each."""
    rows = []
    for millions in arguments.points.split(","):
        n = round(float(millions) * 1e6)
        points = scratch / f"points-{n}"
        paths = write_points(arguments.data, points, n)
        bare, tiles = [], {workers: [] for workers in map(int, arguments.workers.split(","))}
        for turn in range(arguments.rounds):
            order = ["bare", *tiles]
            for who in order[turn % len(order) :] + order[: turn % len(order)]:
                forget(paths)
                if who == "bare":
                    bare.append(_bare(points, scratch))
                    print(json.dumps({"points": n, "bare": bare[-1]._asdict()}), flush=True)
                else:
                    tiles[who].append(_tiles(points, who, arguments, scratch))
                    print(json.dumps({"points": n, "workers": who, **tiles[who][-1]}), flush=True)
        rows.append(_row(n, arguments, bare, tiles))
        print(json.dumps({key: value for key, value in rows[-1].items() if key != "runs"}, indent=1), flush=True)
        if not arguments.keep:
            shutil.rmtree(points)
    return rows


def _bare(points: Path, scratch: Path) -> Measured:
    target = scratch / "bare"
    measured, _ = measure([sys.executable, "-c", BARE, str(points), str(target)])
    shutil.rmtree(target)
    return measured


def _tiles(points: Path, workers: int, arguments: argparse.Namespace, scratch: Path) -> dict:
    output, spill = scratch / "tiles", scratch / "spill"
    options = ["--on", "tiles", "--memory-limit", arguments.memory_limit, "--threads", str(workers), "--json"]
    options += ["--eps", str(arguments.eps), "--min-samples", str(arguments.min_samples), "--bbox=-90,-180,90,180"]
    files = ["--output", str(output), "--spill", str(spill)]
    measured, said = measure([sys.executable, "-m", "taxi_mlops.cli", "cluster", str(points), *options, *files], spill)
    if spill.exists():
        sys.exit(f"{spill} was left behind")
    shutil.rmtree(output)
    result = json.loads(said)
    kept = ("n_clusters", "n_noise", "n_core", "tiles", "seconds")
    return {**measured._asdict(), "result": {name: result[name] for name in kept}}


def _row(n: int, arguments: argparse.Namespace, bare: list[Measured], tiles: dict[int, list[dict]]) -> dict:
    """Sum up the runs of one size. Ratios are of clusterings to the script of the same round."""
    most = max(tiles)
    ratios = [one["seconds"] / other.seconds for one, other in zip(tiles[most], bare, strict=True)]
    row = {
        "points": n,
        "memory_limit": arguments.memory_limit,
        "eps": arguments.eps,
        "min_samples": arguments.min_samples,
        "workers": most,
        "bare_seconds": statistics.median(one.seconds for one in bare),
        "seconds": statistics.median(one["seconds"] for one in tiles[most]),
        "cpu_seconds": statistics.median(one["cpu_seconds"] for one in tiles[most]),
        "times_of_bare": round(statistics.median(ratios), 2),
        "memory_bytes": max(one["memory_bytes"] for one in tiles[most]),
        "spill_bytes_per_point": round(max(one["spill_bytes"] for one in tiles[most]) / n, 2),
        "clusters": tiles[most][0]["result"]["n_clusters"],
        "tiles": tiles[most][0]["result"]["tiles"]["tiles"],
        "runs": {"bare": [one._asdict() for one in bare], "tiles": tiles},
    }
    if len(tiles) > 1:
        pairs = zip(tiles[min(tiles)], tiles[most], strict=True)
        row["gain_of_workers"] = round(statistics.median(one["seconds"] / two["seconds"] for one, two in pairs), 2)
    return row


def exponents(rows: list[dict]) -> dict[str, float]:
    """Return the slopes of log seconds and log CPU seconds against log points."""
    points = np.log([row["points"] for row in rows])
    return {
        name: round(float(np.polyfit(points, np.log([row[name] for row in rows]), 1)[0]), 3)
        for name in ("seconds", "cpu_seconds")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run"])
    parser.add_argument("--points", default="1,10,100", help="sizes in millions, by comma")
    parser.add_argument("--workers", default="1,2", help="numbers of workers, by comma; ratios are those of the most")
    parser.add_argument("--memory-limit", default="4GB")
    parser.add_argument("--eps", type=float, default=50.0)
    parser.add_argument("--min-samples", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the Santiago trips")
    parser.add_argument("--scratch", type=Path, help="folder for points, spill and labels; else a temporary one")
    parser.add_argument("--keep", action="store_true", help="leave the points in --scratch")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    result = json.loads(arguments.output.read_text()) if arguments.output and arguments.output.exists() else {}
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as name:
        rows = run(arguments, arguments.scratch if arguments.keep and arguments.scratch else Path(name))
    kept = {row["points"]: row for row in [*result.get("sizes", []), *rows]}
    result = {"machine": describe_machine().model_dump(), "sizes": [kept[n] for n in sorted(kept)]}
    if len(kept) > 1:
        result["exponents"] = exponents(result["sizes"])
        print(json.dumps(result["exponents"]))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
