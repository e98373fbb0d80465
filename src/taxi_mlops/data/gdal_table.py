"""FlatGeobuf, GeoPackage and Shapefiles of points in batches, read by GDAL through pyogrio.

Their points appear as the columns `latitude` and `longitude`, beside the fields of the layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from taxi_mlops.data.crs import identified
from taxi_mlops.data.files import TripFile
from taxi_mlops.data.point_columns import Geometry, with_points
from taxi_mlops.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_INSTALL = 'pip install "taxi-mlops[geo]"'
_LARGEST_OBJECT = 1 << 30
"""Bytes of an object of a store, which is read into memory."""

_SHAPEFILE_LENGTH = slice(24, 28)
"""Where the header of a file .shp has its length, in words of two bytes."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of points in a file of geodata."""

    name: str
    fields: tuple[str, ...]
    rows: int | None
    geometry: Geometry

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields, and the coordinates of the points."""
        return (*self.fields, "latitude", "longitude")


def find_layer(file: TripFile) -> Layer:
    """Return the one layer of points.

    Raises DataError if pyogrio is missing, the file cannot be read, or it has no layer of points or several.
    """
    _check_shapefile(file)
    with _gdal(file) as pyogrio:
        source = _source(file)
        layers = [(str(name), str(kind)) for name, kind in pyogrio.list_layers(source) if kind is not None]
        if not layers:
            raise DataError(f"{file}: truncated or corrupt (no layer with a geometry); fetch or export it again")
        points = [name for name, kind in layers if kind.replace("2.5D ", "").split()[0] in {"Point", "Unknown"}]
        if len(points) != 1:
            found = ", ".join(f"{name} ({kind})" for name, kind in layers[:5])
            what = "no layer of points" if not points else f"{len(points)} layers of points"
            raise DataError(f"{file}: {what}: {found}; export one layer of points, for example with ogr2ogr")
        info = pyogrio.read_info(source, layer=points[0])
    fields = tuple(name for name in map(str, info["fields"]) if name not in {"latitude", "longitude"})
    rows = int(info["features"])
    try:
        crs = identified(info["crs"]) if info["crs"] else None
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
    return Layer(points[0], fields, rows if rows >= 0 else None, Geometry(info["geometry_name"] or "wkb_geometry", crs))


def layer_batches(file: TripFile, layer: Layer, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the named columns of a layer in batches of at most so many rows. Raises DataError if it is corrupt."""
    decoded = bool({"latitude", "longitude"} & set(columns))
    fields = [name for name in columns if name in layer.fields]
    with (
        _gdal(file) as pyogrio,
        pyogrio.raw.open_arrow(
            _source(file), layer=layer.name, columns=fields, read_geometry=decoded, batch_size=rows, use_pyarrow=True
        ) as (_, reader),
    ):
        for batch in reader:
            yield with_points(file, batch, layer.geometry.column, columns) if decoded else batch.select(list(columns))


def _check_shapefile(file: TripFile) -> None:
    """Raise DataError if a Shapefile is shorter than its header says: GDAL would read missing points."""
    if isinstance(file, Path) and file.suffix.lower() == ".shp":
        with file.open("rb") as content:
            header = content.read(_SHAPEFILE_LENGTH.stop)
        expected = 2 * int.from_bytes(header[_SHAPEFILE_LENGTH], "big")
        actual = file.stat().st_size
        if actual < expected:
            raise DataError(f"{file}: truncated ({actual:,} of {expected:,} bytes); fetch or export it again")


def _source(file: TripFile) -> Any:  # noqa: ANN401 - what pyogrio takes
    """Return the path, or the content of an object of a store."""
    if isinstance(file, Path):
        return str(file)
    if file.size > _LARGEST_OBJECT:
        raise DataError(f"{file}: larger than {_LARGEST_OBJECT >> 30} GiB; download it first, or convert it to Parquet")
    with file.open() as content:
        return content.read()


@contextmanager
def _gdal(file: TripFile) -> Iterator[ModuleType]:
    """Provide pyogrio, whose errors are raised as a DataError."""
    try:
        import pyogrio
        import pyogrio.raw
        from pyogrio.errors import DataLayerError, DataSourceError, FieldError
    except ImportError as error:
        raise DataError(
            f"{file}: reading it needs the package pyogrio: {_INSTALL}; or convert it: ogr2ogr trips.geojson {file}"
        ) from error
    try:
        yield pyogrio
    except (DataSourceError, DataLayerError, FieldError) as error:
        raise DataError(f"{file}: truncated or corrupt ({error}); fetch or export it again") from error
