"""The engine as a scikit-learn estimator."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils import Tags
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from haversine_dbscan.arrays import IntArray, LabelArray
from haversine_dbscan.clustering import check_degrees, dbscan, dbscan_plane
from haversine_dbscan.frame import extent_of
from haversine_dbscan.inputs import coordinates
from haversine_dbscan.model_file import SavedModel, load_model, save_model
from haversine_dbscan.nearest import NearestCore


class GridDBSCAN(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Exact DBSCAN for points on the sphere or in the plane.

    Parameters
    ----------
    eps : float, default=100.0
        The radius of a neighbourhood, inclusive: metres on the great circle, or in the unit of the coordinates.
    min_samples : float, default=10
        How many points, or how much weight, within eps make a core point; the point itself counts.
    metric : {"great_circle", "euclidean"}, default="great_circle"
        The columns of X are latitude and longitude in degrees (WGS 84), or any two coordinates. Of a data frame, those
        of that name are taken, in any order.
    n_jobs : int or None, default=None
        Threads; None is 1 unless a joblib context says otherwise, -1 is all.

    Attributes
    ----------
    labels_ : int32 (n,), the cluster of each point, numbered by first core point; -1 is noise.
    core_sample_indices_ : int64 (k,), which points are core.
    components_ : float64 or float32 (k, 2), the core points.
    n_features_in_ : 2.
    feature_names_in_ : the names of the columns, of a data frame.

    Notes
    -----
    Labels are those of `sklearn.cluster.DBSCAN`. Time is near-linear, peak memory some 30 bytes a point.

    References
    ----------
    Ester, Kriegel, Sander and Xu: A density-based algorithm for discovering clusters. KDD 1996.
    Gunawan: A faster algorithm for DBSCAN. Eindhoven 2013.

    Examples
    --------
    >>> from haversine_dbscan.estimator import GridDBSCAN
    >>> stops = [[-33.45, -70.66], [-33.4501, -70.66], [-33.4501, -70.6601], [-33.5, -70.6]]
    >>> GridDBSCAN(eps=50, min_samples=3).fit_predict(stops)
    array([ 0,  0,  0, -1], dtype=int32)
    """

    labels_: LabelArray
    core_sample_indices_: IntArray
    components_: NDArray[Any]

    def __init__(
        self,
        eps: float = 100.0,
        min_samples: float = 10,
        metric: Literal["great_circle", "euclidean"] = "great_circle",
        n_jobs: int | None = None,
    ) -> None:
        self.eps = eps
        self.min_samples = min_samples
        self.metric = metric
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:  # noqa: ARG002, N803
        """Cluster the points of X, an array or list, (n, 2), a data frame, or points of GeoPandas.

        On the great circle, the columns of a data frame (pandas, Polars) that are named latitude and longitude are
        taken, wherever they are: the last word of the name is lat, latitude, lon, lng, long or longitude. Geometries in
        another reference system are converted to degrees. Raises ValueError for other shapes, and for values that are
        not finite, missing or masked.
        """
        self._check_parameters()
        points = self._points(X, reset=True)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, points, dtype=np.float64)
        if self.metric == "great_circle":
            self._warn_of_doubtful_degrees(points)
        cluster = dbscan if self.metric == "great_circle" else dbscan_plane
        self.labels_, core = cluster(
            points[:, 0], points[:, 1], self.eps, self.min_samples, weight, effective_n_jobs(self.n_jobs)
        )
        self.core_sample_indices_ = np.flatnonzero(core)
        self.components_ = points[self.core_sample_indices_]
        self._set_model(self.labels_[self.core_sample_indices_])
        return self

    def predict(self, X: ArrayLike) -> LabelArray:  # noqa: N803
        """Return int32 (m,): the cluster of the nearest core point within eps of each row of X, or -1."""
        check_is_fitted(self, "components_")
        points = self._points(X, reset=False)
        if self._nearest.spherical:
            check_degrees(extent_of(points[:, 1], points[:, 0]))
        x, y = (points[:, 1], points[:, 0]) if self._nearest.spherical else (points[:, 0], points[:, 1])
        return self._nearest.predict(x, y, effective_n_jobs(self.n_jobs))

    def save(self, path: str | Path) -> None:
        """Write what predicting needs to a .npz file of plain arrays: core points, clusters, parameters."""
        check_is_fitted(self, "components_")
        metric: Literal["great_circle", "euclidean"] = "great_circle" if self._nearest.spherical else "euclidean"
        model = SavedModel(self.components_, self._nearest.labels, self._nearest.eps, self._fitted_min_samples, metric)
        save_model(model, Path(path))

    @classmethod
    def load(cls, path: str | Path, n_jobs: int | None = None) -> Self:
        """Read a model that `save` wrote; it predicts, and knows no `labels_`. Raises ValueError for other files."""
        saved = load_model(Path(path))
        model = cls(eps=saved.eps, min_samples=saved.min_samples, metric=saved.metric, n_jobs=n_jobs)
        model.components_ = saved.components
        model.n_features_in_ = 2
        model._set_model(saved.labels)
        return model

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags

    def _set_model(self, core_labels: LabelArray) -> None:
        self._nearest = NearestCore(
            *self._x_and_y(self.components_), core_labels, float(self.eps), spherical=self.metric == "great_circle"
        )
        self._fitted_min_samples = float(self.min_samples)

    def _x_and_y(self, points: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        first, second = points[:, 0], points[:, 1]
        return (second, first) if self.metric == "great_circle" else (first, second)

    def _warn_of_doubtful_degrees(self, points: NDArray[Any]) -> None:
        latitude, longitude = np.abs(points[:, 0]).max(), np.abs(points[:, 1]).max()
        away_from_zero = max(latitude, longitude) > 0.5 or min(latitude, longitude) > 0.1
        if np.ptp(points) > 0.0 and latitude <= np.pi / 2 and longitude <= np.pi and away_from_zero:
            warnings.warn(
                "all coordinates are within pi: they look like radians, but are taken as degrees "
                "(convert them by numpy.degrees)",
                stacklevel=3,
            )

    def _check_parameters(self) -> None:
        if self.metric not in ("great_circle", "euclidean"):
            raise ValueError(f"metric must be 'great_circle' or 'euclidean', got {self.metric!r}")
        if not self.min_samples > 0:
            raise ValueError(f"min_samples must be positive, got {self.min_samples!r}")

    def _points(self, X: ArrayLike, *, reset: bool) -> NDArray[Any]:  # noqa: N803
        spherical = self.metric == "great_circle" if reset else self._nearest.spherical
        table = coordinates(X, spherical=spherical)
        points: NDArray[Any] = validate_data(self, table, reset=reset, dtype=[np.float64, np.float32])
        if points.shape[1] != 2:
            raise ValueError(
                f"GridDBSCAN takes 2 columns, two coordinates of each point; got n_features = {points.shape[1]}"
            )
        return points
