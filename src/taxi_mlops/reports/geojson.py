"""Write `hotspots.geojson`: the clusters for QGIS, geojson.io and everything else that reads RFC 7946."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from taxi_mlops.reports.hotspots import GeometryArray, Hotspots, on_all_cpus

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

_DEGREE_GRID = 1e-7
"""Coordinates are rounded to a centimetre."""


def to_geojson(hotspots: Hotspots, adapter: str, about: dict[str, Any]) -> str:
    """Return the clusters as a feature collection, one feature a line, the largest cluster first.

    Positions are longitude, latitude (WGS 84); outer rings run counter-clockwise; what crosses the antimeridian is cut
    there, and its box has west > east (RFC 7946, sections 3.1.9 and 5.2). `about` becomes a foreign member.
    """
    import shapely

    geometries = on_all_cpus(_rounded, hotspots.outlines_in_degrees())
    bounds = shapely.bounds(geometries)
    cut = geometries.copy()
    for beyond in np.flatnonzero(bounds[:, 2] > 180.0):
        cut[beyond] = _cut_at_antimeridian(geometries[beyond])
    shapes = shapely.to_geojson(shapely.orient_polygons(cut))
    density = hotspots.density
    lines = []
    for i, shape in enumerate(shapes):
        area = float(hotspots.area_km2[i])
        properties = {
            "rank": i + 1,
            "size": int(hotspots.size[i]),
            **({} if hotspots.weight is None else {"weight": round(float(hotspots.weight[i]), 6)}),
            "density_per_km2": None if np.isnan(density[i]) else float(f"{density[i]:.6g}"),
            "area_km2": float(f"{area:.6g}"),
            "centroid_longitude": round(_within_half_turn(float(hotspots.longitude[i])), 7),
            "centroid_latitude": round(float(hotspots.latitude[i]), 7),
            "label": int(hotspots.label[i]),
        }
        feature = {"type": "Feature", "id": i + 1, "bbox": _box(bounds[i]), "properties": properties}
        lines.append(f'{json.dumps(feature, allow_nan=False)[:-1]}, "geometry": {shape}}}')
    head = {
        "type": "FeatureCollection",
        **({"bbox": _box(shapely.total_bounds(geometries))} if lines else {}),
        "adapter": adapter,
        **about,
        "clusters": hotspots.n_clusters,
        "features": [],
    }
    return json.dumps(head, ensure_ascii=False, allow_nan=False)[: -len("]}")] + "\n{}\n]}}\n".format(",\n".join(lines))


def _rounded(outlines: GeometryArray) -> GeometryArray:
    import shapely

    # Edges that touch in metres may cross after rounding, on which set_precision fails.
    crossing = ~shapely.is_valid(outlines)
    outlines[crossing] = shapely.make_valid(outlines[crossing], method="structure", keep_collapsed=False)
    return np.asarray(shapely.set_precision(outlines, _DEGREE_GRID, mode="keep_collapsed"))


def _within_half_turn(longitude: float) -> float:
    return longitude - 360.0 if longitude > 180.0 else longitude


def _box(bounds: np.ndarray[Any, np.dtype[np.float64]]) -> list[float]:
    west, south, east, north = (round(float(value), 7) for value in bounds)
    return [round(_within_half_turn(west), 7), south, round(_within_half_turn(east), 7), north]


def _cut_at_antimeridian(geometry: BaseGeometry) -> BaseGeometry:
    """Shift longitudes beyond 180 back, in two parts if the geometry is on both sides."""
    import shapely

    west, _, east, _ = shapely.bounds(geometry)
    if east <= 180.0:
        return geometry
    beyond = geometry if west >= 180.0 else shapely.intersection(geometry, shapely.box(180.0, -90.0, 540.0, 90.0))
    back = shapely.set_precision(
        shapely.transform(beyond, lambda degrees: degrees - np.array([360.0, 0.0])), _DEGREE_GRID
    )
    if west >= 180.0:
        return back
    kept = shapely.intersection(geometry, shapely.box(-180.0, -90.0, 180.0, 90.0))
    return shapely.union(kept, back)
