"""A version of a model as the service answers with it: features that are written once, and found quickly."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from taxi_mlops.domain import NOISE, FloatArray
from taxi_mlops.models.hotspot_model import HotspotModel, Nearest
from taxi_mlops.serving.areas import Areas
from taxi_mlops.serving.tiles import Tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees; west > east across the antimeridian."""


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A model with its name and version. created_at: when the version was registered; None if that is not known."""

    name: str
    version: str
    model: HotspotModel
    created_at: datetime | None = None

    def prepare(self) -> ServedModel:
        """Build the indexes, so that no request waits for them."""
        import shapely

        if len(self.model):
            self.model.locate(self.model.centre[:1, 0].copy(), self.model.centre[:1, 1].copy())
        shapely.prepare(self.model.geometries)
        _ = self._features, self.areas, self.names
        return self

    def located(self, latitude: FloatArray, longitude: FloatArray) -> list[dict[str, Any]]:
        """Return the hotspot of each point, or null, and its distance in metres, or null without hotspots."""
        found = self.model.locate(latitude, longitude)
        hotspots, metres = found.hotspot.tolist(), np.round(found.metres, 3).tolist()
        if not len(self.model):
            return [{"hotspot": None, "metres": None} for _ in hotspots]
        answers = [
            {"hotspot": None if hotspot == NOISE else hotspot, "metres": distance}
            for hotspot, distance in zip(hotspots, metres, strict=True)
        ]
        if self.names is not None:
            for answer in answers:
                answer["name"] = self.names.get(answer["hotspot"])
        return answers

    def nearest(self, latitude: float, longitude: float) -> Nearest | None:
        """Return the hotspot of the nearest core point; None if the model has none."""
        return self.model.nearest(latitude, longitude) if len(self.model) else None

    def located_one(self, latitude: float, longitude: float) -> dict[str, Any]:
        """Return what `located` does of one point, sooner."""
        found = self.nearest(latitude, longitude)
        if found is None:
            return {"hotspot": None, "metres": None}
        hotspot = found.hotspot if found.inside else None
        answer = {"hotspot": hotspot, "metres": round(found.metres, 3)}
        return answer if self.names is None else {**answer, "name": self.names.get(hotspot)}

    def feature(self, number: int) -> str | None:
        """Return the hotspot of an id as a feature of GeoJSON with its hours; None if there is none."""
        row = self.model.rows.get(number)
        if row is None:
            return None
        hours = None if self.model.hours is None else self.model.hours[row].tolist()
        return self._feature({**self._properties(row), "hours": hours}, row)

    def collection(self, box: Box | None, min_points: int, hour: int | None) -> str:
        """Return the hotspots as GeoJSON, the largest first.

        box: only those that touch it. min_points: only those with so many trips; with an hour of the week, in it.
        """
        model = self.model
        points = model.size if hour is None or model.hours is None else model.hours[:, hour]
        chosen = points >= max(min_points, 0 if hour is None else 1)
        if box is not None:
            chosen = chosen & self._touches(box)
        rows = np.flatnonzero(chosen)
        rows = rows[np.argsort(-points[rows], kind="stable")].tolist()
        if hour is None:
            features = [self._features[row] for row in rows]
        else:
            features = [self._feature({**self._properties(row), "points": int(points[row])}, row) for row in rows]
        return (
            f'{{"type": "FeatureCollection", "model": {json.dumps(self.name)}, '
            f'"version": {json.dumps(self.version)}, "features": [{",".join(features)}]}}'
        )

    @cached_property
    def names(self) -> dict[int | None, str | None] | None:
        """The names of hotspots by their ids; None if the model has none."""
        if self.model.names is None:
            return None
        return dict(zip(self.model.ids.tolist(), self.model.names, strict=True))

    @cached_property
    def areas(self) -> Areas:
        """The areas by which located points are counted."""
        return Areas(self.model)

    @cached_property
    def tiles(self) -> Tiles:
        """The vector tiles of the hotspots; what they need is computed for the first of them."""
        return Tiles(self.model)

    def _touches(self, box: Box) -> NDArray[np.bool_]:
        import shapely

        west, south, east, north = box
        if west <= east:
            return np.asarray(shapely.intersects(self.model.geometries, shapely.box(west, south, east, north)))
        halves = shapely.union(shapely.box(west, south, 180.0, north), shapely.box(-180.0, south, east, north))
        return np.asarray(shapely.intersects(self.model.geometries, halves))

    @cached_property
    def _features(self) -> list[str]:
        return [self._feature(self._properties(row), row) for row in range(len(self.model))]

    def _properties(self, row: int) -> dict[str, Any]:
        model = self.model
        area, size = float(model.area_km2[row]), int(model.size[row])
        return {
            **({} if model.names is None else {"name": model.names[row]}),
            "points": size,
            "area_km2": float(f"{area:.6g}"),
            "density_per_km2": float(f"{size / area:.6g}") if area > 0 else None,
            "latitude": round(float(model.centre[row, 0]), 7),
            "longitude": round(float(model.centre[row, 1]), 7),
        }

    def _feature(self, properties: dict[str, Any], row: int) -> str:
        head = json.dumps(
            {"type": "Feature", "id": int(self.model.ids[row]), "properties": properties}, allow_nan=False
        )
        return f'{head[:-1]}, "geometry": {self._outlines[row]}}}'

    @cached_property
    def _outlines(self) -> list[str]:
        return [json.dumps(outline, allow_nan=False) for outline in self.model.outlines]
