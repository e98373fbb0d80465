"""How long it takes to commit trips to a Delta table and to read a version, beside plain Parquet.

    python benchmarks/versions.py [--rows 10000000] [--repeats 3]

In turns: the Parquet file is copied by pyarrow alone (the same batches, row groups and compression as a commit writes)
and committed; its points are loaded from the file and from the version. Seconds are of the calls in this process, the
first of each not counted. The files are in the page cache.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from taxi_mlops.data.load import load_points
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.data.synthetic import write_parquet
from taxi_mlops.settings import Settings
from taxi_mlops.versions import commit

GROUP_ROWS = 1 << 20


def copy(source: Path, target: Path) -> None:
    """Write the rows of a Parquet file to another one."""
    with pq.ParquetFile(source) as file, pq.ParquetWriter(target, file.schema_arrow, compression="zstd") as writer:
        for batch in file.iter_batches(GROUP_ROWS):
            writer.write_batch(batch)


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="Compare versions of trips with plain Parquet.")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, settings = Path(name), Settings()
        trips, table = folder / "trips.parquet", folder / "table"
        write_parquet(trips, given.rows, 0)

        def commit_anew() -> None:
            shutil.rmtree(table, ignore_errors=True)
            commit([str(trips)], str(table), settings)

        calls: dict[str, Callable[[], object]] = {
            "copy by pyarrow": lambda: copy(trips, folder / "copy.parquet"),
            "commit": commit_anew,
            "load from the file": lambda: load_points(LoadRequest(source=str(trips)), settings),
            "load from the version": lambda: load_points(LoadRequest(source=f"delta:{table}"), settings),
        }
        found: dict[str, list[float]] = {call: [] for call in calls}
        for _ in range(given.repeats + 1):
            for call, run in calls.items():
                found[call].append(seconds(run))
    medians = {call: statistics.median(times[1:]) for call, times in found.items()}
    for call, median in medians.items():
        print(f"{call:<22} {median:8.2f} s")
    names = list(medians)
    print(f"{names[1]} / {names[0]}: {medians[names[1]] / medians[names[0]]:.2f}")
    print(f"{names[3]} / {names[2]}: {medians[names[3]] / medians[names[2]]:.2f}")


if __name__ == "__main__":
    main()
