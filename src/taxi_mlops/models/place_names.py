"""Names of hotspots, from a file of places: GeoJSON of points, lines or areas with a `name`."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from haversine_dbscan.geodesy import EARTH_RADIUS_METRES
from taxi_mlops.domain import FloatArray
from taxi_mlops.errors import UsageError

if TYPE_CHECKING:
    import shapely

NEAR_METRES = 500.0
"""How far a place may be from the centre of a hotspot that it does not touch."""
MAX_BYTES = 100 * 1024**2
MAX_PLACES = 500_000
MAX_NAME = 200
_METRES_PER_DEGREE = EARTH_RADIUS_METRES * math.pi / 180.0


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Places with their names. geometries: of shapely, in degrees, (n,)."""

    names: tuple[str, ...]
    geometries: NDArray[np.object_]


def read_places(path: Path) -> Places:
    """Read a GeoJSON FeatureCollection; features without a name are left out.

    Raises UsageError if it cannot be read, is something else, is too large, or has no name.
    """
    import shapely

    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"--places {path}: larger than {MAX_BYTES:,} bytes; keep only the places that are needed")
        content = json.loads(path.read_text(encoding="utf-8"))
        features = content["features"] if isinstance(content, dict) else None
        if not isinstance(features, list):
            raise UsageError(f"--places {path}: no GeoJSON FeatureCollection")
        named = [(name, one["geometry"]) for one in features if (name := _name(one)) and one.get("geometry")]
        geometries = shapely.from_geojson([json.dumps(geometry) for _, geometry in named])
    except OSError as error:
        raise UsageError(f"--places {path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError, shapely.GEOSException) as error:
        raise UsageError(f"--places {path}: no GeoJSON FeatureCollection: {' '.join(str(error).split())}") from None
    if not named:
        raise UsageError(f"--places {path}: none of its {len(features):,} features has a name and a geometry")
    if len(named) > MAX_PLACES:
        raise UsageError(f"--places {path}: more than {MAX_PLACES:,} places; keep only those that are needed")
    return Places(tuple(name for name, _ in named), np.asarray(geometries, dtype=np.object_))


def names_of(
    places: Places, centre: FloatArray, outlines: NDArray[np.object_], near_metres: float = NEAR_METRES
) -> tuple[str | None, ...]:
    """Return the name of each hotspot: of the places that touch its outline, or are near its centre, the nearest.

    Of places that are equally near, such as areas around the centre, the smallest; of these the first by name.
    centre: latitude and longitude in degrees, float64 (k, 2). outlines: geometries of shapely, (k,).
    """
    import shapely

    tree = shapely.STRtree(places.geometries)
    names: list[str | None] = []
    for (latitude, longitude), outline in zip(centre.tolist(), outlines, strict=True):
        scale = np.array([_METRES_PER_DEGREE * max(math.cos(math.radians(latitude)), 1e-3), _METRES_PER_DEGREE])
        across, up = (near_metres / scale).tolist()
        around = shapely.box(longitude - across, latitude - up, longitude + across, latitude + up)
        found = np.union1d(tree.query(around, "intersects"), tree.query(outline, "intersects"))
        origin = np.array([longitude, latitude])
        metres = shapely.transform(places.geometries[found], lambda at, o=origin, s=scale: (at - o) * s)
        distance = np.atleast_1d(shapely.distance(metres, shapely.Point(0.0, 0.0)))
        touches = np.atleast_1d(shapely.intersects(places.geometries[found], outline))
        ranked = sorted(
            (round(float(distance[i]), 3), _area(metres[i]), places.names[row])
            for i, row in enumerate(found.tolist())
            if touches[i] or distance[i] <= near_metres
        )
        names.append(ranked[0][2] if ranked else None)
    return tuple(names)


def _name(feature: Any) -> str | None:  # noqa: ANN401 - of a file that anyone wrote
    name = (feature.get("properties") or {}).get("name")
    if not isinstance(name, str) or not name.strip():
        return None
    return " ".join(name.split())[:MAX_NAME]


def _area(geometry: shapely.Geometry) -> float:
    return float(geometry.area)
