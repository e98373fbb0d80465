"""Tests of what the timings say: p-values, effect sizes, ranks over several workloads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PairwiseTest:
    """Two adapters of one workload, held against each other over the blocks that both finished.

    p_value: two-sided, by `test`; p_adjusted: by Holm over all pairs of the comparison. a12: the probability that a run
    of `first` takes longer than one of `second`, ties counted half (Vargha and Delaney 2000); 0.5 where they are alike.
    effect: negligible, small, medium or large, by their thresholds.
    """

    first: str
    second: str
    test: str
    blocks: int
    p_value: float
    p_adjusted: float
    a12: float
    effect: str
