"""A replay against a service that is a function."""

from __future__ import annotations

import json
from functools import partial

import httpx
import numpy as np
import pytest

from taxi_mlops.data.request import LoadRequest
from taxi_mlops.errors import ServiceError, UsageError
from taxi_mlops.pipeline import replay as module
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.replay import Trips, read_trips, replay
from taxi_mlops.settings import Settings

URL = "http://service.example"


def trips(n: int, seconds=None) -> Trips:
    row = np.arange(n) * 10
    return Trips(row, np.linspace(-1.0, 1.0, n), np.zeros(n), seconds, np.zeros(n))


class Service:
    """Answers requests; with a test, keys get an answer id. busy: requests that are refused first."""

    def __init__(self, has_test: bool = True, busy: int = 0) -> None:
        self.has_test, self.busy = has_test, busy
        self.asked: list[dict] = []
        self.outcomes: list[dict] = []
        self.authorization: set[str | None] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.authorization.add(request.headers.get("authorization"))
        if self.busy > 0:
            self.busy -= 1
            return httpx.Response(503, json={"detail": "busy"})
        content = json.loads(request.content)
        if request.url.path == "/v1/outcomes":
            assert len(content["outcomes"]) <= module.OUTCOMES
            self.outcomes += content["outcomes"]
            return httpx.Response(200, json={"stored": len(content["outcomes"]), "repeated": 0, "unmatched": []})
        self.asked.append(content)
        hotspot = 1 if content["points"][0]["latitude"] > 0 else None
        answer = {"version": "2", "points": [{"hotspot": hotspot}]}
        return httpx.Response(200, json=answer | ({"answer": "0" * 32} if self.has_test else {}))


@pytest.fixture
def play(monkeypatch):
    """Plays trips against a service."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)

    def played(service, chosen=None, token=None):
        client = partial(httpx.AsyncClient, transport=httpx.MockTransport(service))
        with monkeypatch.context() as patch:
            patch.setattr(module.httpx, "AsyncClient", client)
            return replay(trips(250) if chosen is None else chosen, URL, token, Observer())

    return played


def test_each_trip_is_asked_for_and_reported_once(play):
    service = Service()
    done = play(service, trips(250, seconds=np.arange(250) + 1_700_000_000), "secret")
    assert (done.requests, done.stored, done.failed, dict(done.versions)) == (250, 250, 0, {"2": 250})
    assert done.inside == 125
    keys = [one["key"] for one in service.asked]
    assert sorted(int(key.split("-")[1]) for key in keys) == list(range(0, 2500, 10))
    assert len({key.split("-")[0] for key in keys}) == 1
    assert {one["id"] for one in service.outcomes} == set(keys)
    assert {one["time"] for one in service.outcomes} >= {"2023-11-14T22:13:20+00:00"}
    assert service.authorization == {"Bearer secret"}


def test_without_a_test_nothing_is_reported(play):
    service = Service(has_test=False)
    done = play(service)
    assert (done.requests, done.stored, service.outcomes) == (250, 0, [])
    assert service.authorization == {None}


def test_a_busy_service_is_asked_again(play):
    done = play(Service(busy=module.ATTEMPTS - 1))
    assert (done.requests, done.failed, done.stored) == (250, 0, 250)


def test_what_fails_is_counted_and_refused_outcomes_end_the_replay(play):
    def failing(request: httpx.Request) -> httpx.Response:
        return httpx.Response(500, json={"detail": "failed"})

    done = play(failing, trips(30))
    assert (done.requests, done.failed, done.stored) == (30, 30, 0)
    service = Service()

    def ended(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/outcomes":
            return httpx.Response(409, json={"detail": "No A/B test is running."})
        return service(request)

    with pytest.raises(ServiceError, match=r"refused outcomes: No A/B test is running\."):
        play(ended)
    with pytest.raises(ServiceError, match="refuses: a key is needed"):
        play(lambda _: httpx.Response(401, json={"detail": "a key is needed"}))
    with pytest.raises(ServiceError, match="refuses: status 404"):
        play(lambda _: httpx.Response(404, text="<html>"))


def test_trips_are_played_by_time_or_in_random_order(tmp_path):
    settings = Settings(points_cache=False, runs_dir=tmp_path, cache_dir=tmp_path)
    path = tmp_path / "trips.csv"
    rows = ["pickup_latitude,pickup_longitude,pickup_datetime"]
    rows += [f"{-33.4 - i / 1000},{-70.6},2016-06-01 12:{59 - i:02}:00" for i in range(40)]
    path.write_text("\n".join(rows), encoding="utf-8")
    found = read_trips(LoadRequest(source=str(path)), 600.0, 1.0, settings, Observer())
    assert found.row.tolist() == list(range(39, -1, -1))
    assert found.offset.tolist() == pytest.approx([i * 0.1 for i in range(40)])
    path.write_text("\n".join(row.rpartition(",")[0] for row in rows), encoding="utf-8")
    found = read_trips(LoadRequest(source=str(path)), 600.0, 20.0, settings, Observer())
    assert found.seconds is None
    assert found.offset.tolist() == pytest.approx([i * 0.05 for i in range(40)])
    assert sorted(found.row.tolist()) == list(range(40)) != found.row.tolist()


def test_zones_cannot_be_replayed(shared_data, tmp_path):
    pytest.importorskip("shapefile", reason="pyshp is in the extra zones")
    settings = Settings(points_cache=False, runs_dir=tmp_path, cache_dir=tmp_path)
    source = shared_data / "yellow_tripdata_2022-02_zones_sample.csv"
    request = LoadRequest(source=str(source), zones=str(shared_data / "taxi_zones.zip"))
    with pytest.raises(UsageError, match="only the points of trips can be replayed"):
        read_trips(request, 600.0, 1.0, settings, Observer())
