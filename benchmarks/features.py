"""How long a build of features takes and how much memory, and how many online reads a second SQLite and Redis answer.

    python benchmarks/features.py [--rows 10000000] [--reads 20000] [--redis redis://:password@host:6379/0]

The trips are those of the synthetic city, with times of dropoffs; one in ten is known hours late. The model has 2,000
hotspots of 50 core points each, drawn from the trips. The build runs in a process of its own, whose peak memory is
measured; the first reads are not counted. Reads are one after another from one process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import SecretStr

from taxi_mlops.data.synthetic import SyntheticCity, to_arrow
from taxi_mlops.features import BuildOptions, TripTimeColumns, Version, build, materialize, online_values, open_online
from taxi_mlops.models.hotspot_model import HotspotModel
from taxi_mlops.settings import Settings

HOTSPOTS = 2_000
CORE_POINTS = 50
NAME = "benchmark"


def write_trips(path: Path, rows: int) -> None:
    """Write trips of the city with the times of their ends and of their arrival."""
    rng = np.random.default_rng(1)
    writer: pq.ParquetWriter | None = None
    for batch in SyntheticCity(0).batches(rows):
        trips = to_arrow(batch)
        lasting = rng.gamma(4.0, 180.0, len(batch)).astype(np.int64)
        late = np.where(rng.random(len(batch)) < 0.1, rng.exponential(6 * 3600, len(batch)).astype(np.int64), 60)
        ended = batch.pickup_time + lasting
        table = pa.Table.from_batches([trips])
        for name, seconds in (("dropoff_time", ended), ("arrived", ended + late)):
            table = table.append_column(name, pa.array(seconds * 1000).cast(pa.timestamp("ms")))
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()


def model_of(trips: Path) -> HotspotModel:
    """Return a model whose hotspots are the surroundings of trips."""
    points = next(pq.ParquetFile(trips).iter_batches(200_000, columns=["pickup_latitude", "pickup_longitude"]))
    latitude, longitude = (np.asarray(points.column(index).to_numpy(zero_copy_only=False)) for index in (0, 1))
    real = (np.abs(latitude) < 89) & (np.abs(latitude) > 1) & np.isfinite(longitude)
    latitude, longitude = latitude[real], longitude[real]
    rng = np.random.default_rng(0)
    middle = rng.choice(len(latitude), HOTSPOTS, replace=False)
    row = np.repeat(np.arange(HOTSPOTS, dtype=np.int32), CORE_POINTS)
    centre = np.column_stack((latitude[middle], longitude[middle]))
    places = centre[row] + rng.normal(0, 0.0005, (len(row), 2))
    return HotspotModel(
        latitude=places[:, 0].copy(),
        longitude=places[:, 1].copy(),
        hotspot=row,
        ids=np.arange(1, HOTSPOTS + 1),
        centre=centre,
        size=np.full(HOTSPOTS, CORE_POINTS),
        area_km2=np.ones(HOTSPOTS),
        outlines=({"type": "Point", "coordinates": [0.0, 0.0]},) * HOTSPOTS,
        eps_metres=100.0,
        min_samples=10,
    )


def build_here(trips: Path, folder: Path) -> None:
    """Build, and print the seconds, those of CPU since this process began, the rows and the peak of memory as JSON."""
    version = Version(NAME, "1", model_of(trips))
    options = BuildOptions(columns=TripTimeColumns(known_at="arrived"))
    started = time.perf_counter()
    built = build(str(trips), version, Settings(features_dir=folder), options)
    seconds = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    print(json.dumps({"seconds": seconds, "cpu": cpu, "rows": built.rows, "peak": used.ru_maxrss * 1024}))


def read_online(settings: Settings, reads: int) -> None:
    """Print how many reads a second the online store of the settings answers, and how long the slowest take."""
    materialize(NAME, settings)
    online = open_online(settings, NAME)
    hotspots = np.random.default_rng(0).integers(1, HOTSPOTS + 1, reads + 500).tolist()
    took = np.empty(len(hotspots))
    for number, hotspot in enumerate(hotspots):
        started = time.perf_counter()
        online_values(online, NAME, hotspot)
        took[number] = time.perf_counter() - started
    took = took[500:] * 1000
    p50, p99 = np.percentile(took, [50, 99])
    kind = "SQLite" if settings.redis_url is None else "Redis"
    print(f"{kind:<8} {1000 * reads / took.sum():10,.0f} reads/s   median {p50:.3f} ms   99 % {p99:.3f} ms")


def main() -> None:
    """Measure, and print a line for each measurement."""
    parser = argparse.ArgumentParser(description="Measure features.")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--reads", type=int, default=20_000)
    parser.add_argument("--redis", metavar="URL")
    parser.add_argument("--build", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.build:
        build_here(*given.build)
        return
    with tempfile.TemporaryDirectory() as name:
        trips, store = Path(name) / "trips.parquet", Path(name) / "features"
        write_trips(trips, given.rows)
        command = [sys.executable, __file__, "--build", str(trips), str(store)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout)
        print(
            f"build    {given.rows:,} trips, {found['rows']:,} rows of {HOTSPOTS:,} hotspots: "
            f"{found['seconds']:.1f} s, {found['cpu']:.1f} s of CPU, peak {found['peak'] / 1e9:.2f} GB"
        )
        settings = Settings(features_dir=store, redis_url=None)
        read_online(settings, given.reads)
        if given.redis:
            read_online(settings.model_copy(update={"redis_url": SecretStr(given.redis)}), given.reads)


if __name__ == "__main__":
    main()
