"""Points for the benchmarks, made from the Santiago trips, and the peak memory of a piece of a process (Linux)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from haversine_dbscan.geodesy import EARTH_RADIUS_METRES
from taxi_mlops.domain import Points, Provenance

FloatArray = NDArray[np.float64]


def santiago(folder: Path, n: int, seed: int = 0) -> FloatArray:
    """Return (n, 2) degrees: origins and destinations, drawn with replacement, with 5e-4 degrees of normal noise."""
    table = pq.read_table(folder / "santiago_taxi_od.parquet")
    trips = np.stack(
        [
            np.concatenate([table[f"{end}_{axis}"].to_numpy() for end in ("origin", "destination")])
            for axis in ("latitude", "longitude")
        ],
        axis=1,
    )
    rng = np.random.default_rng(seed)
    points = trips[rng.integers(0, len(trips), n)]
    points[:, 0] += rng.normal(0, 5e-4, n)
    points[:, 1] += rng.normal(0, 5e-4, n)
    return points


def santiago_points(folder: Path, n: int) -> Points:
    """Return the same as points of the platform."""
    latitude, longitude = santiago(folder, n).T.copy()
    return Points(latitude, longitude, None, "", Provenance("santiago", "made", "1", n, n))


def plane(points: FloatArray, cosine: float | None = None) -> FloatArray:
    """Return (n, 2) metres east and north: the same points for the metric of the plane.

    cosine: of the latitude at which east is measured; their mean latitude's by default.
    """
    latitude, longitude = np.radians(points).T
    cosine = np.cos(np.mean(latitude)) if cosine is None else cosine
    return EARTH_RADIUS_METRES * np.stack([longitude * cosine, latitude], axis=1)


def reset_peak() -> int:
    """Make the peak of this process what it holds now, and return that in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_bytes()


def peak_bytes() -> int:
    """Return the peak resident memory of this process since the last reset."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
