"""Measure what a pair of eps and min_samples is worth: noise, the score on unseen trips, stability.

All trials are judged on the same unseen trips and the same resampled points, so that their differences are not those of
the draw. min_samples is for the points that `taxi train` clusters; where fewer are clustered, as here and in samples,
the same share of it is taken, so that it stands for the same density.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from haversine_dbscan.clustering import dbscan
from haversine_dbscan.nearest import NearestCore
from taxi_mlops.domain import NOISE, BoolArray, FloatArray, LabelArray
from taxi_mlops.evaluation.contingency import adjusted_rand_index, tabulate
from taxi_mlops.evaluation.performance import CONFIDENCE, student_interval
from taxi_mlops.limits import usable_cpus
from taxi_mlops.models.judging import Unseen, Values, mean_interval, values_of_rows
from taxi_mlops.results.tuning import Measured
from taxi_mlops.training import Objective

REPLICATES = 3
WINDOW_POINTS = 300_000
"""Of more points than these, each replicate resamples a window of so many, the nearest to a random point."""


@dataclass(frozen=True, slots=True, eq=False)
class Trips:
    """What trials are measured on.

    latitude, longitude: of the points that they cluster, degrees, float64 (n,). unseen: what they are judged on.
    scale: by how much fewer points these are than those that `taxi train` clusters. most_hotspots: so many of the
    largest are kept in a model.
    """

    latitude: FloatArray
    longitude: FloatArray
    unseen: Unseen
    scale: float
    most_hotspots: int

    def __len__(self) -> int:
        return len(self.latitude)

    def sampled(self, size: int, seed: int) -> Trips:
        """Return a random sample of the points, judged on the same trips; smaller samples are part of larger ones."""
        chosen = np.sort(np.random.default_rng(seed).permutation(len(self))[:size])
        return Trips(
            self.latitude[chosen],
            self.longitude[chosen],
            self.unseen,
            self.scale * size / len(self),
            self.most_hotspots,
        )


@dataclass(frozen=True, slots=True)
class Worth:
    """What a pair of parameters is worth. Values that were not asked for, or out of the bounds of noise, are None."""

    noise_ratio: float
    n_clusters: int
    unseen: Measured | None
    stability: Measured | None

    def value_of(self, objective: Objective) -> float | None:
        if objective == "noise":
            return self.noise_ratio
        found = self.unseen if objective == "unseen" else self.stability
        return None if found is None else found.value


class Evaluator:
    """Measures pairs of parameters on the same trips, with the same draws."""

    def __init__(self, trips: Trips, seed: int, threads: int | None = None) -> None:
        self._trips, self._threads = trips, threads
        rng = np.random.default_rng(seed)
        self._replicates = [_draw(trips, rng) for _ in range(REPLICATES)]

    def measure(
        self, eps_metres: float, min_samples: int, objectives: Sequence[Objective], noise: Sequence[float]
    ) -> Worth:
        """Cluster the points, and measure the objectives, unless the share of noise is out of its bounds."""
        trips = self._trips
        labels, core = self._cluster(trips.latitude, trips.longitude, eps_metres, min_samples)
        noise_ratio = float(np.count_nonzero(labels == NOISE) / len(labels))
        wanted = set(objectives) if noise[0] <= noise_ratio <= noise[-1] else set[Objective]()
        return Worth(
            noise_ratio=noise_ratio,
            n_clusters=int(labels.max(initial=NOISE)) + 1,
            unseen=self._unseen(labels, core, eps_metres) if "unseen" in wanted else None,
            stability=self._stability(labels, eps_metres, min_samples) if "stability" in wanted else None,
        )

    def _cluster(
        self, latitude: FloatArray, longitude: FloatArray, eps_metres: float, min_samples: int
    ) -> tuple[LabelArray, BoolArray]:
        # Counts of neighbours that serve all min_samples of an eps take longer than what they save: `dbscan` is quick.
        least = max(min_samples * self._trips.scale, 1.0)
        return dbscan(latitude, longitude, eps_metres, least, threads=self._threads)

    def _unseen(self, labels: LabelArray, core: BoolArray, eps_metres: float) -> Measured:
        trips = self._trips
        values = unseen_values(labels, core, trips, eps_metres, self._threads)
        return Measured(
            **dict(zip(("value", "low", "high"), mean_interval(values.of_trip, trips.unseen.block), strict=True))
        )

    def _stability(self, labels: LabelArray, eps_metres: float, min_samples: int) -> Measured:
        """Return the mean adjusted Rand index between clusters of the points and of bootstrap samples (Hennig 2007)."""
        found = []
        for replicate in self._replicates:
            here = labels
            if replicate.window is not None:
                here, _ = self._cluster(*replicate.points, eps_metres, min_samples)
            again, _ = self._cluster(*replicate.resampled, eps_metres, min_samples)
            found.append(adjusted_rand_index(tabulate(here[replicate.distinct], again[replicate.first])))
        low, high = student_interval(np.array(found), CONFIDENCE)
        return Measured(value=float(np.mean(found)), low=max(low, -1.0), high=min(high, 1.0))


def unseen_values(labels: LabelArray, core: BoolArray, trips: Trips, eps_metres: float, threads: int | None) -> Values:
    """Return what `judging.values_of` returns of the model that these clusters make."""
    size = np.bincount(labels[labels != NOISE]).astype(np.int64)
    kept = np.lexsort((np.arange(len(size)), -size))[: trips.most_hotspots]
    row_of_label = np.full(len(size) + 1, NOISE, dtype=np.int32)
    row_of_label[kept] = np.arange(len(kept), dtype=np.int32)
    rows = row_of_label[labels]  # of noise, −1: the last element
    inside = core & (rows != NOISE)
    near = NearestCore(trips.longitude[inside], trips.latitude[inside], rows[inside], eps_metres, spherical=True)
    unseen, cpus = trips.unseen, threads or len(usable_cpus())
    where = near.predict(unseen.area_longitude, unseen.area_latitude, cpus)
    found = near.predict(unseen.longitude, unseen.latitude, cpus)
    return values_of_rows(where, found, size[kept])


@dataclass(frozen=True, slots=True, eq=False)
class _Replicate:
    """Points drawn with replacement.

    window: which points they are drawn from; None for all. points, resampled: latitude and longitude of these, and of
    those drawn. distinct: which of the window's points were drawn, and `first` where each is among them first.
    """

    window: NDArray[np.int64] | None
    points: tuple[FloatArray, FloatArray]
    resampled: tuple[FloatArray, FloatArray]
    distinct: NDArray[np.int64]
    first: NDArray[np.int64]


def _draw(trips: Trips, rng: np.random.Generator) -> _Replicate:
    from haversine_dbscan.geodesy import great_circle_distance

    window, latitude, longitude = None, trips.latitude, trips.longitude
    if len(trips) > WINDOW_POINTS:
        centre = int(rng.integers(len(trips)))
        apart = great_circle_distance(latitude[centre], longitude[centre], latitude, longitude)
        window = np.sort(np.argpartition(apart, WINDOW_POINTS)[:WINDOW_POINTS])
        latitude, longitude = latitude[window], longitude[window]
    drawn = np.sort(rng.integers(0, len(latitude), len(latitude)))
    first = np.flatnonzero(np.diff(drawn, prepend=-1))
    return _Replicate(
        window, (latitude, longitude), (latitude[drawn], longitude[drawn]), drawn[first].astype(np.int64), first
    )
