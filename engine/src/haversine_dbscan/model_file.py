"""A fitted clustering as a .npz file of plain arrays: what predicting needs, and nothing that could run code."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from haversine_dbscan.arrays import LabelArray

_ARRAYS = frozenset({"components", "labels", "eps", "min_samples", "metric"})
_DAMAGE = (ValueError, EOFError, zipfile.BadZipFile, zlib.error)
"""What numpy raises for other files, and for broken ones."""


class SavedModel(NamedTuple):
    """What is saved. components: the core points, float64 or float32 (k, 2); labels: their clusters, int32 (k,).

    On the great circle the columns of components are latitude and longitude in degrees, and eps is in metres.
    """

    components: NDArray[Any]
    labels: LabelArray
    eps: float
    min_samples: float
    metric: Literal["great_circle", "euclidean"]


def save_model(model: SavedModel, path: Path) -> None:
    """Write a model; a file that is there is replaced."""
    with path.open("wb") as file:
        np.savez(
            file,
            components=model.components,
            labels=model.labels,
            eps=np.float64(model.eps),
            min_samples=np.float64(model.min_samples),
            metric=np.array(model.metric),
        )


def load_model(path: Path) -> SavedModel:
    """Read a model. Raises ValueError for other files and broken ones, and OSError where there is none."""
    with path.open("rb") as file:
        try:
            loaded = np.load(file, allow_pickle=False)
        except _DAMAGE as error:
            raise ValueError(f"{path} is not a saved model: it is no .npz file of arrays") from error
        files = getattr(loaded, "files", None)
        if files is None:
            raise ValueError(f"{path} is not a saved model: it is one array (.npy), no .npz file of arrays")
        missing = _ARRAYS - set(files)
        if missing:
            raise ValueError(f"{path} is not a saved model: it has no {', '.join(sorted(missing))}")
        try:
            model = SavedModel(
                loaded["components"],
                loaded["labels"],
                float(loaded["eps"]),
                float(loaded["min_samples"]),
                str(loaded["metric"]),  # type: ignore[arg-type]  # checked below
            )
        except (*_DAMAGE, TypeError) as error:
            raise ValueError(f"{path} is a broken model: {error}") from error
    _check(model, path)
    return model


def _check(model: SavedModel, path: Path) -> None:
    components, labels = model.components, model.labels
    right = (
        components.dtype in (np.float64, np.float32)
        and components.ndim == 2
        and components.shape[1] == 2
        and labels.dtype == np.int32
        and labels.shape == components.shape[:1]
        and bool(np.isfinite(components).all())
        and model.eps > 0
        and model.min_samples > 0
        and model.metric in ("great_circle", "euclidean")
    )
    if not right:
        raise ValueError(
            f"{path} is a broken model: core points {components.dtype} {components.shape}, labels {labels.dtype} "
            f"{labels.shape}, eps {model.eps:g}, min_samples {model.min_samples:g}, metric {model.metric!r}"
        )
