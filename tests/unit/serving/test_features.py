"""`GET /v1/features/{hotspot}`."""

from __future__ import annotations

import pytest

pytest.importorskip("uvicorn", reason="uvicorn is in the extra serve")

from taxi_mlops.errors import ServiceError, UsageError
from taxi_mlops.features.definitions import of_entity


def problem(response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["detail"]


def test_the_features_of_a_hotspot_are_answered(client):
    found = client.get("/v1/features/5").json()
    assert {name: found[name] for name in ("model", "version", "hotspot", "at", "stale")} == {
        "model": "city",
        "version": "3",
        "hotspot": 5,
        "at": "2016-06-01T08:00:00",
        "stale": True,
    }
    assert list(found["features"]) == [feature.name for feature in of_entity("hotspot")]
    assert found["features"]["pickups_1h"] == 4
    assert found["features"]["pickups_mean_4h"] == 0.1 + 0.2  # every bit of it
    assert found["features"]["dropoffs_1h"] is None


def test_only_some_features_are_answered(client):
    found = client.get("/v1/features/5", params={"name": ["pickups_mean_4h", "pickups_1h"]})
    assert found.json()["features"] == {"pickups_mean_4h": 0.1 + 0.2, "pickups_1h": 4}


def test_what_is_not_there_is_said(client):
    assert problem(client.get("/v1/features/6")) == (
        404,
        "there are no online features of hotspot 6 of model 'city'.",
    )
    status, said = problem(client.get("/v1/features/5?name=pickup_1h"))
    assert (status, said) == (422, "name: a hotspot has no feature 'pickup_1h'; did you mean 'pickups_1h'?.")
    assert problem(client.get("/v1/features/x"))[0] == 422
    assert problem(client.get("/v1/features/-1"))[0] == 422


def test_an_online_store_that_does_not_answer_costs_this_route_alone(client, online_features):
    def gone(_):
        raise ServiceError("redis://:***@host:6379/0: Connection refused")

    online_features.get = gone
    status, said = problem(client.get("/v1/features/5"))
    assert (status, said) == (
        503,
        "The online store does not answer: redis://:***@host:6379/0: Connection refused.",
    )
    assert client.get("/v1/hotspots/5").status_code == 200


def test_an_online_store_that_cannot_be_opened_costs_this_route_alone(watcher, metrics, client_of):
    from taxi_mlops.serving.app import create_app

    def not_installed():
        raise UsageError("online features in Redis need the package redis")

    client = client_of(create_app(watcher, metrics, None, None, not_installed))
    assert problem(client.get("/v1/features/5"))[0] == 503
    assert client.get("/v1/hotspots/5").status_code == 200
