"""Exact DBSCAN on latitude and longitude, in metres: kernels on numpy and numba.

`clustering` holds the two functions that cluster; `estimator` the scikit-learn estimator around them, `nearest` its
predictions. The way of the points: `frame` (geometry) and `resolution` → `layout` (sorted into cells) → `counting`
(core points) → `connecting` (clusters) → `labelling`, put together by `steps` on `threads`. What no frame covers
(poles, antimeridian, the whole world) goes the same way in several `zones` that `worldwide` joins, and through
`pairwise` where eps is a good part of the earth. `neighbours` counts the points within eps of each, from which the
clusters of every min_samples follow. `rivals` lists what those need to know who join the clusters of
parts. `reaching` asks the same cells for the equivalence check. `geodesy`
and `haversine` measure.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from haversine_dbscan.clustering import dbscan, dbscan_plane
    from haversine_dbscan.estimator import GridDBSCAN
    from haversine_dbscan.neighbours import Neighbourhoods, count_neighbours

__all__ = ["GridDBSCAN", "Neighbourhoods", "__version__", "count_neighbours", "dbscan", "dbscan_plane"]

__version__: str

_LAZY = {
    "GridDBSCAN": "estimator",
    "Neighbourhoods": "neighbours",
    "count_neighbours": "neighbours",
    "dbscan": "clustering",
    "dbscan_plane": "clustering",
}
"""Names of this package, by the module that is imported when they are first used."""
_EXTRA = "haversine-dbscan[scikit-learn]"


def __getattr__(name: str) -> Any:  # noqa: ANN401 - of any type
    if name == "__version__":
        from importlib.metadata import version

        return version("haversine-dbscan")
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("joblib", "sklearn"):
            raise
        raise ImportError(f"{name} needs scikit-learn: pip install '{_EXTRA}'") from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
