"""Show that a trial measures what a bare script measures.

The same library is called on the same points in two ways, each time in a fresh process: by a timing trial, and by a
script of a few lines that imports nothing of ours. The two alternate, and take turns at going first. Printed and
written: the ratio of their times, pair by pair, with a bootstrap interval of its median; and the same of their CPU
times, which a busy host disturbs less.

    python benchmarks/harness.py [TRIPS] [--adapter dbscan|sklearn] [--pairs 20] [--sample N] [--output FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import bootstrap

from taxi_mlops.data.load import load_points
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.domain import Parameters, Resources, Trial, TrialKind, TrialStatus
from taxi_mlops.settings import load_settings
from taxi_mlops.trials.host_lock import host_lock
from taxi_mlops.trials.machine import describe_machine
from taxi_mlops.trials.processes import trial_environment
from taxi_mlops.trials.runner import run_trial
from taxi_mlops.trials.workload_folder import write_workload

EARTH_RADIUS_METRES = 6_371_008.8

READ_POINTS = """
import sys, time
import numpy as np
latitude, longitude = np.load(sys.argv[1] + "/latitude.npy"), np.load(sys.argv[1] + "/longitude.npy")
angle, min_samples = float(sys.argv[2]), int(sys.argv[3])
radians = np.radians(np.column_stack((latitude, longitude)))
"""

BARE_SCRIPTS = {
    "sklearn": """
from sklearn.cluster import DBSCAN
model = lambda: DBSCAN(eps=angle, min_samples=min_samples, metric="haversine", algorithm="ball_tree", n_jobs=1)
model().fit(radians[:500])
used, started = time.process_time(), time.perf_counter()
model().fit(radians)
print(time.perf_counter() - started, time.process_time() - used)
""",
    "dbscan": """
from dbscan import DBSCAN
latitude, longitude = radians.T
across = np.cos(latitude)
chords = np.column_stack((across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)))
chord = 2 * np.sin(angle / 2)
DBSCAN(chords[:500], chord, min_samples=min_samples)
used, started = time.process_time(), time.perf_counter()
DBSCAN(chords, chord, min_samples=min_samples)
print(time.perf_counter() - started, time.process_time() - used)
""",
}


class Seconds(NamedTuple):
    """What one call took."""

    wall: float
    cpu: float


class Ratio(NamedTuple):
    """Median with its 95 % percentile-bootstrap interval."""

    median: float
    low: float
    high: float


def main() -> None:
    arguments = _arguments()
    settings = load_settings()
    points = load_points(LoadRequest(source=arguments.trips, sample=arguments.sample, synthetic_rows=400_000), settings)
    parameters = Parameters(arguments.eps, arguments.min_samples)
    resources = Resources(threads=os.cpu_count() or 1, memory_limit_bytes=8 * 1024**3)
    with tempfile.TemporaryDirectory() as name, host_lock(settings, print):
        folder = Path(name)
        write_workload(points, parameters, folder / "workload")
        pairs = []
        for number in range(arguments.pairs):
            if number % 2:
                bare = _bare(arguments.adapter, parameters, resources, folder)
                trial = _trial(arguments.adapter, number, resources, folder)
            else:
                trial = _trial(arguments.adapter, number, resources, folder)
                bare = _bare(arguments.adapter, parameters, resources, folder)
            pairs.append((trial, bare))
            print(
                f"pair {number + 1:3}: trial {trial.wall:.4f} s, bare {bare.wall:.4f} s, "
                f"ratio {trial.wall / bare.wall:.4f}, of CPU time {trial.cpu / bare.cpu:.4f}",
                flush=True,
            )
    _report(arguments, len(points), pairs)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare a trial's fit with a bare script's.")
    parser.add_argument("trips", nargs="?", help="file of trips; the synthetic city where there is none")
    parser.add_argument("--adapter", choices=sorted(BARE_SCRIPTS), default="dbscan")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--sample", type=int, help="points to draw; all where it is not given")
    parser.add_argument("--eps", type=float, default=100.0, help="metres")
    parser.add_argument("--min-samples", type=int, default=50)
    parser.add_argument("--output", type=Path, default=Path("harness.json"))
    arguments = parser.parse_args()
    if arguments.pairs < 2:
        parser.error(f"--pairs {arguments.pairs}: an interval needs at least 2")
    return arguments


def _trial(adapter: str, number: int, resources: Resources, folder: Path) -> Seconds:
    outcome = run_trial(
        Trial(adapter, TrialKind.TIMING, number),
        run_id=f"harness-{uuid.uuid4().hex}",
        workload=folder / "workload",
        resources=resources,
        scratch=folder / "scratch",
        labels=folder / "labels",
    )
    wall, user, system = outcome.fit_seconds, outcome.fit_user_seconds, outcome.fit_system_seconds
    if outcome.status is not TrialStatus.OK or wall is None or user is None or system is None:
        sys.exit(f"the trial ended {outcome.status}: {outcome.cause}\n{outcome.stderr_tail}")
    return Seconds(wall, user + system)


def _bare(adapter: str, parameters: Parameters, resources: Resources, folder: Path) -> Seconds:
    angle = parameters.eps_metres / EARTH_RADIUS_METRES
    script = READ_POINTS + BARE_SCRIPTS[adapter]
    environment = trial_environment(os.environ, marker="none", threads=resources.threads, scratch=folder)
    finished = subprocess.run(
        [sys.executable, "-c", script, str(folder / "workload"), repr(angle), str(parameters.min_samples)],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    wall, cpu = finished.stdout.split()
    return Seconds(float(wall), float(cpu))


def _report(arguments: argparse.Namespace, n: int, pairs: list[tuple[Seconds, Seconds]]) -> None:
    trials, bare = zip(*pairs, strict=True)
    ratios = {clock: _ratio([getattr(a, clock) / getattr(b, clock) for a, b in pairs]) for clock in Seconds._fields}
    result = {
        "adapter": arguments.adapter,
        "trips": arguments.trips,
        "points": n,
        "eps_metres": arguments.eps,
        "min_samples": arguments.min_samples,
        "trials": [seconds._asdict() for seconds in trials],
        "bare": [seconds._asdict() for seconds in bare],
        "ratio": {clock: ratio._asdict() for clock, ratio in ratios.items()},
        "machine": describe_machine().model_dump(),
    }
    arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"\n{arguments.adapter}, {n:,} points, eps {arguments.eps:g} m, min_samples {arguments.min_samples}")
    for name, series in (("trial", trials), ("bare script", bare)):
        walls = [seconds.wall for seconds in series]
        print(f"{name:12} median {statistics.median(walls):.4f} s, from {min(walls):.4f} to {max(walls):.4f}")
    for clock, ratio in ratios.items():
        print(f"{clock} ratio   median {ratio.median:.4f}, 95 % interval {ratio.low:.4f} to {ratio.high:.4f}")
    print(f"written to {arguments.output}")


def _ratio(ratios: list[float]) -> Ratio:
    interval = bootstrap((ratios,), np.median, method="percentile", rng=np.random.default_rng(0)).confidence_interval
    return Ratio(float(np.median(ratios)), float(interval.low), float(interval.high))


if __name__ == "__main__":
    main()
