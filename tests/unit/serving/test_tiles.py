from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("uvicorn", reason="uvicorn is in the extra serve")
pytest.importorskip("mapbox_vector_tile", reason="mapbox-vector-tile is in the extra serve")

import mapbox_vector_tile

from taxi_mlops.serving import tiles
from taxi_mlops.serving.tile_routes import VECTOR_TILE
from taxi_mlops.serving.tiles import EXTENT, MARGIN, Address, Tiles


def tile_of(latitude: float, longitude: float, zoom: int) -> Address:
    """Return the tile of a place, by the formula of the wiki of OpenStreetMap."""
    n, phi = 2**zoom, math.radians(latitude)
    return Address(zoom, int((longitude + 180) / 360 * n), int((1 - math.asinh(math.tan(phi)) / math.pi) / 2 * n))


def degrees(address: Address, x: float, y: float) -> tuple[float, float]:
    """Return latitude and longitude of a place in a tile."""
    n = 2**address.zoom
    longitude = (address.x + x / EXTENT) / n * 360 - 180
    return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * (address.y + y / EXTENT) / n)))), longitude


def decoded(content: bytes) -> dict:
    return mapbox_vector_tile.decode(content, default_options={"y_coord_down": True})


def test_a_tile_has_outlines_and_centres(client):
    address = tile_of(0.0, 0.0, 14)
    found = client.get(f"/v1/tiles/14/{address.x}/{address.y}.mvt")
    assert (found.status_code, found.headers["content-type"]) == (200, VECTOR_TILE)
    layers = decoded(found.content)
    assert layers.keys() == {"hotspots", "centres"}
    (outline,) = layers["hotspots"]["features"]
    properties = {"hotspot": 5, "points": 10, "area_km2": 0.5, "density_per_km2": 20.0}
    assert (outline["id"], outline["properties"], outline["geometry"]["type"]) == (5, properties, "Polygon")
    # The place (0, 0) is this tile's northwest corner; the square around it is cut at the margin.
    ring = np.array(outline["geometry"]["coordinates"][0])
    reach = 0.001 / 360 * 2**14 * EXTENT
    assert sorted({*ring.ravel().tolist()}) == [-MARGIN, round(reach)]
    (centre,) = layers["centres"]["features"]
    assert centre["geometry"] == {"type": "Point", "coordinates": [0, 0]}


def test_the_whole_map_shows_centres_of_what_is_too_small(client):
    layers = decoded(client.get("/v1/tiles/0/0/0.mvt").content)
    assert layers.keys() == {"centres"}
    assert [one["id"] for one in layers["centres"]["features"]] == [6, 5]  # the largest first


def test_a_tile_without_hotspots_is_empty(client):
    assert client.get("/v1/tiles/10/0/0.mvt").content == b""


@pytest.mark.parametrize("path", ["2/4/0", "2/0/4", "23/0/0", "-1/0/0", "2/x/0"])
def test_tiles_that_are_not_on_the_map_are_refused(client, path):
    found = client.get(f"/v1/tiles/{path}.mvt")
    assert (found.status_code, found.headers["content-type"]) == (422, "application/problem+json")


