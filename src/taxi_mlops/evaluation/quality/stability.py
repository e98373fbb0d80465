"""Measure stability: does DBSCAN find the same clusters in bootstrap samples of the trips?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from taxi_mlops.domain import FloatArray, LabelArray, Parameters, Points
from taxi_mlops.evaluation.contingency import IndexArray, adjusted_rand_index, tabulate
from taxi_mlops.evaluation.performance import CONFIDENCE, Interval, student_interval
from taxi_mlops.evaluation.quality.metrics import Estimate

REPLICATES = 10
WINDOW_POINTS = 1_000_000


def stability(points: Points, parameters: Parameters, seed: int) -> Estimate:
    """Mean adjusted Rand index between DBSCAN on the points and DBSCAN on bootstrap samples of them (Hennig 2007).

    A sample draws as many points as there are, with replacement, weights along with them; the index is taken over the
    points drawn, each once, noise as a class of its own. The interval is Student's over `REPLICATES` samples. Of more
    than `WINDOW_POINTS` points, each replicate clusters a window of that many, the nearest to a random point, with and
    without resampling. The engine clusters, so this belongs to the points and parameters, not to an implementation.
    """
    rng = np.random.default_rng(seed)
    everything = np.arange(len(points)) if len(points) <= WINDOW_POINTS else None
    whole = None if everything is None else _cluster(points, parameters, everything)
    values = []
    for _ in range(REPLICATES):
        window = _window(points, rng) if everything is None else everything
        labels = _cluster(points, parameters, window) if whole is None else whole
        drawn = np.sort(rng.integers(0, len(window), len(window)))
        again = _cluster(points, parameters, window[drawn])
        first = np.flatnonzero(np.diff(drawn, prepend=-1))
        values.append(adjusted_rand_index(tabulate(labels[drawn[first]], again[first])))
    return Estimate(float(np.mean(values)), _interval(values), min(len(points), WINDOW_POINTS))


def _window(points: Points, rng: np.random.Generator) -> IndexArray:
    """Return the points nearest to a random one, in their own order."""
    from haversine_dbscan.geodesy import great_circle_distance

    centre = int(rng.integers(len(points)))
    apart = great_circle_distance(points.latitude[centre], points.longitude[centre], points.latitude, points.longitude)
    return np.sort(np.argpartition(apart, WINDOW_POINTS)[:WINDOW_POINTS])


def _cluster(points: Points, parameters: Parameters, chosen: IndexArray) -> LabelArray:
    from haversine_dbscan.clustering import dbscan

    weight: FloatArray | None = None if points.weight is None else points.weight[chosen]
    labels, _ = dbscan(
        points.latitude[chosen], points.longitude[chosen], parameters.eps_metres, parameters.min_samples, weight
    )
    return labels


def _interval(values: Sequence[float]) -> Interval:
    """Student's interval of the mean, cut to the range of the index."""
    low, high = student_interval(np.asarray(values), CONFIDENCE)
    return Interval(max(low, -1.0), min(high, 1.0), CONFIDENCE)
