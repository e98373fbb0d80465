"""The figures of quality as they are stored and shown. Nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass

from taxi_mlops.evaluation.performance import Interval


@dataclass(frozen=True, slots=True)
class Estimate:
    """One index of a clustering.

    value: None where it is not defined, and then `reason` says why. interval: None where every point was used, or where
    none can be given. points: how many points it was computed on; 0 where it is not defined. note: what to keep in
    mind.
    """

    value: float | None
    interval: Interval | None = None
    points: int = 0
    reason: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ClusterSizes:
    """How the clustered points spread over the clusters; sizes are numbers of points, weights left aside.

    quantiles: sizes at the shares 0.05, 0.25, 0.5, 0.75 and 0.95 of the clusters, the smallest first. largest_share: of
    the clustered points. gini: 0 where all clusters are equally large, towards 1 where one holds nearly everything.
    """

    clusters: int
    smallest: int
    quantiles: tuple[float, float, float, float, float]
    largest: int
    mean: float
    largest_share: float
    gini: float


@dataclass(frozen=True, slots=True)
class QualityMetrics:
    """The quality of one clustering. docs/explanation/statistics.md says what each figure means and how it is computed.

    measured_on: the adapter whose labels were measured; an equal clustering bears the same figures. noise_ratio: noise
    points over points. silhouette, davies_bouldin, calinski_harabasz: noise left out. dbcv: noise counts against it.
    stability: adjusted Rand index between DBSCAN on the points and on bootstrap samples of them. sizes: None without
    clusters.
    """

    measured_on: str
    noise_ratio: float | None
    silhouette: Estimate
    davies_bouldin: Estimate
    calinski_harabasz: Estimate
    dbcv: Estimate
    stability: Estimate
    sizes: ClusterSizes | None
