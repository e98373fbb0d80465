"""Analyse several runs of one machine together, with all of their workloads: `taxi runs analyze`."""

from __future__ import annotations

from collections.abc import Sequence

from taxi_mlops.errors import UsageError
from taxi_mlops.evaluation.workloads import AcrossWorkloads, analyze_workloads
from taxi_mlops.results.assembly import workloads_of
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.runs.run_pair import unlike


def analyze(comparisons: Sequence[Comparison], points: int | None) -> AcrossWorkloads:
    """Analyse runs together. points: the size to forecast; None for ten times the largest.

    Raises UsageError if their timings cannot be compared, or if they have fewer than two workloads.
    """
    first, *others = comparisons
    for other in others:
        alike = other.model_copy(update={"dataset": first.dataset, "parameters": first.parameters})
        if differing := unlike(first, alike):
            raise UsageError(f"{first.run_id} and {other.run_id} are unlike, so not comparable: {'; '.join(differing)}")
    workloads = [workload for comparison in comparisons for workload in workloads_of(comparison)]
    if len(workloads) < 2:
        raise UsageError("one run of one workload was given; name two runs or more, or one of several workloads")
    return analyze_workloads(workloads, points)