def test_a_browser_may_keep_tiles_of_a_version(client, watcher, model_at):
    from taxi_mlops.serving.served_model import ServedModel

    found = client.get("/v1/tiles/0/0/0.mvt")
    assert found.headers["etag"] == '"city-3"'
    again = client.get("/v1/tiles/0/0/0.mvt", headers={"If-None-Match": found.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    watcher.current = ServedModel("city", "4", model_at(0.0)).prepare()
    changed = client.get("/v1/tiles/0/0/0.mvt", headers={"If-None-Match": found.headers["etag"]})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"city-4"')


def test_maps_find_the_tiles(client):
    found = client.get("/v1/tiles.json").json()
    assert found["tiles"] == ["http://localhost/v1/tiles/{z}/{x}/{y}.mvt"]
    assert (found["tilejson"], found["name"], found["version"]) == ("3.0.0", "city", "3.0.0")
    assert found["bounds"] == [0.0, 0.0, 1.0, 0.0]
    assert [layer["id"] for layer in found["vector_layers"]] == ["hotspots", "centres"]


@given(st.integers(-84_900_000, 84_900_000), st.integers(-179_900_000, 179_900_000), st.integers(0, 18))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_each_centre_is_in_its_tile_alone_at_its_place(north, east, zoom):
    latitude, longitude = north / 1e6, east / 1e6
    made = Tiles(model_of(latitude, longitude))
    address = tile_of(latitude, longitude, zoom)
    (centre,) = decoded(made.tile(address))["centres"]["features"]
    x, y = centre["geometry"]["coordinates"]
    found = degrees(address, x + 0.5, y + 0.5)
    assert found == pytest.approx((latitude, longitude), abs=360 / 2**zoom / EXTENT)
    if zoom and address.x > 0:
        assert "centres" not in decoded(made.tile(Address(zoom, address.x - 1, address.y)))


def model_of(latitude: float, longitude: float, k: int = 1, outline: dict | None = None):
    """Return a model of k hotspots at one place, each with an outline of 0.01 degrees to all sides."""
    from taxi_mlops.models.hotspot_model import HotspotModel

    west, east, south, north = longitude - 0.01, longitude + 0.01, latitude - 0.01, latitude + 0.01
    square = {
        "type": "Polygon",
        "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
    }
    return HotspotModel(
        latitude=np.full(k, latitude), longitude=np.full(k, longitude), hotspot=np.arange(k, dtype=np.int32),
        ids=np.arange(k), centre=np.tile([latitude, longitude], (k, 1)), size=np.arange(1, k + 1), area_km2=np.zeros(k),
        outlines=(outline or square,) * k, eps_metres=100.0, min_samples=3,
    )  # fmt: skip


@pytest.mark.parametrize(
    "outline",
    [
        {"type": "Point", "coordinates": [10.0, 20.0]},
        {"type": "LineString", "coordinates": [[9.99, 20.0], [10.01, 20.0]]},
        {"type": "GeometryCollection", "geometries": []},
        {"type": "Polygon", "coordinates": [[[9.9, 19.9], [10.1, 20.1], [10.1, 19.9], [9.9, 20.1], [9.9, 19.9]]]},
    ],
    ids=["point", "line", "empty", "crossing itself"],
)  # fmt: skip
def test_outlines_of_all_kinds_are_drawn(outline):
    made = Tiles(model_of(20.0, 10.0, outline=outline))
    for zoom in (0, 5, 12, 22):
        decoded(made.tile(tile_of(20.0, 10.0, zoom)))


def test_poles_are_at_the_edge_of_the_map():
    made = Tiles(model_of(89.9, 0.0))
    assert decoded(made.tile(Address(3, 4, 0)))["centres"]["features"][0]["geometry"]["coordinates"] == [0, 0]


def test_a_tile_has_the_largest_hotspots_alone(monkeypatch):
    monkeypatch.setattr(tiles, "MAX_HOTSPOTS", 3)
    layers = decoded(Tiles(model_of(0.0, 10.0, k=5)).tile(tile_of(0.0, 10.0, 12)))
    assert [one["id"] for one in layers["hotspots"]["features"]] == [4, 3, 2]
    assert [one["id"] for one in layers["centres"]["features"]] == [4, 3, 2]


def test_tiles_are_kept_within_a_limit(monkeypatch):
    made = Tiles(model_of(0.0, 10.0))
    addresses = [tile_of(0.0, 10.0, zoom) for zoom in range(8)]
    first = [made.tile(address) for address in addresses]
    calls = []
    monkeypatch.setattr(Tiles, "_made", lambda _, address: calls.append(address) or b"again")
    assert [made.tile(address) for address in addresses] == first
    assert calls == []
    monkeypatch.setattr(tiles, "MAX_CACHED_BYTES", sum(map(len, first[1:])) + len(b"again"))
    assert made.tile(Address(9, 0, 0)) == b"again"  # the one that was asked for longest ago makes room
    assert made.tile(addresses[1]) == first[1]
    assert made.tile(addresses[0]) == b"again"


def test_a_model_without_hotspots_has_empty_tiles(model_at):
    made = Tiles(model_at())
    assert made.tile(Address(0, 0, 0)) == b""
    assert made.bounds()[0] == -180.0
