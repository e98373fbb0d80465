"""Plan the order of the trials of a comparison."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from taxi_mlops.domain import MAIN, Trial, TrialKind


def plan_trials(
    adapters: Sequence[str], repeats: int, seed: int, workloads: Sequence[str] = (MAIN,)
) -> tuple[Trial, ...]:
    """Plan one memory trial of each adapter (block 0), then `repeats` blocks of each adapter once, shuffled by `seed`.

    Without repeats nothing is timed: the memory trials give the answers.
    Interleaving spreads changes of the host over all adapters; shuffling varies which adapter runs after which. With
    several workloads each block contains them all, one after another in shuffled order; memory trials keep the order
    of `workloads`, so that an adapter that fails on few points is not tried on many.
    """
    generator = np.random.default_rng(seed)
    memory = [Trial(adapter, TrialKind.MEMORY, 0, workload) for workload in workloads for adapter in adapters]
    timing = [
        Trial(adapters[index], TrialKind.TIMING, block, workloads[place])
        for block in range(1, repeats + 1)
        for place in (generator.permutation(len(workloads)) if len(workloads) > 1 else (0,))
        for index in generator.permutation(len(adapters))
    ]
    return (*memory, *timing)
