"""How long it takes, and how much memory, to get points out of a file of synthetic trips.

    python benchmarks/loading.py [--rows 10000000] [--repeats 3] [--format parquet|csv] [--store s3://taxi-data/bench]

Each load is a fresh process. Seconds are of `load_points` alone, imports included, interpreter start excluded; the
peak is the resident memory of the whole process (`ru_maxrss`). The file was just written, so it is in the page cache.
With `--store` it is also pushed there and loaded from there, in turns. At last it is loaded with and without the cache
that the settings choose (Redis, or the cache folder), in turns in one process, after a load that fills it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from taxi_mlops.data.load import load_points
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.data.synthetic import write_parquet
from taxi_mlops.settings import load_settings
from taxi_mlops.storage.objects import push
from taxi_mlops.storage.points_cache import points_cache


def measure(source: str) -> None:
    """Load once in this process and print the values as JSON."""
    started = time.perf_counter()
    cpu_started = time.process_time()
    points = load_points(LoadRequest(source=source), load_settings())
    values = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu_started,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "points": len(points),
    }
    print(json.dumps(values))


def write_csv(parquet: Path, target: Path) -> None:
    """Convert batch by batch."""
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(parquet) as file, pc.CSVWriter(target, file.schema_arrow) as writer:
        for batch in file.iter_batches():
            writer.write_batch(batch)


def push_timed(source: Path, prefix: str) -> str:
    """Push a file below the prefix, and return its address."""
    started = time.perf_counter()
    pushed = push(source, f"{prefix.rstrip('/')}/{source.name}", load_settings())
    seconds = time.perf_counter() - started
    print(f"pushed {pushed.sent_bytes / 1e6:.0f} MB in {seconds:.1f} s: {pushed.sent_bytes / 1e6 / seconds:.0f} MB/s")
    return pushed.uri


def measure_cache(place: str, source: str, repeats: int) -> None:
    """Load with and without the cache in turns, and print what each took, as median and least."""
    settings, request = load_settings(), LoadRequest(source=source)
    seconds: dict[bool, list[float]] = {False: [], True: []}
    load_points(request, settings, None, points_cache(settings, sys.exit))
    for cached in [False, True] * repeats:
        started = time.perf_counter()
        points = load_points(request, settings, None, points_cache(settings, sys.exit) if cached else None)
        seconds[cached].append(time.perf_counter() - started)
        assert points.provenance.from_cache == cached
    for name, of in (("median", statistics.median), ("least", min)):
        prepared, taken = of(seconds[False]), of(seconds[True])
        times = f"{prepared / taken:.1f} times as fast"
        print(f"{place}, {name}: prepared {prepared:.3f} s, taken from the cache {taken:.3f} s: {times}")


def load_apart(place: str, source: str) -> None:
    """Load in a process of its own, and print what it took."""
    command = [sys.executable, __file__, "--measure", source]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    values = json.loads(done.stdout)
    print(
        f"loaded {values['points']:,} points from {place}: {values['seconds']:.2f} s "
        f"({values['cpu_seconds']:.2f} s CPU), peak {values['peak_mib']:.0f} MiB"
    )


def main() -> None:
    """Write the file, then load it in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--format", choices=("parquet", "csv"), default="parquet")
    parser.add_argument("--store", metavar="s3://BUCKET/PREFIX")
    parser.add_argument("--measure", metavar="FILE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure)
        return
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "city.parquet"
        started = time.perf_counter()
        write_parquet(source, arguments.rows)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"synthesized {arguments.rows:,} rows in {time.perf_counter() - started:.1f} s, "
            f"{source.stat().st_size / 1e6:.0f} MB, peak {peak:.0f} MiB"
        )
        if arguments.format == "csv":
            csv = source.with_suffix(".csv")
            write_csv(source, csv)
            source = csv
        places = {"the file": str(source)}
        if arguments.store:
            places["the store"] = push_timed(source, arguments.store)
        for _ in range(arguments.repeats):
            for place, name in places.items():
                load_apart(place, name)
        for place, name in places.items():
            measure_cache(place, name, arguments.repeats)


if __name__ == "__main__":
    main()
