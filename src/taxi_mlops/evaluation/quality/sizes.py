"""Describe the distribution of cluster sizes."""

from __future__ import annotations

import numpy as np

from taxi_mlops.evaluation.contingency import IndexArray
from taxi_mlops.evaluation.quality.metrics import ClusterSizes

SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


def describe_sizes(sizes: IndexArray) -> ClusterSizes | None:
    """Describe sizes, int64 (k,), all positive; None for no clusters."""
    k, total = len(sizes), int(sizes.sum())
    if k == 0:
        return None
    low, first, middle, third, high = (float(value) for value in np.quantile(sizes, SHARES))
    return ClusterSizes(
        clusters=k,
        smallest=int(sizes.min()),
        quantiles=(low, first, middle, third, high),
        largest=int(sizes.max()),
        mean=total / k,
        largest_share=int(sizes.max()) / total,
        gini=_gini(sizes),
    )


def _gini(sizes: IndexArray) -> float:
    """Return half the mean absolute difference of two clusters' sizes, over the mean size."""
    k = len(sizes)
    rank = 2.0 * np.arange(1, k + 1) - k - 1
    return float(np.sum(rank * np.sort(sizes)) / (k * sizes.sum()))
