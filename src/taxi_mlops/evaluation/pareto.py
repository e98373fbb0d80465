"""Compute the Pareto front: the best of several costs without weights."""

from __future__ import annotations

import numpy as np

from taxi_mlops.domain import BoolArray, FloatArray


def pareto_front(costs: FloatArray) -> BoolArray:
    """Return bool (n,): whether no other row is as low in every column and lower in one. O(n²·k).

    costs: float64 (n, k), lower is better (Pareto 1906; Kung, Luccio and Preparata, JACM 22(4), 1975).
    """
    no_worse = np.all(costs[:, None, :] <= costs[None, :, :], axis=2)
    better = np.any(costs[:, None, :] < costs[None, :, :], axis=2)
    return np.asarray(~np.any(no_worse & better, axis=0))
