"""A cost model of tiled clustering: CPU seconds and bytes of each stage, fitted, checked, and taken further.

    python benchmarks/scale_model.py measure --points 1,3,10,30,100 --output scale_model.json
    python benchmarks/scale_model.py predict scale_model.json

`measure` runs the stages one after the other in this process, on the points of `scale_points.py`, and notes CPU seconds
(which other work of the machine changes less) and bytes of each. `predict` fits them on all sizes but the largest,
compares the largest with what the model says of it, and prints how long 10 and 100 billion points would
take on 10, 100 and 1,000 workers of one core each, and what of it does not shrink with workers.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from scipy.optimize import nnls

from scale_points import write_points
from taxi_mlops.clustering import Cluster
from taxi_mlops.data.load import open_trips
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.scale.executors import Inline
from taxi_mlops.scale.plan import make_plan
from taxi_mlops.scale.run import Limits, Tiling, survey_pieces
from taxi_mlops.scale.spill import Spill
from taxi_mlops.settings import Settings

Answer = TypeVar("Answer")

EPS, MIN_SAMPLES = 50.0, 100
COUNTED = 1 << 22
"""Points that the histogram is made of at most."""
COMPILING = "0.5"
"""Millions of points of a first run, which counts for nothing."""
WORKER_BYTES = 1_800_000_000
PARALLEL = ("survey", "scatter", "cluster", "label")
SERIAL = ("plan", "join")
READ_BYTES = {"survey": 16.0, "scatter": 16.0, "cluster": 24.0, "label": 6.0}
"""Of each point: two columns twice; coordinates once and positions twice; positions and codes."""
WORKER_BYTES_PER_SECOND = 200e6
"""Assumed: what each worker's share of disk, network or object store moves."""
TILES_PER_WORKER = 4


def measure(points: int, source: Path, scratch: Path) -> dict[str, Any]:
    """Run all stages once; return CPU seconds and bytes written of each."""
    document = Cluster().with_parameters(
        {"data": str(source), "eps": EPS, "min_samples": MIN_SAMPLES, "bbox": "-90,-180,90,180"}
    )
    trips = open_trips(document.dataset, Settings(), Observer().loading)
    limits = Limits.of_memory(WORKER_BYTES).for_rows(points)
    assert trips.pieces is not None  # as these are no zones
    pieces, executor = trips.pieces(limits.chunk_rows), Inline()
    seconds: dict[str, float] = {}
    written: dict[str, int] = {}

    def timed(stage: str, work: Callable[[], Answer], *folders: Path) -> Answer:
        before, began = sum(map(_bytes, folders)), time.process_time()
        answer = work()
        seconds[stage] = round(time.process_time() - began, 3)
        written[stage] = sum(map(_bytes, folders)) - before
        return answer

    def nothing(*_: object) -> None: ...

    survey = timed("survey", lambda: survey_pieces(pieces, EPS, limits, executor, nothing))
    size = limits.for_points(survey.points, 2)
    plan = timed("plan", lambda: make_plan(survey.sketch, survey.box, EPS, size))
    spill, labels = Spill.at(scratch / "spill"), scratch / "labels"
    labels.mkdir()
    settled = [piece.settle(None) for piece in pieces]
    tiling = Tiling(plan, settled, survey.rows, MIN_SAMPLES, limits, spill, executor, nothing, by_point=True)
    timed("scatter", tiling.scatter, scratch / "spill")
    chunks = len(tiling.chunk_rows)
    counts = spill.counts_of_chunks(chunks, len(plan.tiles))
    timed("cluster", lambda: tiling.cluster(counts, max(points >> 21, 1)), scratch / "spill")
    _, clusters = timed("join", tiling.join)
    timed("label", lambda: tiling.label(counts, labels), labels)
    began = time.process_time()
    for _ in range(200):
        with spill.open(0):
            pass
    opening = (time.process_time() - began) / 200
    shutil.rmtree(scratch)
    scratch.mkdir()
    return {
        "points": points,
        "tiles": len(plan.tiles),
        "chunks": chunks,
        "clusters": clusters,
        "seconds": seconds,
        "bytes": written,
        "seconds_of_opening_a_chunk": round(opening, 6),
    }


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def features(stage: str, points: float) -> list[float]:
    """Return what the seconds of a stage are made of: a fixed part, the points that are counted, and all points."""
    counted = min(points, COUNTED)
    return [1.0, counted, points if stage in PARALLEL else 0.0]


