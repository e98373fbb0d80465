"""How long it takes, and how much memory, to get points out of a file of synthetic trips.

    python benchmarks/loading.py [--rows 10000000] [--repeats 3] [--format parquet|csv]

Each load is a fresh process. Seconds are of `load_points` alone, imports included, interpreter start excluded; the
peak is the resident memory of the whole process (`ru_maxrss`). The file was just written, so it is in the page cache.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from taxi_mlops.data.load import LoadRequest, load_points
from taxi_mlops.data.synthetic import write_parquet
from taxi_mlops.settings import load_settings


def measure(source: str) -> None:
    """Load once in this process and print the figures as JSON."""
    started = time.perf_counter()
    cpu_started = time.process_time()
    points = load_points(LoadRequest(source=source), load_settings())
    figures = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu_started,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "points": len(points),
    }
    print(json.dumps(figures))


def write_csv(parquet: Path, target: Path) -> None:
    """Convert batch by batch."""
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(parquet) as file, pc.CSVWriter(target, file.schema_arrow) as writer:
        for batch in file.iter_batches():
            writer.write_batch(batch)


def main() -> None:
    """Write the file, then load it in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--format", choices=("parquet", "csv"), default="parquet")
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
        for _ in range(arguments.repeats):
            done = subprocess.run(
                [sys.executable, __file__, "--measure", str(source)], check=True, capture_output=True, text=True
            )
            figures = json.loads(done.stdout)
            print(
                f"loaded {figures['points']:,} points: {figures['seconds']:.2f} s "
                f"({figures['cpu_seconds']:.2f} s CPU), peak {figures['peak_mib']:.0f} MiB"
            )


if __name__ == "__main__":
    main()
