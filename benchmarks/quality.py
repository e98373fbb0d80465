"""Time and memory of the quality indices on millions of points made from the Santiago trips.

    python benchmarks/quality.py [--points 10000000] [--eps 100] [--min-samples 500] [--data shared/data]

The clustering is the engine's. Memory is the growth of the process's resident peak during the measurement (Linux).
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from haversine_dbscan.clustering import dbscan
from santiago import peak_bytes, reset_peak, santiago_points
from taxi_mlops.domain import Clustering, Parameters
from taxi_mlops.evaluation.eps_choice import choose_eps
from taxi_mlops.evaluation.quality.measure import measure_quality
from taxi_mlops.evaluation.quality.stability import stability


def compile_kernels(folder: Path) -> None:
    """Call everything once on a few points."""
    few = santiago_points(folder, 2_000)
    labels = (np.arange(len(few)) % 3 - 1).astype(np.int32)
    measure_quality(few, Clustering(labels), "engine", stability(few, Parameters(100.0, 5), 0), 0)


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--eps", type=float, default=100.0)
    parser.add_argument("--min-samples", type=int, default=500)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments = parser.parse_args()
    points = santiago_points(arguments.data, arguments.points)
    parameters = Parameters(arguments.eps, arguments.min_samples)
    labels, core = dbscan(points.latitude, points.longitude, arguments.eps, arguments.min_samples)
    begin = time.perf_counter()
    compile_kernels(arguments.data)
    compiled, before = time.perf_counter(), reset_peak()
    stable = stability(points, parameters, 0)
    refitted = time.perf_counter()
    quality = measure_quality(points, Clustering(labels, core), "engine", stable, 0)
    ended, memory = time.perf_counter(), peak_bytes() - before
    choice = choose_eps(points, arguments.min_samples, 0)
    print(
        json.dumps(
            {
                "points": arguments.points,
                "eps_metres": arguments.eps,
                "min_samples": arguments.min_samples,
                "seconds": round(ended - compiled, 2),
                "seconds_of_stability": round(refitted - compiled, 2),
                "seconds_to_compile_or_load_kernels": round(compiled - begin, 2),
                "memory_bytes": memory,
                "quality": asdict(quality),
                "seconds_to_choose_eps": round(time.perf_counter() - ended, 2),
                "chosen_eps_metres": choice.eps_metres,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
