"""The routes of vector tiles: `GET /v1/tiles/{z}/{x}/{y}.mvt`, and `GET /v1/tiles.json`, by which maps find them."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Header, Path, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from taxi_mlops.serving.problems import ProblemError, Responses, described
from taxi_mlops.serving.tiles import MAX_ZOOM, Address
from taxi_mlops.serving.watcher import ModelWatcher

VECTOR_TILE = "application/vnd.mapbox-vector-tile"
_FIELDS = {
    "hotspot": "Id of the hotspot.",
    "name": "Name of the hotspot, where it has one.",
    "points": "Trips.",
    "area_km2": "Area of the outline.",
    "density_per_km2": "Trips per km².",
}
_LAYERS = {"hotspots": "Outlines.", "centres": "Centres."}
_PROBLEMS = described({401: "No key", 422: "A value is wrong", 429: "Too many requests"})
_TILE: Responses = {
    200: {"content": {VECTOR_TILE: {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "The version is still the one of If-None-Match"},
}


class Layer(BaseModel):
    """A layer of the tiles."""

    id: str
    description: str
    fields: dict[str, str]


class TileJson(BaseModel):
    """Where the tiles are, and what they have: TileJSON 3.0."""

    tilejson: str = "3.0.0"
    name: str
    version: str = Field(description="Of the model, as a semantic version.")
    tiles: list[str]
    minzoom: int = 0
    maxzoom: int = MAX_ZOOM
    bounds: tuple[float, float, float, float] = Field(description="West, south, east, north of the centres.")
    vector_layers: list[Layer]


def add_tiles(app: FastAPI, watcher: ModelWatcher) -> None:
    """Add the routes."""

    @app.get("/v1/tiles/{z}/{x}/{y}.mvt", response_class=Response, responses=_TILE | _PROBLEMS)
    def tile(
        z: Annotated[int, Path(ge=0, le=MAX_ZOOM, description="Zoom.")],
        x: Annotated[int, Path(ge=0, lt=2**MAX_ZOOM, description="Column, from the west.")],
        y: Annotated[int, Path(ge=0, lt=2**MAX_ZOOM, description="Row, from the north.")],
        if_none_match: Annotated[str | None, Header(max_length=500)] = None,
    ) -> Response:
        """Return the hotspots in a tile of the map, with the layers `hotspots` and `centres`."""
        if max(x, y) >= 2**z:
            raise ProblemError(422, f"x and y are less than {2**z} at zoom {z} (got {x} and {y}).")
        served = watcher.current
        tag = f'"{served.name}-{served.version}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if if_none_match is not None and tag in {one.strip().removeprefix("W/") for one in if_none_match.split(",")}:
            return Response(status_code=304, headers=headers)
        return Response(served.tiles.tile(Address(z, x, y)), media_type=VECTOR_TILE, headers=headers)

    @app.get("/v1/tiles.json", responses={code: _PROBLEMS[code] for code in (401, 429)})
    def description(request: Request) -> TileJson:
        """Say where the tiles are (TileJSON), for MapLibre, QGIS and other maps."""
        served = watcher.current
        return TileJson(
            name=served.name,
            version=f"{served.version}.0.0",
            tiles=[f"{request.base_url}v1/tiles/{{z}}/{{x}}/{{y}}.mvt"],
            bounds=served.tiles.bounds(),
            vector_layers=[Layer(id=name, description=what, fields=_FIELDS) for name, what in _LAYERS.items()],
        )
