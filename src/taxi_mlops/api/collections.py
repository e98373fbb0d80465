"""`taxi_mlops.cluster` of a Dask DataFrame or a Ray Dataset: a collection of the same kind, with the labels added."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from taxi_mlops.api.keywords import plain_values
from taxi_mlops.clustering import Cluster
from taxi_mlops.data.schema_choice import choose_schema
from taxi_mlops.data.schemas import Coordinates
from taxi_mlops.errors import DataError, UsageError
from taxi_mlops.scale.partitions import Cutting, slots_for
from taxi_mlops.specification import AUTO

_USED = frozenset({"lat", "lon", "points", "eps", "min_samples", "threads"})
_ALSO = {"latitude": "lat", "longitude": "lon"}
ADDED = ("label", "core")
"""The columns that are added."""


def is_collection(trips: object) -> bool:
    """Return whether this is a Dask DataFrame or a Ray Dataset. Imports neither library."""
    return _is_frame(trips) or _is_dataset(trips)


def cluster_collection(trips: Any, given: Mapping[str, Any]) -> Any:  # noqa: ANN401 - of Dask or Ray
    """Return the collection with `label`, int32, and `core`, bool, of each row. given: parameters of `cluster`.

    Raises UsageError for parameters that need all points in this process, DataError if no columns hold the points.
    """
    name = "a Dask DataFrame" if _is_frame(trips) else "a Ray Dataset"
    values = plain_values({_ALSO.get(key, key): value for key, value in given.items()})
    document = Cluster().with_parameters(values)
    for key, value in values.items():
        if value is not None and key not in _USED:
            raise UsageError(f"{key}: is not for {name}, which is clustered where it is; leave it out")
    parameters = document.parameters
    if parameters.eps_metres == AUTO:
        raise UsageError(f'eps = "auto": is not for {name}; give metres')

    def cutting(partitions: int) -> Cutting:
        found = parameters.to_domain()
        return Cutting(found.eps_metres, found.min_samples, slots_for(partitions), document.threads or 1)

    if _is_frame(trips):
        from taxi_mlops.scale.dask_frames import cluster_frame

        place = _place(list(trips.columns), document, name)
        _require_numbers({column: trips.dtypes[column] for column in place.columns}, name)
        return cluster_frame(trips, place.latitude, place.longitude, place.divisor, cutting(trips.npartitions))
    from taxi_mlops.scale.ray_blocks import cluster_dataset

    schema = trips.schema()
    if schema is None:
        raise DataError(f"{name}: has no rows")
    place = _place(schema.names, document, name)
    types = dict(zip(schema.names, schema.types, strict=True))
    _require_numbers({column: types[column] for column in place.columns}, name)
    return cluster_dataset(trips, place.latitude, place.longitude, place.divisor, cutting)


def _is_frame(trips: object) -> bool:
    dask = sys.modules.get("dask.dataframe")
    return dask is not None and isinstance(trips, dask.DataFrame)


def _is_dataset(trips: object) -> bool:
    ray = sys.modules.get("ray.data")
    return ray is not None and isinstance(trips, ray.Dataset)


def _place(columns: Sequence[object], document: Cluster, name: str) -> Coordinates:
    """Return the columns of the points. Raises DataError if there are none, or the labels have no place."""
    names = [column for column in columns if isinstance(column, str)]
    taken = [column for column in ADDED if column in names]
    if taken:
        raise DataError(f"{name}: has a column {taken[0]!r} already, which the clustering adds; rename it or drop it")
    asked = document.dataset
    schema = choose_schema(
        names,
        where=name,
        points=asked.points,
        latitude_column=asked.latitude_column,
        longitude_column=asked.longitude_column,
    )
    place = schema.place(asked.points)
    if not isinstance(place, Coordinates) or place.crs:
        raise DataError(f"{name}: needs two columns of numbers, latitude and longitude in degrees")
    return place


def _require_numbers(kinds: Mapping[str, Any], name: str) -> None:
    """Raise DataError for a column of other types. kinds: of Arrow or of pandas, by column."""
    import pyarrow as pa

    for column, kind in kinds.items():
        if isinstance(kind, pa.DataType):
            is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        else:
            is_number = kind.kind in frozenset("iuf")
        if not is_number:
            raise DataError(f"{name}: column {column!r} holds {kind}, not numbers; convert it to float64 first")
