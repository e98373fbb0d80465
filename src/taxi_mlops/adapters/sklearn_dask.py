"""`sklearn-dask`: scikit-learn's DBSCAN in tiles on a Dask cluster of this machine, joined exactly."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from taxi_mlops.adapters.on_tiles import TiledAdapter
from taxi_mlops.domain import AdapterInfo, BoolArray, FloatArray, LabelArray

if TYPE_CHECKING:
    from haversine_dbscan.rivals import Rivals
    from taxi_mlops.scale.tile import Engine

_PAIRS_AT_ONCE = 2_000_000


def cluster_with_sklearn(
    latitude: FloatArray,
    longitude: FloatArray,
    eps_metres: float,
    min_samples: float,
    weight: FloatArray | None,
    threads: int,
) -> tuple[LabelArray, BoolArray, Rivals]:
    """Cluster a tile as `sklearn` does; list also the further clusters within eps of each border point."""
    from sklearn.neighbors import BallTree

    from haversine_dbscan.geodesy import EARTH_RADIUS_METRES
    from haversine_dbscan.rivals import Rivals, no_rivals
    from taxi_mlops.adapters.haversine import HaversineProblem, fit_haversine

    radians = np.radians(np.column_stack((latitude, longitude)))
    eps_radians = eps_metres / EARTH_RADIUS_METRES
    found = fit_haversine(HaversineProblem(radians, weight, eps_radians, int(min_samples), threads))
    labels, core = found.labels, np.asarray(found.core_mask)
    border, cores = np.flatnonzero((labels >= 0) & ~core), np.flatnonzero(core)
    if not len(border):
        return labels, core, no_rivals()
    tree = BallTree(radians[cores], metric="haversine")
    pairs = [np.empty((0, 2), dtype=np.int64)]
    # A border point has fewer neighbours than `min_samples`, if none weighs less than 1.
    at_once = max(_PAIRS_AT_ONCE // int(min_samples), 1)
    for begin in range(0, len(border), at_once):
        asked = border[begin : begin + at_once]
        near = tree.query_radius(radians[asked], eps_radians)
        point = np.repeat(asked, [len(one) for one in near])
        label = labels[cores[np.concatenate(near)]]
        other = label != labels[point]
        pairs.append(np.unique(np.column_stack((point[other], label[other])), axis=0))
    point, label = np.concatenate(pairs).T
    return labels, core, Rivals(point, label.astype(np.int32))


class SklearnDaskAdapter(TiledAdapter):
    """scikit-learn with a ball tree and the haversine distance in each tile, a Dask worker for each thread."""

    requires: ClassVar[str | None] = "distributed"
    install: ClassVar[str] = "pip install 'taxi-mlops[dask]'"
    place: ClassVar[str] = "dask"

    def engine(self) -> Engine:
        return cluster_with_sklearn

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(
            name="sklearn-dask",
            version=version("scikit-learn"),
            summary="scikit-learn in tiles on a Dask cluster of this machine, joined exactly",
            exact=True,
            weighted=True,
            parallel=True,
            homepage="https://scikit-learn.org",
        )
