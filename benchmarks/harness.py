"""Show that a trial measures what a bare script measures, and what a trial costs beside its fit.

The same library is called on the same points in three ways, each time in a process of its own: by a trial that is
forked from its adapter's template, by a trial that is a fresh process, and by a script of a few lines that imports
nothing of ours. The three alternate, and take turns at going first. Printed and written: the ratio of the times of each
kind of trial to the script's, round by round, with a bootstrap interval of its median; the same of their CPU times,
which a busy host disturbs less; and the seconds of each kind of trial beside its fit.

    python benchmarks/harness.py [TRIPS] [--adapter grid|dbscan|sklearn] [--rounds 20] [--sample N] [--output FILE]
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
from collections.abc import Callable
from functools import partial
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
from taxi_mlops.trials.templates import Templates
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
    "grid": """
from haversine_dbscan import dbscan
eps = angle * 6_371_008.8
dbscan(latitude[:500], longitude[:500], eps, min_samples)
used, started = time.process_time(), time.perf_counter()
dbscan(latitude, longitude, eps, min_samples)
print(time.perf_counter() - started, time.process_time() - used)
""",
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


BARE = "script"


class Seconds(NamedTuple):
    """What one call took, and what its process took beside it (None of the script)."""

    wall: float
    cpu: float
    beside: float | None = None


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
    run_id = f"harness-{uuid.uuid4().hex}"
    with (
        tempfile.TemporaryDirectory() as name,
        host_lock(settings, print),
        Templates(run_id, lambda adapter, reason: sys.exit(f"no template of {adapter}: {reason}")) as templates,
    ):
        folder = Path(name)
        write_workload(points, parameters, folder / "workload")
        templates.start([arguments.adapter], resources)
        trial = partial(_trial, arguments.adapter, run_id, resources, folder)
        ways = {
            "forked": partial(trial, templates),
            "fresh": partial(trial, None),
            BARE: partial(_bare, arguments.adapter, parameters, resources, folder),
        }
        rounds = [_round(ways, number) for number in range(arguments.rounds)]
    _report(arguments, len(points), rounds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare a trial's fit with a bare script's.")
    parser.add_argument("trips", nargs="?", help="file of trips; the synthetic city where there is none")
    parser.add_argument("--adapter", choices=sorted(BARE_SCRIPTS), default="dbscan")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--sample", type=int, help="points to draw; all where it is not given")
    parser.add_argument("--eps", type=float, default=100.0, help="metres")
    parser.add_argument("--min-samples", type=int, default=50)
    parser.add_argument("--output", type=Path, default=Path("harness.json"))
    arguments = parser.parse_args()
    if arguments.rounds < 2:
        parser.error(f"--rounds {arguments.rounds}: an interval needs at least 2")
    return arguments


def _round(ways: dict[str, Callable[[], Seconds]], number: int) -> dict[str, Seconds]:
    """Measure each way once; another one goes first in each round."""
    names = list(ways)
    first = number % len(names)
    measured = {name: ways[name]() for name in (*names[first:], *names[:first])}
    print(f"round {number + 1:3}: " + ", ".join(f"{name} {measured[name].wall:.4f} s" for name in names), flush=True)
    return measured


def _trial(adapter: str, run_id: str, resources: Resources, folder: Path, templates: Templates | None) -> Seconds:
    outcome = run_trial(
        Trial(adapter, TrialKind.TIMING, 1),
        run_id=run_id,
        workload=folder / "workload",
        resources=resources,
        scratch=folder / "scratch",
        labels=folder / "labels",
        templates=templates,
    )
    wall, user, system = outcome.fit_seconds, outcome.fit_user_seconds, outcome.fit_system_seconds
    if outcome.status is not TrialStatus.OK or wall is None or user is None or system is None:
        sys.exit(f"the trial ended {outcome.status}: {outcome.cause}\n{outcome.stderr_tail}")
    assert outcome.total_seconds is not None  # as of every trial that has run
    return Seconds(wall, user + system, outcome.total_seconds - wall)


def _bare(adapter: str, parameters: Parameters, resources: Resources, folder: Path) -> Seconds:
    angle = parameters.eps_metres / EARTH_RADIUS_METRES
    script = READ_POINTS + BARE_SCRIPTS[adapter]
    finished = subprocess.run(
        [sys.executable, "-c", script, str(folder / "workload"), repr(angle), str(parameters.min_samples)],
        env=trial_environment(os.environ, resources.threads),
        stdout=subprocess.PIPE,
        check=True,
    )
    wall, cpu = finished.stdout.split()
    return Seconds(float(wall), float(cpu))


def _report(arguments: argparse.Namespace, n: int, rounds: list[dict[str, Seconds]]) -> None:
    trials = [name for name in rounds[0] if name != BARE]
    ratios = {
        name: {
            clock: _ratio([getattr(measured[name], clock) / getattr(measured[BARE], clock) for measured in rounds])
            for clock in ("wall", "cpu")
        }
        for name in sorted(trials)
    }
    beside = {name: statistics.median(measured[name].beside or 0.0 for measured in rounds) for name in ratios}
    result = {
        "adapter": arguments.adapter,
        "trips": arguments.trips,
        "points": n,
        "eps_metres": arguments.eps,
        "min_samples": arguments.min_samples,
        "rounds": [{name: seconds._asdict() for name, seconds in measured.items()} for measured in rounds],
        "ratio": {name: {clock: ratio._asdict() for clock, ratio in of.items()} for name, of in ratios.items()},
        "seconds_beside_the_fit": beside,
        "machine": describe_machine().model_dump(),
    }
    arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"\n{arguments.adapter}, {n:,} points, eps {arguments.eps:g} m, min_samples {arguments.min_samples}")
    for name in (*ratios, BARE):
        walls = [measured[name].wall for measured in rounds]
        print(f"{name:7} median {statistics.median(walls):.4f} s, from {min(walls):.4f} to {max(walls):.4f}")
    for name, of in ratios.items():
        for clock, ratio in of.items():
            interval = f"95 % interval {ratio.low:.4f} to {ratio.high:.4f}"
            print(f"{name:7} {clock:4} ratio to the script: median {ratio.median:.4f}, {interval}")
        print(f"{name:7} beside the fit: median {beside[name]:.3f} s")
    print(f"written to {arguments.output}")


def _ratio(ratios: list[float]) -> Ratio:
    interval = bootstrap((ratios,), np.median, method="percentile", rng=np.random.default_rng(0)).confidence_interval
    return Ratio(float(np.median(ratios)), float(interval.low), float(interval.high))


if __name__ == "__main__":
    main()
