"""Parse columns whose cells are points: well-known text or binary, GeoJSON, or two numbers.

WKT and WKB are those of OGC 06-103r4, with or without PostGIS's SRID; longitude comes first, as in GeoJSON
(RFC 7946). WKB is binary, or text of hexadecimal digits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.arrow import as_arrow, as_float64, as_numpy
from taxi_mlops.data.columns import is_text, plain, without_missing
from taxi_mlops.data.schemas import PointColumn, PointForm
from taxi_mlops.data.validator import DataValidator
from taxi_mlops.domain import BoolArray, FloatArray
from taxi_mlops.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_NO_GEOMETRY = -1
WGS84 = 4326
"""The EPSG code of degrees as GPS gives them."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Points of a geodata format, which appear as the columns `latitude` and `longitude`.

    column: where they are stored. crs: the system that their coordinates are in by the file; None is degrees.
    """

    column: str
    crs: str | None


_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_FRACTION = r"[-+]?[0-9]*\.[0-9]+"
_WKT = (
    r"(?i)^(?:SRID\s*=\s*(?P<srid>[0-9]+)\s*;\s*)?POINT\s*(?:ZM|Z|M)?\s*"
    rf"\(\s*(?P<first>{_NUMBER})\s+(?P<second>{_NUMBER})(?:\s+{_NUMBER})*\s*\)$"
)
_GEOJSON = rf"""^\{{.*["']coordinates["']\s*:\s*[\[(]\s*(?P<first>{_NUMBER})\s*,\s*(?P<second>{_NUMBER})"""
_PAIR = rf"^[\[(]?\s*(?P<first>{_NUMBER})(?:\s*[,;]\s*|\s+)(?P<second>{_NUMBER})\s*[\])]?$"
_SURE_PAIR = rf"^(?:[\[(]\s*{_NUMBER}\s*[,;]\s*{_NUMBER}\s*[\])]|{_FRACTION}(?:\s*[,;]\s*|\s+){_FRACTION})$"
"""Not a number with a thousands separator, or with a decimal comma."""
_EMPTY = r"(?i)^(?:SRID\s*=\s*[0-9]+\s*;\s*)?POINT\s*(?:ZM|Z|M)?\s*EMPTY$"
_HEXADECIMAL = r"^(?:\\x|0x)?0[01][0-9A-Fa-f]{40,}$"
_PATTERNS: dict[PointForm, str] = {"WKT": _WKT, "GeoJSON": _GEOJSON, "pairs": _PAIR}
_SURE: dict[PointForm, str] = {"WKT": _WKT, "GeoJSON": _GEOJSON, "pairs": _SURE_PAIR, "WKB": _HEXADECIMAL}
_SHARE_OF_CELLS = 0.9


def form_of(cells: pa.Array) -> PointForm | None:
    """Return the form in which nine of ten cells are points, or None; missing ones do not count."""
    import pyarrow.compute as pc

    cells = plain(cells)
    if _is_binary(cells):
        return "WKB" if _most(_are_points(_shapes(cells.drop_null()))) else None
    if not is_text(cells):
        return None
    cells = without_missing(cells).drop_null()
    for form, pattern in _SURE.items():
        if _most(as_numpy(pc.match_substring_regex(cells, pattern))):
            return form if form != "WKB" or _most(_are_points(_shapes(cells))) else None
    return None


def srid_of(cells: pa.Array, form: PointForm) -> int:
    """Return the spatial reference system that most cells name, as an EPSG code; WGS 84 if they name none."""
    import pyarrow.compute as pc

    cells = plain(cells)
    if form == "WKB":
        import shapely

        named = shapely.get_srid(_shapes(cells)).tolist()
    elif form == "WKT":
        named = pc.struct_field(pc.extract_regex(without_missing(cells), _WKT), "srid").to_pylist()
    else:
        return WGS84
    known = Counter(int(srid or WGS84) for srid in named if srid is not None and srid != _NO_GEOMETRY)
    return known.most_common(1)[0][0] if known else WGS84


def points_of(cells: pa.Array, place: PointColumn, validator: DataValidator) -> tuple[FloatArray, FloatArray]:
    """Return latitude and longitude of n cells, float64 of shape (n,), NaN if a cell is missing or empty.

    Cells that are not points, or of another spatial reference system, are reported to the validator.
    """
    cells = plain(cells)
    if not (is_text(cells) or (place.form == "WKB" and _is_binary(cells))):
        validator.wrong_type(place.column, as_numpy(cells.is_valid()), cells)
        nowhere = np.full(len(cells), np.nan)
        return nowhere, nowhere
    read = _wkb_points if place.form == "WKB" else _text_points
    first, second, unreadable = read(cells, place)
    validator.wrong_type(place.column, unreadable, cells)
    return (second, first) if place.longitude_first else (first, second)


def _text_points(cells: pa.Array, place: PointColumn) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return the first and the second number of each cell, and which cells are not points."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = without_missing(cells)
    points = pc.extract_regex(cells, _PATTERNS[place.form])
    unreadable = as_numpy(cells.is_valid()) & as_numpy(points.is_null())
    if place.form == "WKT":
        unreadable &= ~as_numpy(pc.fill_null(pc.match_substring_regex(cells, _EMPTY), False))
        expected = pa.array(["", "0", str(place.srid)], cells.type)
        unreadable |= as_numpy(points.is_valid()) & ~as_numpy(pc.is_in(pc.struct_field(points, "srid"), expected))
    first, second = (as_float64(pc.struct_field(points, name)) for name in ("first", "second"))
    return first, second, unreadable


def _wkb_points(cells: pa.Array, place: PointColumn) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return x and y of each cell, and which cells are not points."""
    import shapely

    shapes = _shapes(cells)
    unreadable = as_numpy(cells.is_valid()) & ~_are_points(shapes)
    unreadable |= ~np.isin(shapely.get_srid(shapes), (-1, 0, place.srid))
    first, second = xy_of(np.where(unreadable, shapely.Point(), shapes))
    return first, second, unreadable


def xy_of(points: NDArray[np.object_]) -> tuple[FloatArray, FloatArray]:
    """Return x and y of n points of shapely, float64 of shape (n,), NaN if a point is None or empty."""
    import shapely

    x, y = np.full(points.size, np.nan), np.full(points.size, np.nan)
    there = ~(shapely.is_missing(points) | shapely.is_empty(points))
    x[there], y[there] = shapely.get_x(points[there]), shapely.get_y(points[there])
    return x, y


def with_points(file: object, batch: pa.RecordBatch, points: str, columns: Sequence[str]) -> pa.RecordBatch:
    """Return these columns of a batch, `latitude` and `longitude` among them from its column of points.

    points: that column, of WKB or of structs with x and y. Raises DataError naming the file if it has other geometries.
    """
    import pyarrow as pa
    import shapely

    cells = batch.column(points)
    if pa.types.is_struct(cells.type):
        longitude, latitude = (as_float64(cells.flatten()[cells.type.get_field_index(name)]) for name in "xy")
    else:
        shapes = np.asarray(shapely.from_wkb(cells.to_pylist()))
        kinds = shapely.get_type_id(shapes)
        other = (kinds != shapely.GeometryType.POINT) & (kinds != shapely.GeometryType.MISSING)
        if other.any():
            kind = shapes[np.flatnonzero(other)[0]].geom_type
            raise DataError(f"{file}: column {points!r} holds {kind}s, not points; take their centroids first")
        longitude, latitude = xy_of(shapes)
    found = {"latitude": as_arrow(latitude), "longitude": as_arrow(longitude)}
    return pa.RecordBatch.from_arrays([found.get(name) or batch.column(name) for name in columns], list(columns))


def _shapes(cells: pa.Array) -> NDArray[np.object_]:
    """Return the geometries of n cells, shape (n,); None if a cell is missing or invalid."""
    import pyarrow.compute as pc
    import shapely

    if is_text(cells):
        cells = pc.replace_substring_regex(without_missing(cells), r"^(?:\\x|0x)", "")
    shapes: NDArray[np.object_] = np.asarray(shapely.from_wkb(cells.to_pylist(), on_invalid="ignore"))
    return shapes


def _are_points(shapes: NDArray[np.object_]) -> BoolArray:
    import shapely

    return np.asarray(shapely.get_type_id(shapes) == shapely.GeometryType.POINT)


def _is_binary(cells: pa.Array) -> bool:
    from pyarrow import types

    kind = cells.type
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _most(flags: BoolArray) -> bool:
    return bool(flags.size and flags.mean() >= _SHARE_OF_CELLS)
