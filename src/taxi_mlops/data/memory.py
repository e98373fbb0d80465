"""Read trips from objects in memory: data frames, Arrow tables, arrays, points of GeoPandas.

Only libraries that the caller has imported are used: none is imported here to recognise an object.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.arrow import as_arrow
from taxi_mlops.data.crs import identified
from taxi_mlops.data.point_columns import Geometry, xy_of
from taxi_mlops.data.tables import Table
from taxi_mlops.domain import Points
from taxi_mlops.errors import DataError, DataTypeError

if TYPE_CHECKING:
    import pyarrow as pa


class Rows(Protocol):
    """Rows in memory, as `pyarrow.Table`."""

    def select(self, columns: list[str], /) -> pa.Table:
        """Return these columns, in this order."""
        ...


def table_in_memory(trips: object, *, columns_named: bool = False) -> Table:
    """Return the rows of an object as a table, whose columns are found like those of a file.

    trips: a data frame of pandas or Polars, an Arrow table or what exports one (`__arrow_c_stream__`), a mapping of
    columns, a GeoDataFrame or GeoSeries of points in any reference system, or n rows of latitude and longitude.
    columns_named: the user names columns, so that the geometry of a GeoDataFrame does not count.

    Raises DataTypeError for other objects, and DataError if the points are invalid or of another shape.
    """
    geopandas, pandas, polars = (sys.modules.get(name) for name in ("geopandas", "pandas", "polars"))
    name = _name(trips)
    if geopandas and isinstance(trips, geopandas.GeoDataFrame | geopandas.GeoSeries):
        if columns_named and isinstance(trips, geopandas.GeoDataFrame):
            return _frame(trips, name)
        return _of_geometry(trips.geometry, name)
    if pandas and isinstance(trips, pandas.DataFrame):
        return _frame(trips, name)
    if polars and isinstance(trips, polars.LazyFrame):
        trips = trips.collect()
    if hasattr(trips, "__arrow_c_stream__") or isinstance(trips, Mapping):
        return _arrow(trips, name)
    if hasattr(trips, "__array__") or (isinstance(trips, Sequence) and not isinstance(trips, str | bytes)):
        return _array(trips, name)
    raise DataTypeError(
        f"trips cannot be read from {_name(trips)}: give a path or URL, a data frame (pandas, Polars, GeoPandas), an "
        "Arrow table, or an array of shape (n, 2), latitude and longitude"
    )


def _name(trips: object) -> str:
    """Return the name of the object in errors and results, as `pandas.DataFrame`."""
    kind = type(trips)
    package = kind.__module__.partition(".")[0]
    return kind.__qualname__ if package == "builtins" else f"{package}.{kind.__qualname__}"


def _arrow(trips: object, name: str) -> Table:
    import pyarrow as pa

    try:
        table = pa.table(trips)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(f"{name}: its columns cannot be read ({error})") from error
    return _table(tuple(table.column_names), table.num_rows, table, name)


def _table(columns: tuple[str, ...], rows: int, content: Rows, name: str) -> Table:
    return Table(name, "arrow", columns, rows, content=content)


def _degrees(latitude: NDArray[Any], longitude: NDArray[Any], name: str) -> Table:
    import pyarrow as pa

    content = pa.table({"latitude": as_arrow(latitude), "longitude": as_arrow(longitude)})
    return _table(("latitude", "longitude"), len(latitude), content, name)


def _array(trips: object, name: str) -> Table:
    """Return latitude and longitude of n rows, masked values missing; records by the names of their fields."""
    try:
        values = np.ma.asarray(trips) if isinstance(trips, np.ma.MaskedArray) else np.asarray(trips)
    except ValueError as error:
        raise DataError(f"{name}: is not an array of numbers ({error})") from None
    if values.dtype.names:
        return _arrow({field: np.ascontiguousarray(values[field]) for field in values.dtype.names}, name)
    if values.dtype.kind not in "iuf":
        raise DataError(f"{name}: holds {values.dtype}, not numbers; give latitude and longitude in degrees")
    if values.ndim != 2 or values.shape[1] != 2:
        advice = "transpose it (.T)" if values.ndim == 2 and values.shape[0] == 2 else "take the two columns"
        raise DataError(f"{name}: has shape {values.shape}, not (n, 2), latitude and longitude; {advice}")
    degrees = np.ma.filled(values.astype(np.float64), np.nan)
    return _degrees(degrees[:, 0], degrees[:, 1], name)


def _of_geometry(geometry: Any, name: str) -> Table:  # noqa: ANN401 - GeoSeries
    """Return a GeoSeries of points as a table, NaN if one is missing or empty."""
    import shapely

    shapes = geometry.to_numpy()
    kinds = shapely.get_type_id(shapes)
    other = (kinds != shapely.GeometryType.POINT) & (kinds != shapely.GeometryType.MISSING)
    if other.any():
        kind = shapes[np.flatnonzero(other)[0]].geom_type
        raise DataError(f"{name}: holds {kind}s, not points; take their .centroid or .representative_point() first")
    try:
        crs = None if geometry.crs is None else identified(geometry.crs)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    longitude, latitude = xy_of(shapes)
    return replace(_degrees(latitude, longitude, name), geometry=Geometry("geometry", crs))


def _frame(frame: Any, name: str) -> Table:  # noqa: ANN401 - DataFrame, of a library that need not be there
    columns = tuple(str(column) for column in frame.columns)
    return _table(columns, len(frame), _Columns(columns, lambda index: _cells(frame.iloc[:, index])), name)


class _Columns:
    """Columns that are converted only when they are read."""

    def __init__(self, names: Sequence[str], column: Callable[[int], pa.Array]) -> None:
        self._names = list(names)
        self._column = column

    def select(self, columns: list[str], /) -> pa.Table:
        import pyarrow as pa

        return pa.table([self._column(self._names.index(name)) for name in columns], names=columns)


def _cells(series: Any) -> pa.Array:  # noqa: ANN401 - Series
    """Return a column; as text if its cells are of several types."""
    import pyarrow as pa

    try:
        return pa.array(series, from_pandas=True)
    except (pa.ArrowException, OverflowError):
        missing = series.isna()
        return pa.array([None if gone else str(cell) for cell, gone in zip(series, missing, strict=True)], pa.string())


def write_points(points: Points, path: Path) -> None:
    """Write latitude and longitude as Parquet, from which they are read again to the last bit."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"latitude": as_arrow(points.latitude), "longitude": as_arrow(points.longitude)}
    pq.write_table(pa.table(columns), path, compression="zstd")
