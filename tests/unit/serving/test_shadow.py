from __future__ import annotations

import threading
from dataclasses import replace

import pytest

pytest.importorskip("uvicorn", reason="uvicorn is in the extra serve")

from taxi_mlops.audit.trail import AuditTrail
from taxi_mlops.models.ab_store import AbStore
from taxi_mlops.models.ab_test import Limits, ShadowCounts
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.serving.ab_traffic import AbTraffic
from taxi_mlops.serving.app import create_app
from taxi_mlops.serving.served_model import ServedModel
from taxi_mlops.serving.shadow import Answered, Shadow


@pytest.fixture
def challenger(model_at):
    """A version with the first of the watcher's two hotspots alone."""
    return ServedModel("city", "4", model_at(0.0)).prepare()


def answered(challenger, *hotspots, test_id=1):
    points = [{"latitude": 0.0, "longitude": float(i)} for i in range(len(hotspots))]
    found = [{"hotspot": hotspot, "metres": 0.0} for hotspot in hotspots]
    return Answered(test_id, challenger, points, found, 0.5)


def finish(shadow: Shadow) -> None:
    """Let the thread compare what waits."""
    thread = shadow.start()
    shadow.stop()
    thread.join(60)
    assert not thread.is_alive()


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, labels)


def test_answers_are_compared_by_hotspot(challenger, metrics):
    shadow = Shadow(metrics)
    shadow.add(answered(challenger, 5))
    shadow.add(answered(challenger, 5, 6, None))  # the challenger: 5, none, none
    shadow.add(answered(challenger, 7, test_id=2))
    finish(shadow)
    counts = shadow.counts()
    one, two = counts[1], counts[2]
    assert (one.requests, one.points, one.agreed, one.champion_seconds) == (2, 4, 3, 1.0)
    assert (two.requests, two.points, two.agreed) == (1, 1, 0)
    assert one.seconds > 0
    assert value(metrics, "taxi_ab_shadow_points_total", agreement="same") == 3
    assert value(metrics, "taxi_ab_shadow_points_total", agreement="other") == 2
    shadow.taken({1: ShadowCounts(1, 3, 2, 0.0, 0.5), 2: two})
    assert (shadow.counts().keys(), shadow.counts()[1].points) == ({1}, 1)


def test_a_challenger_that_fails_is_counted_and_the_next_is_compared(challenger, metrics):
    shadow = Shadow(metrics)
    shadow.add(answered(replace(challenger, model=None), 5))
    shadow.add(answered(challenger, 5))
    finish(shadow)
    assert shadow.counts()[1].points == 1
    assert value(metrics, "taxi_ab_shadow_points_total", agreement="failed") == 1


def test_what_is_too_much_is_left_out(challenger, metrics):
    shadow = Shadow(metrics, max_points=5)
    for _ in range(3):
        shadow.add(answered(challenger, 5, 6))
    assert value(metrics, "taxi_ab_shadow_left_out_total") == 2
    finish(shadow)
    assert shadow.counts()[1].points == 4
    shadow.add(answered(challenger, 5))
    assert value(metrics, "taxi_ab_shadow_left_out_total") == 3


def test_a_test_with_shadow_answers_compares_those_of_the_champion(watcher, metrics, challenger, client_of, tmp_path):
    store = AbStore(ServiceUrl(f"sqlite:///{tmp_path / 'experiments.db'}"), AuditTrail(tmp_path / "audit", None))
    test = store.start("city", ("3", "4"), 0.5, "07" * 32, Limits(1.0, 1000.0, 1.0), (0.1, 0.1), shadow=True)
    traffic = AbTraffic(store, "city", lambda _: challenger, metrics)
    traffic.tick()
    service = client_of(create_app(watcher, metrics, None, None, traffic=traffic))
    of_champion = sum(not test.gets_challenger(test.subject(f"key-{i}")) for i in range(10))
    for body in [{"key": f"key-{i}"} for i in range(10)] + [{}] * 5:
        points = [{"latitude": 0.0, "longitude": 0.0}, {"latitude": 0.0, "longitude": 1.0}]
        assert service.post("/v1/locate", json={"points": points, **body}).status_code == 200
    thread = traffic.watch()
    done = threading.Event()
    for _ in range(600):
        if store.running("city").shadow_counts.requests == of_champion + 5 or done.wait(0.1):
            break
    counts = store.running("city").shadow_counts
    assert (counts.requests, counts.points, counts.agreed) == (of_champion + 5, 2 * counts.requests, counts.requests)
    traffic.stop()
    thread.join(60)
    assert not thread.is_alive()
