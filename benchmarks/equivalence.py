"""Time and memory of the equivalence check on millions of points made from the Santiago trips.

    python benchmarks/equivalence.py [--points 10000000] [--eps 100] [--min-samples 500] [--data shared/data]

The reference is the engine's clustering; the candidate is the same with renumbered clusters. Memory is the growth of
the process's resident peak during the check (Linux), so everything that the check allocates is in it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from haversine_dbscan.clustering import dbscan
from santiago import peak_bytes, reset_peak, santiago_points
from taxi_mlops.domain import NOISE, Clustering, Parameters, Points
from taxi_mlops.evaluation.equivalence import check_equivalence


def renumbered(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the same clusters under other numbers."""
    numbers = np.random.default_rng(1).permutation(int(labels.max()) + 1).astype(np.int32)
    return np.where(labels == NOISE, np.int32(NOISE), numbers[labels])


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--eps", type=float, default=100.0)
    parser.add_argument("--min-samples", type=int, default=500)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments = parser.parse_args()
    points = santiago_points(arguments.data, arguments.points)
    latitude, longitude = points.latitude, points.longitude
    parameters = Parameters(arguments.eps, arguments.min_samples)
    labels, core = dbscan(latitude, longitude, arguments.eps, arguments.min_samples)
    sides = Clustering(labels, core), Clustering(renumbered(labels), core)
    few = Points(latitude[:1000], longitude[:1000], None, "", points.provenance)
    check_equivalence(few, parameters, *(Clustering(side.labels[:1000], core[:1000]) for side in sides))  # compiles
    before = reset_peak()
    begin, begin_cpu = time.perf_counter(), time.process_time()
    result = check_equivalence(points, parameters, *sides)
    print(
        json.dumps(
            {
                "points": arguments.points,
                "eps_metres": arguments.eps,
                "min_samples": arguments.min_samples,
                "clusters": int(labels.max()) + 1,
                "border_points": int(np.count_nonzero(~core & (labels != NOISE))),
                "verdict": result.verdict,
                "seconds": round(time.perf_counter() - begin, 3),
                "cpu_seconds": round(time.process_time() - begin_cpu, 3),
                "memory_bytes": peak_bytes() - before,
            }
        )
    )


if __name__ == "__main__":
    main()
