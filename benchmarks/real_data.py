"""The engine against scikit-learn on real trips: every file, both ends of the trips, a dozen (eps, min_samples).

    python benchmarks/real_data.py [--data ../shared/data] [--pairs-at-most 100000000] [--output real_data.json]

scikit-learn's DBSCAN (ball tree, haversine) holds all neighbourhoods at once. Where they would be more than
`--pairs-at-most` pairs, as estimated, its ball trees are asked tile by tile through the adapter `sklearn-parallel`, on
coincident points taken together; the table says which. Printed: a line for each workload with the verdict of the
equivalence check and whether the labels are the same to the number. It ends with 1 where a verdict is `different`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from haversine_dbscan.clustering import dbscan
from haversine_dbscan.tiles import estimate_neighbours
from taxi_mlops.adapters.sklearn import SklearnAdapter
from taxi_mlops.adapters.sklearn_parallel import SklearnParallelAdapter
from taxi_mlops.data.load import load_points
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.domain import Clustering, Parameters, Points, Resources
from taxi_mlops.evaluation.equivalence import Verdict, check_equivalence
from taxi_mlops.settings import load_settings

ZONES = "taxi_zones.zip"
FILES = {
    "santiago_taxi_od.parquet": None,
    "chicago_taxi_2013_2016_sample.csv": None,
    "yellow_tripdata_2016-06_sample.csv": None,
    "yellow_tripdata_2022-02_zones_sample.csv": ZONES,
}
PARAMETERS = [
    (20.0, 1),
    (20.0, 10),
    (50.0, 3),
    (50.0, 10),
    (50.0, 100),
    (100.0, 5),
    (100.0, 50),
    (100.0, 500),
    (200.0, 500),
    (250.0, 20),
    (500.0, 200),
    (1000.0, 300),
]


def reference(points: Points, parameters: Parameters, pairs_at_most: float) -> tuple[str, Clustering]:
    """Return who answered for scikit-learn, and the answer."""
    pairs = float(estimate_neighbours(points.latitude, points.longitude, parameters.eps_metres).sum())
    adapter = SklearnAdapter() if pairs <= pairs_at_most else SklearnParallelAdapter()
    return adapter.info.name, adapter.fit(adapter.prepare(points, parameters, Resources(threads=2)))


def compare(points: Points, parameters: Parameters, pairs_at_most: float) -> dict[str, object]:
    """Cluster once by each, and compare."""
    began = time.perf_counter()
    by, expected = reference(points, parameters, pairs_at_most)
    middle = time.perf_counter()
    labels, core = dbscan(
        points.latitude, points.longitude, parameters.eps_metres, parameters.min_samples, points.weight
    )
    ended = time.perf_counter()
    result = check_equivalence(points, parameters, expected, Clustering(labels, core))
    return {
        "points": len(points),
        "eps_metres": parameters.eps_metres,
        "min_samples": parameters.min_samples,
        "reference": by,
        "clusters": int(labels.max(initial=-1)) + 1,
        "core_points": int(core.sum()),
        "verdict": str(result.verdict),
        "same_labels": bool(np.array_equal(labels, expected.labels)),
        "reference_seconds": round(middle - began, 3),
        "engine_seconds": round(ended - middle, 4),
    }


def main() -> None:
    """Compare on all files, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--pairs-at-most", type=float, default=1e8)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    settings = load_settings()
    rows: list[dict[str, object]] = []
    for file, zones in FILES.items():
        for end in ("pickup", "dropoff"):
            request = LoadRequest(
                source=str(arguments.data / file),
                points=end,
                zones=None if zones is None else str(arguments.data / zones),
            )
            points = load_points(request, settings)
            for eps, min_samples in PARAMETERS:
                row = {"file": file, "end": end}
                row |= compare(points, Parameters(eps, min_samples), arguments.pairs_at_most)
                rows.append(row)
                print("  ".join(str(value) for value in row.values()), flush=True)
    verdicts = Counter(str(row["verdict"]) for row in rows)
    print(json.dumps({"workloads": len(rows), **verdicts}))
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=1))
    sys.exit(1 if verdicts[Verdict.DIFFERENT] else 0)


if __name__ == "__main__":
    main()
