"""Compare DBSCAN implementations on your own trips."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from haversine_dbscan.estimator import GridDBSCAN
    from taxi_mlops.api.clusters import cluster
    from taxi_mlops.api.comparison import compare
    from taxi_mlops.api.lineage import lineage
    from taxi_mlops.api.models import train
    from taxi_mlops.api.trips import load
    from taxi_mlops.api.tuning import tune

__all__ = ["GridDBSCAN", "__version__", "cluster", "compare", "lineage", "load", "train", "tune"]

__version__ = "0.1.0"

_LAZY = {
    "GridDBSCAN": "haversine_dbscan.estimator",
    "cluster": "taxi_mlops.api.clusters",
    "compare": "taxi_mlops.api.comparison",
    "lineage": "taxi_mlops.api.lineage",
    "load": "taxi_mlops.api.trips",
    "train": "taxi_mlops.api.models",
    "tune": "taxi_mlops.api.tuning",
}
"""Names of this module, by the module that is imported when they are first used."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - of any type
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
