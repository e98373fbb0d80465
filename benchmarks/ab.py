"""Simulate A/B tests that are looked at after every outcome: how often equal versions seem different, and power.

    python benchmarks/ab.py [--runs 2000] [--outcomes 10000] [--seed 0]

The hit rates change with the hour, between 0.2 and 0.8, of both versions alike. A run ends where the interval of
`taxi ab status` first excludes zero. Printed: the share of A/A runs that any look declared different, with
Wilson's interval; beside it the same runs by a test that is made for one look; then, for a better challenger, the share
of runs that found it and the median number of outcomes that they took.
"""

from __future__ import annotations

import argparse
import math
import time
from multiprocessing import Pool

import numpy as np

from taxi_mlops.evaluation.sequential import ERROR, log_evidence, terms_of

SHARES = (0.2, 0.5)
LIFTS = (0.0, 0.02, 0.05, 0.1)
_Z = 1.959963984540054


def first_look(challenger: np.ndarray, hit: np.ndarray, share: float) -> int | None:
    """Return the number of outcomes at which the interval first excludes zero."""
    terms = terms_of(challenger, hit, share)
    excess, variance = np.cumsum(terms.estimate), np.cumsum(terms.squares)
    evidence = np.maximum(log_evidence(excess, variance, share), log_evidence(-excess, variance, share))
    found = np.flatnonzero(evidence >= math.log(2.0 / ERROR))
    return int(found[0]) + 1 if len(found) else None


def naive_look(challenger: np.ndarray, hit: np.ndarray) -> bool:
    """Return whether a test of two proportions has p < 0.05 at any look from 100 outcomes on."""
    count = np.cumsum(challenger), np.cumsum(~challenger)
    hits = np.cumsum(challenger & hit), np.cumsum(~challenger & hit)
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = (hits[0] + hits[1]) / (count[0] + count[1])
        error = np.sqrt(pooled * (1 - pooled) * (1 / count[0] + 1 / count[1]))
        z = np.abs(hits[0] / count[0] - hits[1] / count[1]) / error
    return bool((z[100:] > _Z).any())


def simulate(task: tuple[int, int, float, float]) -> tuple[int | None, bool]:
    """Draw one run of a seed, a number of outcomes, a share and a lift."""
    seed, n, share, lift = task
    rng = np.random.default_rng((seed, int(share * 100), int(lift * 1000)))
    rate = 0.5 + 0.3 * np.sin(np.arange(n) * (2 * np.pi / 2000))
    challenger = rng.random(n) < share
    hit = rng.random(n) < np.clip(rate + lift * challenger, 0.0, 1.0)
    return first_look(challenger, hit, share), naive_look(challenger, hit) if lift == 0.0 else False


def wilson(count: int, n: int) -> tuple[float, float]:
    middle = (count + _Z**2 / 2) / (n + _Z**2)
    width = _Z / (n + _Z**2) * math.sqrt(count * (n - count) / n + _Z**2 / 4)
    return max(0.0, middle - width), middle + width


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--outcomes", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.perf_counter()
    with Pool(2) as pool:
        for share in SHARES:
            for lift in LIFTS:
                runs = given.runs if lift == 0.0 else given.runs // 10
                tasks = [(given.seed + i, given.outcomes, share, lift) for i in range(runs)]
                found = pool.map(simulate, tasks, chunksize=20)
                looks = [look for look, _ in found if look is not None]
                low, high = wilson(len(looks), runs)
                said = f"share {share:.0%}, lift {lift:+.2f}: {len(looks)} of {runs} runs declared different"
                said += f" ({len(looks) / runs:.2%}, interval {low:.2%} to {high:.2%})"
                if lift == 0.0:
                    said += f"; a test for one look: {sum(naive for _, naive in found) / runs:.1%}"
                elif looks:
                    missing = [given.outcomes * 2] * (runs - len(looks))
                    median = float(np.median([*looks, *missing]))
                    said += f"; median {median:,.0f} outcomes" if median <= given.outcomes else ""
                print(said, flush=True)
    print(f"{given.outcomes:,} outcomes a run, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
