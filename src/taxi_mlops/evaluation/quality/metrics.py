"""The metrics of quality as they are stored and shown. Nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass

from taxi_mlops.evaluation.performance import Interval


@dataclass(frozen=True, slots=True)
class Estimate:
    """One index of a clustering.

    value: None if it is not defined, and then `reason` says why. interval: None if every point was used, or if none
    can be computed. points: how many points it was computed from; 0 if it is not defined. note: a limitation of the
    value.
    """

    value: float | None
    interval: Interval | None = None
    points: int = 0
    reason: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ClusterSizes:
    """The distribution of cluster sizes, in numbers of points, regardless of weights.

    quantiles: sizes at the shares 0.05, 0.25, 0.5, 0.75 and 0.95 of the clusters, the smallest first. largest_share: of
    the clustered points. gini: 0 if all clusters are equally large, towards 1 if one has nearly all points.
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
    """The quality of one clustering. docs/explanation/statistics.md defines each metric and how it is computed.

    measured_on: the adapter whose labels were measured; an equal clustering has the same values. noise_ratio: noise
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
