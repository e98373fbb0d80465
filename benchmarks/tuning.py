"""Does `taxi tune` find better parameters than a grid or random search, at the same number of trials?

    python benchmarks/tuning.py compare [--trials 49] [--seeds 20] [--sample 30000] [--data ../shared/data]
    python benchmarks/tuning.py speed [--trials 200] [--data ../shared/data]

`compare` searches each file of real trips with every seed, which draws other samples, divisions and random
numbers: with `taxi tune` (Optuna's TPE), at random, and on a grid over the same ranges, evenly spaced by logarithms, of
as many pairs. The grid of `taxi sweep` (multiples of the knee's eps by 5, 10 and 20) is a row of its own, with its 15
pairs. Two values: the best unseen-trip score within the bounds of noise, and the area under the front of score and
stability (hypervolume, from 0.5 and 0). Differences are paired by seed, with Student's 95 % interval.

`speed` runs the search on all 452,166 Santiago pickups, and prints wall-clock and CPU seconds; it also measures some
pairs of the front with 20 resamplings of all points, for the error of the 3 of a trial.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from taxi_mlops.errors import DataError
from taxi_mlops.evaluation.eps_choice import choose_eps
from taxi_mlops.evaluation.performance import CONFIDENCE, student_interval
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.sweep import FACTORS
from taxi_mlops.pipeline.tune import Divided, divide, tune
from taxi_mlops.results.tuning import TuningFolder, TuningTrial
from taxi_mlops.settings import Settings
from taxi_mlops.training import Tune
from taxi_mlops.tuning import evaluation
from taxi_mlops.tuning.evaluation import Evaluator, Worth
from taxi_mlops.tuning.search import Search
from taxi_mlops.tuning.space import Space, space_of

SETS: dict[str, dict[str, str]] = {
    "Santiago, pickups": {"data": "santiago_taxi_od.parquet", "lat": "origin_latitude", "lon": "origin_longitude"},
    "Santiago, dropoffs": {
        "data": "santiago_taxi_od.parquet",
        "lat": "destination_latitude",
        "lon": "destination_longitude",
    },
    "Chicago, pickups": {"data": "chicago_taxi_2013_2016_sample.csv"},
    "New York, pickups": {"data": "yellow_tripdata_2016-06_sample.csv"},
}
SWEPT = (5, 10, 20)
TUNED, RANDOM, GRID, SWEEP = "taxi tune", "random", "grid", "grid of taxi sweep"
Pair = tuple[float, int]


@dataclass(frozen=True)
class Found:
    """What a search found: the best score, and the area under its front."""

    best: float
    area: float


def found_by(worths: Sequence[Worth]) -> Found:
    """Return what the pairs of a search are worth together; without one within the bounds, chance."""
    pairs = [(one.unseen.value, one.stability.value) for one in worths if one.unseen and one.stability]
    area, reached = 0.0, 0.0
    for score, stability in sorted(pairs, reverse=True):
        if stability > reached:
            area += (score - 0.5) * (stability - reached)
            reached = stability
    return Found(max((score for score, _ in pairs), default=0.5), area)


def asked(document: Tune, space: Space, measure: Callable[[Pair], Worth]) -> Iterator[Worth]:
    """Let Optuna search, and return what each of its pairs is worth."""
    search = Search(document, space, [])
    for number in range(document.trials):
        eps, min_samples = search.ask()
        worth = measure((eps, min_samples))
        inside = worth.unseen is not None
        search.tell(
            TuningTrial(
                number=number,
                finished_at=datetime.now(UTC),
                seconds=0.0,
                eps_metres=eps,
                min_samples=min_samples,
                state="complete" if inside else "infeasible",
                noise_ratio=worth.noise_ratio,
                n_clusters=worth.n_clusters,
                unseen=worth.unseen,
                stability=worth.stability,
            )
        )
        yield worth


def evenly(space: Space, trials: int) -> list[Pair]:
    """Return a grid over the ranges of at most so many pairs."""
    side = math.isqrt(trials)
    all_eps = np.geomspace(*space.eps_metres, side)
    all_min_samples = np.geomspace(*space.min_samples, side)
    return [(space.rounded(float(eps)), round(float(one))) for eps in all_eps for one in all_min_samples]


def swept(divided: Divided, seed: int) -> list[Pair]:
    """Return the default grid of `taxi sweep`."""
    try:
        knee = choose_eps(divided.seen, SWEPT[1], seed).eps_metres
    except DataError:
        return []
    return [(float(f"{knee * factor:.3g}"), one) for factor in FACTORS for one in SWEPT]


def search_all(document: Tune, settings: Settings) -> dict[str, Found]:
    """Return what each way of searching finds."""
    divided = divide(document, settings, Observer())
    space = space_of(document, divided.seen.latitude, divided.seen.longitude)
    evaluator = Evaluator(divided.trips, document.dataset.seed)
    known: dict[Pair, Worth] = {}

    def measure(pair: Pair) -> Worth:
        if pair not in known:
            known[pair] = evaluator.measure(*pair, document.objectives, document.noise)
        return known[pair]

    at_random = document.model_copy(update={"sampler": "random"})
    return {
        TUNED: found_by(list(asked(document, space, measure))),
        RANDOM: found_by(list(asked(at_random, space, measure))),
        GRID: found_by([measure(pair) for pair in evenly(space, document.trials)]),
        SWEEP: found_by([measure(pair) for pair in swept(divided, document.dataset.seed)]),
    }


def compare(arguments: argparse.Namespace, settings: Settings) -> None:
    """Print two rows of a table for each file of trips."""
    print(f"{arguments.trials} trials, {arguments.seeds} seeds, samples of {arguments.sample:,}\n")
    print("| trips | value | taxi tune | " + " | ".join(f"more than {other}" for other in (RANDOM, GRID, SWEEP)) + " |")
    print("| --- |" + " --- |" * 5, flush=True)
    for name, parameters in SETS.items():
        runs = []
        for seed in range(arguments.seeds):
            given = {**parameters, "data": str(arguments.data / parameters["data"]), "trials": arguments.trials}
            document = Tune().with_parameters({**given, "seed": seed, "sample": arguments.sample})
            runs.append(search_all(document, settings))
        for value, title in (("best", "best score"), ("area", "area under the front")):
            tuned = np.array([getattr(run[TUNED], value) for run in runs])
            cells = [f"{tuned.mean():.4f}"]
            for other in (RANDOM, GRID, SWEEP):
                differences = tuned - np.array([getattr(run[other], value) for run in runs])
                low, high = student_interval(differences, CONFIDENCE)
                cells.append(f"{differences.mean():+.4f} [{low:+.4f}, {high:+.4f}]")
            print(f"| {name} | {title} | " + " | ".join(cells) + " |", flush=True)
    print(f"\n{time.process_time():.0f} CPU seconds")


def speed(arguments: argparse.Namespace, settings: Settings) -> None:
    """Print the seconds of one search of all pickups, and the error of its stability."""
    parameters = SETS["Santiago, pickups"]
    given = {**parameters, "data": str(arguments.data / parameters["data"]), "trials": arguments.trials}
    document = Tune().with_parameters(given)
    with tempfile.TemporaryDirectory() as folder:
        began, cpu = time.perf_counter(), time.process_time()
        result = tune(document, TuningFolder(Path(folder) / "tune"), settings, Observer())
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    states = [trial.state for trial in result.trials]
    print(f"{len(states)} trials ({states.count('complete')} complete): {result.seconds:.1f} s of trials, ", end="")
    print(f"{wall:.1f} s with loading, report and all; {cpu:.1f} CPU seconds")
    print(result.command)
    best = result.best_trial
    if best is None or best.stability is None:
        return
    evaluation.REPLICATES, evaluation.WINDOW_POINTS = 20, 10**9
    divided = divide(document, settings, Observer())
    exact = Evaluator(divided.trips, 1)
    others = [result.trials[number] for number in result.front[:: max(len(result.front) // 8, 1)]]
    for trial in others:
        true = exact.measure(trial.eps_metres, trial.min_samples, ("stability",), (0.0, 1.0)).stability
        if true is not None and trial.stability is not None and trial.unseen is not None:
            print(
                f"eps {trial.eps_metres:g} m, min_samples {trial.min_samples}: stability {trial.stability.value:.4f} "
                f"[{trial.stability.low:.4f}, {trial.stability.high:.4f}], of all points {true.value:.4f} "
                f"[{true.low:.4f}, {true.high:.4f}]; score {trial.unseen.value:.4f} "
                f"± {(trial.unseen.high - trial.unseen.low) / 2:.4f}"
            )


def main() -> None:
    """Run the benchmark that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("compare", "speed"))
    parser.add_argument("--trials", type=int)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--sample", type=int, default=30_000)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments = parser.parse_args()
    arguments.trials = arguments.trials or (49 if arguments.what == "compare" else 200)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(runs_dir=Path(folder) / "runs", cache_dir=Path(folder) / "cache")
        (compare if arguments.what == "compare" else speed)(arguments, settings)


if __name__ == "__main__":
    main()
