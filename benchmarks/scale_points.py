"""The points of `scale.py`: trips of many cities, as a folder of Parquet files that is written part by part."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from santiago import FloatArray, santiago

CITY = 1_000_000
"""Points of a city, so that the density is that of one million trips of Santiago at every size."""
PART = 10_000_000
GROUP = 1_000_000
_SIDE = 32
_DEGREES_APART = 1.0
_NORTH, _EAST = 16, 30


def write_points(trips: Path, folder: Path, n: int) -> list[Path]:
    """Write n points, drawn with replacement from the Santiago trips with noise of 5e-4 degrees, and return the files.

    Every row is in a city of its own choice: neighbours on the map are far from each other in the files.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    city, paths = santiago(trips, 4 * CITY), []
    cities = max(n // CITY, 1)
    for begin in range(0, n, PART):
        path = folder / f"part-{begin // PART:05}.parquet"
        paths.append(path)
        if path.exists():
            continue
        hidden = path.with_suffix(".part")
        fields = [(name, pa.float64()) for name in ("latitude", "longitude")]
        with pq.ParquetWriter(hidden, pa.schema(fields), use_dictionary=False) as writer:
            for first in range(begin, min(begin + PART, n), GROUP):
                points = some_points(city, cities, min(GROUP, n - first), seed=first)
                columns = [pa.array(values) for values in points.T.copy()]
                writer.write_batch(pa.record_batch(columns, schema=writer.schema))
        hidden.replace(path)
    return paths


def some_points(city: FloatArray, cities: int, n: int, seed: int) -> FloatArray:
    """Return (n, 2) degrees, drawn from copies of a city, (m, 2), that stand one degree apart in rows of 32."""
    rng = np.random.default_rng(seed)
    points = city[rng.integers(0, len(city), n)]
    points += rng.standard_normal((n, 2), dtype=np.float32) * np.float32(5e-4)
    row, column = np.divmod(rng.integers(0, cities, n), _SIDE)
    points[:, 0] += _DEGREES_APART * (row - min(cities // _SIDE, _NORTH) + _NORTH)
    points[:, 1] += _DEGREES_APART * column
    return points
