"""The page of the A/B test in a browser."""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("uvicorn", reason="uvicorn is in the extra serve")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a service with a test whose challenger is better."""
    import uvicorn
    from prometheus_client import CollectorRegistry

    from taxi_mlops.audit.trail import AuditTrail
    from taxi_mlops.models.ab_store import AbStore
    from taxi_mlops.models.ab_test import Answer, Limits, Outcome
    from taxi_mlops.models.hotspot_model import HotspotModel
    from taxi_mlops.service_urls import ServiceUrl
    from taxi_mlops.serving.ab_traffic import AbTraffic
    from taxi_mlops.serving.app import create_app
    from taxi_mlops.serving.served_model import ServedModel
    from taxi_mlops.serving.service_metrics import ServiceMetrics
    from taxi_mlops.serving.watcher import RegistryState

    folder = tmp_path_factory.mktemp("ab")
    store = AbStore(ServiceUrl(f"sqlite:///{folder / 'experiments.db'}"), AuditTrail(folder / "audit", None))
    test = store.start("city", ("1", "2"), 0.5, "00" * 32, Limits(0.01, 3.0, 0.2), (0.1, 0.1))
    now, n = datetime.now(UTC), 2000
    subjects = [test.subject(f"key-{i}") for i in range(n)]
    answers = [
        Answer(f"{i:032x}", test.id, one, test.gets_challenger(one), now, 1, 1, 0.001) for i, one in enumerate(subjects)
    ]
    store.add_answers(answers)
    outcomes = [Outcome(f"o-{i}", float(i % 10), 0.0, now, one.id) for i, one in enumerate(answers)]
    store.add_outcomes(test, outcomes, lambda challenger, latitude, _: latitude < (8 if challenger else 5))
    model = HotspotModel(
        latitude=np.zeros(1), longitude=np.zeros(1), hotspot=np.zeros(1, dtype=np.int32), ids=np.array([1]),
        centre=np.zeros((1, 2)), size=np.array([5]), area_km2=np.array([0.0]),
        outlines=({"type": "Point", "coordinates": [0.0, 0.0]},), eps_metres=100.0, min_samples=5,
    )  # fmt: skip
    served = ServedModel("city", "1", model).prepare()
    metrics = ServiceMetrics(CollectorRegistry())
    traffic = AbTraffic(store, "city", lambda _: served, metrics)
    watcher = SimpleNamespace(current=served, state=RegistryState(now))
    app = create_app(watcher, metrics, None, None, traffic=traffic)
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
    traffic.stop()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_shows_the_test(open_page, address, width, scheme):
    watched = open_page(f"{address}ab", width, scheme)
    page = watched.page
    page.get_by_text("city: version 2 against 1, running").wait_for()
    page.get_by_text("The challenger is better.").wait_for()
    rows = [row.split() for row in page.locator("#arms tr").all_inner_texts()]
    assert [row[:2] for row in rows] == [["champion,", "1"], ["challenger,", "2"]]
    assert page.locator("#interval line").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert watched.complaints == []
    assert all(request.startswith((address, "data:")) for request in watched.requests)


def test_the_page_is_accessible(open_page, address):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    watched = open_page(f"{address}ab", 1280)
    watched.page.get_by_text("The challenger is better.").wait_for()
    found = axe.Axe().run(watched.page)
    assert [violation["id"] for violation in found.response["violations"]] == []
