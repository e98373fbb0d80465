"""What users pass for points: coordinates of arrays, lists, Series, and of tables with named columns or geometries.

Tables are known by what they offer, so that neither pandas, Polars nor GeoPandas need to be installed.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from haversine_dbscan.arrays import FloatArray

_LATITUDE, _LONGITUDE = frozenset({"lat", "latitude"}), frozenset({"lon", "long", "lng", "longitude"})
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
"""Of pickup_latitude, startLat, LON."""


def as_floats(name: str, values: ArrayLike) -> FloatArray:
    """Return values as an array of float32 or float64. Raises ValueError where they are not real numbers."""
    refuse_masked(name, values)
    array = np.asarray(values)
    if array.dtype in (np.float32, np.float64):
        return array
    if array.dtype.kind == "c":
        raise ValueError(f"{name} must be real numbers, got {array.dtype}")
    try:
        return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers: {error}") from error


def as_weights(weight: ArrayLike) -> FloatArray:
    """Return weights as an array. Raises ValueError where one is not finite; negative ones are allowed."""
    array = as_floats("weight", weight)
    if not np.isfinite(array).all():
        wrong = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(f"weight must be finite, got {array.ravel()[wrong]} at {wrong}")
    return array


def refuse_masked(name: str, values: object) -> None:
    """Raise ValueError where values of a masked array are masked: as an array, they would be what is beneath."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        row = int(np.argwhere(np.ma.getmaskarray(values))[0][0])
        raise ValueError(f"{name} has masked values, the first in row {row}: leave out the rows with masked values")


def coordinates(table: Any, *, spherical: bool) -> Any:  # noqa: ANN401 - of any library
    """Return what holds two coordinates of each point, latitude first on the sphere; other input as it is.

    Of points of GeoPandas, the coordinates, (n, 2), on the sphere in degrees; of a data frame, on the sphere, the
    columns that are named latitude and longitude, wherever they are. Raises ValueError for geometries that are not
    points, and where several columns have such a name.
    """
    refuse_masked("X", table)
    if hasattr(table, "geom_type") and hasattr(table, "to_crs"):
        return _of_geometries(table.geometry, spherical=spherical)
    if spherical and hasattr(table, "columns") and not callable(table.columns):
        named = _named_columns([name for name in table.columns if isinstance(name, str)])
        return table if named is None else table[named]
    return table


def _of_geometries(geometries: Any, *, spherical: bool) -> FloatArray:  # noqa: ANN401
    wrong = np.flatnonzero((np.asarray(geometries.geom_type) != "Point") | np.asarray(geometries.is_empty))
    if len(wrong):
        kind = geometries.iloc[wrong[0]]
        kind = "nothing" if kind is None else f"{'an empty ' if kind.is_empty else ''}{kind.geom_type}"
        raise ValueError(f"the geometries must be points, got {kind} in row {wrong[0]}")
    if spherical and geometries.crs is not None:
        geometries = geometries.to_crs(4326)
    x, y = np.asarray(geometries.x), np.asarray(geometries.y)
    return np.stack([y, x] if spherical else [x, y], axis=1)


def _named_columns(names: list[str]) -> list[str] | None:
    """Return the names of the latitude and of the longitude; None where no column has such a name."""
    found = []
    for kind, words in (("latitude", _LATITUDE), ("longitude", _LONGITUDE)):
        several = [name for name in names if _last_word(name) in words]
        if len(several) > 1:
            raise ValueError(f"several columns are named {kind}: {', '.join(several)}; pass the two to take")
        found += several
    return found if len(found) == 2 else None


def _last_word(name: str) -> str:
    words: list[str] = _WORDS.findall(name)
    return words[-1].lower() if words else ""