def fitted(rows: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Return the cost of each feature of each stage, none of them negative, by least squares of relative errors."""
    fits = {}
    for stage in (*PARALLEL, *SERIAL):
        seconds = np.array([max(row["seconds"][stage], 1e-3) for row in rows])
        known = np.array([features(stage, row["points"]) for row in rows])
        if stage not in ("survey", "plan"):
            known[:, 1] = 0.0  # the histogram is theirs alone
        fits[stage] = nnls(known / seconds[:, None], np.ones_like(seconds))[0].tolist()
    return fits


def seconds_of(fits: dict[str, list[float]], stage: str, points: float) -> float:
    """Return the CPU seconds of a stage."""
    return float(np.dot(fits[stage], features(stage, points)))


def check(fits: dict[str, list[float]], row: dict[str, Any]) -> dict[str, Any]:
    """Compare a run that the fit has not seen with what the model says of it."""
    predicted = {stage: seconds_of(fits, stage, row["points"]) for stage in fits}
    total, measured = sum(predicted.values()), sum(row["seconds"].values())
    return {
        "points": row["points"],
        "predicted": {stage: round(seconds, 2) for stage, seconds in predicted.items()},
        "measured": row["seconds"],
        "difference": round(total / measured - 1.0, 3),
    }


def predict(fits: dict[str, list[float]], known: dict[str, Any], points: float, workers: int) -> dict[str, float]:
    """Return seconds of each part of a clustering: what is shared by the workers, then what is not."""
    limits = Limits.of_memory(WORKER_BYTES)
    tiles = points / min(limits.points_of_a_tile, points / (TILES_PER_WORKER * workers))
    chunks = points / limits.chunk_rows
    clusters = points * known["clusters"] / known["points"]
    parts = {}
    for stage in PARALLEL:
        moved = READ_BYTES[stage] + known["bytes"].get(stage, 0) / known["points"]
        parts[stage] = max(seconds_of(fits, stage, points), points * moved / WORKER_BYTES_PER_SECOND) / workers
    parts["opening chunks for tiles"] = 2.0 * tiles * chunks * known["seconds_of_opening_a_chunk"] / workers
    parts["plan and join, in one process"] = seconds_of(fits, "plan", points) + fits["join"][0] * max(
        points / known["points"], 1.0
    )
    parts["numbers of clusters read with each chunk"] = chunks * clusters * 4.0 / WORKER_BYTES_PER_SECOND / workers
    parts["total"] = sum(parts.values())
    parts["table of counts, GB"] = chunks * tiles * 16.0 / 1e9
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("--points", default="1,3,10,30,100", help="sizes in millions, by comma")
    measuring.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the Santiago trips")
    measuring.add_argument("--scratch", type=Path, help="folder for points and spill; else a temporary one")
    measuring.add_argument("--output", type=Path, default=Path("scale_model.json"))
    commands.add_parser("predict").add_argument("runs", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "measure":
        rows = []
        for millions in (COMPILING, *arguments.points.split(",")):
            n = round(float(millions) * 1e6)
            with tempfile.TemporaryDirectory(dir=arguments.scratch) as name:
                write_points(arguments.data, Path(name) / "points", n)
                (Path(name) / "work").mkdir()
                rows.append(measure(n, Path(name) / "points", Path(name) / "work"))
            print(json.dumps(rows[-1]), flush=True)
        arguments.output.write_text(json.dumps(rows[1:], indent=1) + "\n")
        return
    *seen, unseen = sorted(json.loads(arguments.runs.read_text()), key=lambda row: row["points"])
    fits = fitted(seen)
    for stage, (fixed, of_counted, of_all) in fits.items():
        print(f"{stage:8} {fixed:.3f} s, {of_counted * 1e9:.2f} ns a counted point, {of_all * 1e9:.2f} ns a point")
    print(json.dumps(check(fits, unseen), indent=1))
    for points in (1e10, 1e11):
        for workers in (10, 100, 1000):
            parts = predict(fits, unseen, points, workers)
            print(
                f"{points:.0e} points, {workers} workers: "
                + ", ".join(f"{name} {value:.4g}" for name, value in parts.items())
            )


if __name__ == "__main__":
    main()
