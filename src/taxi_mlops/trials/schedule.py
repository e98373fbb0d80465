"""The order of the trials of a comparison."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from taxi_mlops.domain import Trial, TrialKind


def plan_trials(adapters: Sequence[str], repeats: int, seed: int) -> tuple[Trial, ...]:
    """One memory trial of each adapter (block 0), then `repeats` blocks of each adapter once, shuffled by `seed`.

    Interleaving spreads whatever changes on the host over all adapters; the shuffle keeps any of them from always
    running after the same other one.
    """
    generator = np.random.default_rng(seed)
    memory = [Trial(adapter, TrialKind.MEMORY, 0) for adapter in adapters]
    timing = [
        Trial(adapters[index], TrialKind.TIMING, block)
        for block in range(1, repeats + 1)
        for index in generator.permutation(len(adapters))
    ]
    return (*memory, *timing)
