"""Vector tiles of the hotspots (Mapbox Vector Tile 2.1), made when they are first asked for.

A tile has the layers `hotspots`, with their outlines, and `centres`, by which they are seen from afar too.
Source of the grid: https://wiki.openstreetmap.org/wiki/Slippy_map_tilenames
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.domain import FloatArray
from taxi_mlops.models.hotspot_model import HotspotModel, IdArray

if TYPE_CHECKING:
    import shapely

MAX_ZOOM = 22
EXTENT = 4096
"""Units of a side of a tile."""
MARGIN = 64
"""Units around a tile that its outlines reach into, so that no edge of a tile is drawn."""
MAX_HOTSPOTS = 5000
"""Of a tile: those with most trips."""
MAX_CACHED_BYTES = 16 * 1024**2
MAX_LATITUDE = math.degrees(math.atan(math.sinh(math.pi)))
"""Of Web Mercator, where its square ends."""
_DRAWN = (0, 1, 3, 4, 5, 6)
"""Types of geometries of shapely that a tile can have: points, lines and polygons, single and multiple."""


@dataclass(frozen=True, slots=True)
class Address:
    """A tile: of 2**zoom × 2**zoom, column x from the west, row y from the north."""

    zoom: int
    x: int
    y: int


class Tiles:
    """The tiles of a model. The last ones are kept, up to `MAX_CACHED_BYTES`. For several threads."""

    def __init__(self, model: HotspotModel) -> None:
        self._model = model
        self._kept: OrderedDict[Address, bytes] = OrderedDict()
        self._bytes = 0
        self._changing = threading.Lock()

    def tile(self, address: Address) -> bytes:
        """Return a tile; one without hotspots is empty."""
        with self._changing:
            if address in self._kept:
                self._kept.move_to_end(address)
                return self._kept[address]
        made = self._made(address)
        with self._changing:
            if address not in self._kept:
                self._kept[address] = made
                self._bytes += len(made)
            while self._bytes > MAX_CACHED_BYTES:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return made

    def bounds(self) -> tuple[float, float, float, float]:
        """Return west, south, east, north of the centres in degrees; of the whole map without hotspots."""
        if not len(self._model):
            return -180.0, -MAX_LATITUDE, 180.0, MAX_LATITUDE
        south, west = self._model.centre.min(axis=0).tolist()
        north, east = self._model.centre.max(axis=0).tolist()
        return west, south, east, north

    def _made(self, address: Address) -> bytes:
        import mapbox_vector_tile

        layers = [
            {"name": name, "features": features}
            for name, features in (("hotspots", self._outlines_in(address)), ("centres", self._centres_in(address)))
            if features
        ]
        options = {"y_coord_down": True, "extents": EXTENT}
        return bytes(mapbox_vector_tile.encode(layers, default_options=options))

    def _outlines_in(self, address: Address) -> list[dict[str, Any]]:
        import shapely

        side = 2.0**-address.zoom
        margin = side * MARGIN / EXTENT
        west, north = address.x * side - margin, address.y * side - margin
        box = west, north, west + side + 2 * margin, north + side + 2 * margin
        rows = self._largest(self._index.query(shapely.box(*box), predicate="intersects"))
        clipped = shapely.clip_by_rect(self._outlines[rows], *box)
        scaled = shapely.transform(clipped, lambda places: _units(places, address))
        drawn = shapely.set_precision(scaled, 1.0)  # whole units, and valid; what is smaller than one vanishes
        return [
            self._feature(row, outline)
            for row, outline in zip(rows.tolist(), drawn, strict=True)
            if not outline.is_empty and shapely.get_type_id(outline) in _DRAWN
        ]

    def _centres_in(self, address: Address) -> list[dict[str, Any]]:
        import shapely

        units = _units(self._centres, address)
        inside = ((units >= 0) & (units < EXTENT)).all(axis=1)
        rows = self._largest(np.flatnonzero(inside))
        return [
            self._feature(row, point)
            for row, point in zip(rows.tolist(), shapely.points(np.floor(units[rows])), strict=True)
        ]

    def _largest(self, rows: IdArray) -> IdArray:
        """Return the rows of the hotspots with most trips, these first."""
        order = np.argsort(-self._model.size[rows], kind="stable")
        return rows[order][:MAX_HOTSPOTS]

    def _feature(self, row: int, geometry: shapely.Geometry) -> dict[str, Any]:
        model, number = self._model, int(self._model.ids[row])
        area, size = float(model.area_km2[row]), int(model.size[row])
        properties: dict[str, Any] = {"hotspot": number, "points": size, "area_km2": float(f"{area:.6g}")}
        if model.names is not None and model.names[row] is not None:
            properties["name"] = model.names[row]
        if area > 0:
            properties["density_per_km2"] = float(f"{size / area:.6g}")
        return {"id": number, "geometry": geometry, "properties": properties}

    @cached_property
    def _outlines(self) -> NDArray[np.object_]:
        """The outlines on the square of the map, from (0, 0) in the northwest to (1, 1)."""
        import shapely

        return np.asarray(shapely.make_valid(shapely.transform(self._model.geometries, _projected)), dtype=np.object_)

    @cached_property
    def _centres(self) -> FloatArray:
        return _projected(self._model.centre[:, ::-1])

    @cached_property
    def _index(self) -> shapely.STRtree:
        import shapely

        return shapely.STRtree(self._outlines)


def _projected(places: FloatArray) -> FloatArray:
    """Return longitude and latitude in degrees, (n, 2), in Web Mercator: x from the west, y from the north, 0 to 1."""
    latitude = np.radians(np.clip(places[:, 1], -MAX_LATITUDE, MAX_LATITUDE))
    y = 0.5 - np.arcsinh(np.tan(latitude)) / (2 * np.pi)
    return np.column_stack(((places[:, 0] + 180.0) / 360.0, np.clip(y, 0.0, 1.0)))


def _units(places: FloatArray, address: Address) -> FloatArray:
    """Return places on the square of the map, (n, 2), in the units of a tile, from its northwest."""
    corner = np.array([address.x, address.y], dtype=np.float64)
    return np.asarray((places * 2.0**address.zoom - corner) * EXTENT)
