"""The map page of `taxi serve` in a browser: it shows the hotspots, and answers a click."""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("uvicorn", reason="uvicorn is in the extra serve")


def square(longitude: float) -> dict:
    west, east = longitude - 0.01, longitude + 0.01
    ring = [[west, -0.01], [east, -0.01], [east, 0.01], [west, 0.01], [west, -0.01]]
    return {"type": "Polygon", "coordinates": [ring]}


@pytest.fixture(scope="module")
def address():
    """The address of a service with two hotspots on the equator, west and east of the antimeridian."""
    import uvicorn
    from prometheus_client import CollectorRegistry

    from taxi_mlops.models.hotspot_model import HotspotModel
    from taxi_mlops.serving.app import create_app
    from taxi_mlops.serving.served_model import ServedModel
    from taxi_mlops.serving.service_metrics import ServiceMetrics
    from taxi_mlops.serving.watcher import RegistryState

    longitude = np.array([179.98, -179.98])
    hours = np.zeros((2, 168), dtype=np.int64)
    hours[0, 4 * 24 + 18] = 7
    model = HotspotModel(
        latitude=np.zeros(2), longitude=longitude, hotspot=np.arange(2, dtype=np.int32), ids=np.array([3, 8]),
        centre=np.column_stack((np.zeros(2), longitude)), size=np.array([70, 20]), area_km2=np.array([4.9, 4.9]),
        outlines=(square(179.98), square(-179.98)), eps_metres=1000.0, min_samples=5, hours=hours,
    )  # fmt: skip
    watcher = SimpleNamespace(current=ServedModel("city", "1", model).prepare(), state=RegistryState(datetime.now(UTC)))
    app = create_app(watcher, ServiceMetrics(CollectorRegistry()), None, None)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    until = time.monotonic() + 60
    while not server.started and time.monotonic() < until:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_map_shows_hotspots_and_answers_a_click(open_page, address, width, scheme):
    watched = open_page(address, width, scheme)
    page = watched.page
    page.get_by_text("city, version 1: 2 hotspots").wait_for()
    assert page.locator("#largest button").all_inner_texts() == ["Hotspot 3: 70 trips", "Hotspot 8: 20 trips"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("#largest button").first.click()
    page.locator("#details h2", has_text="Hotspot 3").wait_for()
    assert "most on Friday at 18:00" in page.locator("#details").inner_text()
    box = page.locator("#map").bounding_box()
    middle = {"x": box["width"] / 2, "y": box["height"] / 2}
    page.locator("#map").click(position=middle)  # the chosen hotspot is in the middle
    page.get_by_text("is inside, ").wait_for()
    page.locator("#map").click(position={"x": middle["x"], "y": box["height"] - 60})
    page.get_by_text("is outside, ").wait_for()
    page.locator("#day").select_option("4")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_text("city, version 1: 1 hotspots").wait_for()
    assert page.locator("#largest button").all_inner_texts() == ["Hotspot 3: 7 trips"]
    assert watched.complaints == []
    assert all(request.startswith((address, "data:")) for request in watched.requests)


def test_the_page_loads_nothing_from_elsewhere(address):
    import httpx

    found = httpx.get(address)
    assert "default-src 'none'; script-src 'self'" in found.headers["content-security-policy"]
    assert "http://" not in found.text
    assert "https://" not in found.text


def test_the_page_is_accessible(open_page, address):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    watched = open_page(address, 1280)
    watched.page.get_by_text("city, version 1: 2 hotspots").wait_for()
    found = axe.Axe().run(watched.page)
    assert [violation["id"] for violation in found.response["violations"]] == []


@pytest.mark.parametrize("width", [390, 1280])
def test_the_interface_is_a_page_that_loads_nothing_from_elsewhere(open_page, address, width):
    watched = open_page(f"{address}docs", width)
    page = watched.page
    page.set_default_timeout(120_000)
    page.get_by_role("heading", name="Hotspots").wait_for()
    shown = page.locator(".opblock-summary-path").all_inner_texts()
    assert {"/v1/locate", "/v1/hotspots", "/v1/tiles/{z}/{x}/{y}.mvt"} <= {path.replace("\u200b", "") for path in shown}
    page.locator(".opblock-summary", has_text="/healthz").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    page.locator(".live-responses-table", has_text='"status": "ok"').wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert watched.complaints == []
    assert all(request.startswith((address, "data:")) for request in watched.requests)
