"""`taxi_mlops.load`: trips for the other functions, from a file, a data frame or an array."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from html import escape
from typing import TYPE_CHECKING, Any, Self, Unpack

import numpy as np
from numpy.typing import DTypeLike, NDArray

from taxi_mlops.api.keywords import plain_values, takes_keywords
from taxi_mlops.api.libraries import require
from taxi_mlops.api.watching import watched
from taxi_mlops.data.load import load_table
from taxi_mlops.data.memory import table_in_memory
from taxi_mlops.data.request import DatasetParameters, LoadRequest
from taxi_mlops.data.synthetic import SCHEME
from taxi_mlops.domain import Points
from taxi_mlops.errors import UsageError
from taxi_mlops.pipeline.points import cached_points
from taxi_mlops.settings import load_settings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Trips(Points):
    """Points of trips, cleaned: arrays `latitude`, `longitude` and `row`, and their `provenance`.

    `numpy.asarray` gives latitude and longitude, float64 of shape (n, 2).
    """

    request: LoadRequest | None = None
    """The request that reads them again from their source; None if they were given in memory."""

    @classmethod
    def of(cls, points: Points, request: LoadRequest | None = None) -> Self:
        """Return the points with the request that reads them again."""
        return cls(**{one.name: getattr(points, one.name) for one in fields(Points)}, request=request)

    def to_frame(self) -> pd.DataFrame:
        """Return `row`, `latitude`, `longitude` and, if there is one, `weight` of each point.

        `row` is the position of a point in the source, from 0: `frame.iloc[trips.row]` are the rows that were kept.
        Raises LibraryMissingError without pandas.
        """
        pandas = require("pandas")
        given = {"row": self.row, "latitude": self.latitude, "longitude": self.longitude, "weight": self.weight}
        return pandas.DataFrame({name: values for name, values in given.items() if values is not None})

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("latitude and longitude stand apart, so that an array of both is a copy")
        return np.column_stack((self.latitude, self.longitude)).astype(dtype or np.float64, copy=False)

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self).strip('<>'))}</p>"

    def __repr__(self) -> str:
        provenance = self.provenance
        dropped = {rule: count for rule, count in provenance.dropped.items() if count}
        rules = ", ".join(f"{count:,} {rule.replace('_', ' ')}" for rule, count in dropped.items())
        weighted = "" if self.weight is None else "weighted "
        return (
            f"<Trips: {len(self):,} {weighted}points of {provenance.uri}, "
            f"{sum(dropped.values()):,} of {provenance.rows_read:,} rows dropped{f' ({rules})' if rules else ''}>"
        )


@takes_keywords(LoadRequest, DatasetParameters)
def load(source: object = None, /, **dataset: Unpack[DatasetParameters]) -> Trips:
    """Read and clean trips.

    Parameters
    ----------
    source : path, URL, data frame, table or array, default: a synthetic city of 20,000 trips
        A file, folder or address as `taxi compare` takes them; a data frame of pandas or Polars, an Arrow table, or a
        mapping of columns, whose columns are found by their names as in files; points of GeoPandas, converted to
        degrees; or an array of shape (n, 2), latitude and longitude in degrees.

    Returns
    -------
    Trips
        The points that were kept, with what cleaning dropped.

    Raises
    ------
    DataError
        Where the trips cannot be used; a ValueError. DataNotFoundError, a FileNotFoundError, where there is no such
        file, DataTypeError, a TypeError, for objects of other types.
    DownloadError
        Where a server does not deliver.

    Examples
    --------
    >>> import taxi_mlops as taxi
    >>> taxi.load([[-33.44, -70.65], [-33.45, -70.66], [0.0, 0.0]])
    <Trips: 2 points of list, 1 of 3 rows dropped (1 zero)>
    """
    return trips_of(source, dataset)


def trips_of(source: object, dataset: Mapping[str, Any]) -> Trips:
    """Load trips, unless they are loaded already. dataset: parameters of `LoadRequest`.

    Raises as `load` does, and UsageError for parameters of trips that are loaded already.
    """
    if isinstance(source, Trips):
        for name, value in dataset.items():
            if value is not None:
                raise UsageError(f"{name}: the trips are loaded already; give {name} to taxi_mlops.load")
        return source
    if is_address(source):
        request = LoadRequest().with_parameters(plain_values({"data": source, **dataset}))
        with watched() as observer:
            points = cached_points(request, load_settings(), observer)
        if request.source is None or request.source.startswith(f"{SCHEME}:"):
            request = request.model_copy(update={"source": points.provenance.uri})  # which holds the seed
        return Trips.of(points, request)
    return Trips.of(points_in_memory(source, dataset))


def points_in_memory(source: object, dataset: Mapping[str, Any], *, find_region: bool = True) -> Points:
    """Clean the points of an object in memory. dataset: parameters of `LoadRequest`. find_region: see `load_table`."""
    request = LoadRequest().with_parameters(plain_values(dataset))
    named = bool(request.latitude_column or request.longitude_column)
    return load_table(table_in_memory(source, columns_named=named), request, find_region=find_region)


def is_address(source: object) -> bool:
    """Return whether the source is a path, a URL or None, and not an object with trips."""
    return source is None or isinstance(source, str | os.PathLike)
