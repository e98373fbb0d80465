from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("uvicorn", reason="uvicorn is in the extra serve")

from taxi_mlops.serving import requests
from taxi_mlops.serving.arrow_stream import ARROW_STREAM
from taxi_mlops.serving.served_model import ServedModel
from taxi_mlops.serving.watcher import RegistryState

NEAR = 0.0005
"""Degrees of longitude on the equator: 55.6 m."""


def problem(response) -> tuple[int, str]:
    """Return status and sentence of an error, and check its form."""
    assert response.headers["content-type"] == "application/problem+json"
    content = response.json()
    assert content.keys() == {"type", "title", "status", "detail"}
    assert (content["type"], content["status"]) == ("about:blank", response.status_code)
    return response.status_code, content["detail"]


def at(*longitudes: float) -> dict:
    return {"points": [{"latitude": 0.0, "longitude": longitude} for longitude in longitudes]}


def stream(latitude, longitude, batch: int = 3, **options) -> bytes:
    sink = io.BytesIO()
    schema = pa.schema([("longitude", pa.float64()), ("latitude", pa.float64())])
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        table = pa.table({"longitude": longitude, "latitude": latitude}, schema=schema)
        writer.write_table(table, max_chunksize=batch)
    return sink.getvalue()


def post_arrow(client, body: bytes):
    return client.post("/v1/locate", content=body, headers={"Content-Type": ARROW_STREAM})


def test_points_are_located(client):
    found = client.post("/v1/locate", json=at(NEAR, 1.0, 0.5))
    assert found.json() == {
        "model": "city",
        "version": "3",
        "points": [
            {"hotspot": 5, "metres": 55.598},
            {"hotspot": 6, "metres": 0.0},
            {"hotspot": None, "metres": 55597.54},
        ],
    }
    assert found.headers["x-content-type-options"] == "nosniff"


def test_ten_thousand_points_are_located_and_no_more(client, metrics):
    assert len(client.post("/v1/locate", json=at(*[0.0] * 10_000)).json()["points"]) == 10_000
    status, said = problem(client.post("/v1/locate", json=at(*[0.0] * 10_001)))
    assert (status, said) == (422, "points: List should have at most 10000 items after validation, not 10001")
    assert metrics.registry.get_sample_value("taxi_served_points_total", {"answer": "inside"}) == 10_000


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 422, "Invalid JSON"),
        (b'{"points": []}', 422, "points: List should have at least 1 item"),
        (b'{"points": [{"latitude": 91, "longitude": 0}]}', 422, "points.0.latitude: Input should be less than"),
        (b'{"points": [{"latitude": NaN, "longitude": 0}]}', 422, "points.0.latitude: Input should be"),
        (b'{"points": [{"latitude": "1", "longitude": 0}]}', 422, "points.0.latitude: Input should be a valid number"),
        (b'{"points": [{"latitude": 1}]}', 422, "points.0.longitude: Field required"),
        (b'{"points": [{"latitude": 1, "longitude": 0, "x": 1}]}', 422, "points.0.x: Extra inputs"),
        (b"[" * 100_000, 422, "Invalid JSON"),
        (b" " * 2_000_001, 413, "The body is larger than 2,000,000 bytes."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_body_is_said(client, body, status, said):
    found = problem(client.post("/v1/locate", content=body, headers={"Content-Type": "application/json"}))
    assert found[0] == status
    assert found[1].startswith(said)


def test_other_types_paths_and_methods_are_refused(client):
    assert problem(client.post("/v1/locate", content="x", headers={"Content-Type": "text/csv"}))[0] == 415
    assert problem(client.get("/v1/nothing")) == (404, "There is nothing at /v1/nothing.")
    assert problem(client.request("DELETE", "/v1/locate")) == (405, "DELETE is not allowed here.")


def test_a_body_that_never_arrives_ends(application, monkeypatch):
    import asyncio

    monkeypatch.setattr(requests, "BODY_SECONDS", 0.01)
    sent = []

    async def receive():
        await asyncio.sleep(60)

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/v1/locate", "raw_path": b"/v1/locate", "query_string": b"",
        "headers": [(b"content-type", b"application/json")], "http_version": "1.1", "scheme": "http",
        "server": ("localhost", 80), "client": ("127.0.0.1", 1), "root_path": "", "asgi": {"version": "3.0"},
    }  # fmt: skip
    asyncio.run(application()(scope, receive, send))
    assert sent[0]["status"] == 408


def test_a_stream_of_arrow_is_answered_batch_by_batch(client, watcher):
    rng = np.random.default_rng(0)
    longitude = rng.uniform(-0.002, 0.002, 10)
    found = post_arrow(client, stream(np.zeros(10), longitude))
    assert (found.status_code, found.headers["x-model-version"]) == (200, "3")
    reader = pa.ipc.open_stream(found.content)
    assert reader.schema.metadata == {b"model": b"city", b"version": b"3"}
    batches = list(reader)
    assert [len(batch) for batch in batches] == [3, 3, 3, 1]
    table = pa.Table.from_batches(batches)
    expected = watcher.current.model.locate(np.zeros(10), longitude)
    assert table["metres"].to_pylist() == expected.metres.tolist()
    assert [5 if one == 5 else None for one in expected.hotspot] == table["hotspot"].to_pylist()
    assert post_arrow(client, stream([], [])).status_code == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "does not begin with a schema"),
        (b"\xff" * 200, "no Arrow IPC stream"),
        (stream([0.0] * 9, [0.0] * 9)[:-300], "no Arrow IPC stream"),
        (stream([0.0] * 9, [0.0] * 9, compression="zstd"), "compressed"),
        (stream([0.0] * 4 + [91.0], [0.0] * 5), "Row 4 has latitude 91 and longitude 0"),
        (stream([0.0, np.nan], [0.0] * 2), "Row 1 has latitude nan"),
        (stream([0.0, None], [0.0] * 2), "is null"),
    ],
    ids=["empty", "noise", "cut", "compressed", "range", "nan", "null"],
)
def test_what_is_wrong_with_a_stream_is_said(client, body, said):
    status, detail = problem(post_arrow(client, body))
    assert status == 422
    assert said in detail


@pytest.mark.parametrize("kind", [pa.float32(), pa.string(), pa.dictionary(pa.int8(), pa.float64())])
def test_a_stream_of_other_columns_is_refused(client, kind):
    sink = io.BytesIO()
    schema = pa.schema([("latitude", pa.float64()), ("longitude", kind)])
    with pa.ipc.new_stream(sink, schema):
        pass
    assert problem(post_arrow(client, sink.getvalue()))[1].startswith("The columns must be latitude and longitude")


def test_hotspots_are_geojson_the_largest_first(client):
    found = client.get("/v1/hotspots")
    assert found.headers["content-type"] == "application/geo+json"
    collection = found.json()
    assert (collection["type"], collection["model"], collection["version"]) == ("FeatureCollection", "city", "3")
    assert [feature["id"] for feature in collection["features"]] == [6, 5]
    assert collection["features"][1]["properties"] == {
        "points": 10, "area_km2": 0.5, "density_per_km2": 20.0, "latitude": 0.0, "longitude": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("min_points=15", [6]),
        ("bbox=-0.5,-1,0.5,1", [5]),
        ("bbox=0.0005,0,0.0006,0.0001", [5]),
        ("bbox=0.9,-1,-0.9,1", [6]),
        ("bbox=170,-1,-170,1", []),
        ("hour=17", [5]),
        ("hour=0", [5, 6]),
        ("hour=0&min_points=2", []),
    ],
)
def test_hotspots_are_chosen_by_box_trips_and_hour(client, query, expected):
    assert [feature["id"] for feature in client.get(f"/v1/hotspots?{query}").json()["features"]] == expected


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("bbox=1,2,3", "bbox: four numbers are needed"),
        ("bbox=0,5,1,4", "bbox: longitudes are from"),
        ("bbox=0,nan,1,4", "bbox: longitudes are from"),
        ("hour=168", "hour: Input should be less than or equal to 167 (got '168')"),
        ("min_points=-1", "min_points: Input should be greater"),
        ("min_points=many", "min_points: Input should be a valid integer"),
    ],
)
def test_wrong_queries_are_refused(client, query, said):
    status, detail = problem(client.get(f"/v1/hotspots?{query}"))
    assert status == 422
    assert detail.startswith(said)


def test_a_model_without_times_has_no_hours(client, watcher, model_at):
    watcher.current = ServedModel("city", "4", model_at(0.0, hours=False)).prepare()
    assert problem(client.get("/v1/hotspots?hour=3")) == (422, "hour: the trips of this model have no times.")
    assert client.get("/v1/hotspots/5").json()["properties"]["hours"] is None


def test_a_hotspot_has_its_hours(client):
    found = client.get("/v1/hotspots/5").json()
    assert (found["type"], found["id"], found["geometry"]["type"]) == ("Feature", 5, "Polygon")
    assert (len(found["properties"]["hours"]), found["properties"]["hours"][17]) == (168, 9)
    assert problem(client.get("/v1/hotspots/7")) == (404, "Version 3 of city has no hotspot 7.")
    assert problem(client.get("/v1/hotspots/x"))[0] == 422


def test_hotspots_have_names(client, watcher, model_at):
    model = replace(model_at(0.0, 1.0), names=("Station", None))
    watcher.current = ServedModel("city", "4", model).prepare()
    one = client.post("/v1/locate", json=at(NEAR)).json()["points"]
    assert one == [{"hotspot": 5, "metres": 55.598, "name": "Station"}]
    many = client.post("/v1/locate", json=at(NEAR, 1.0, 0.5)).json()["points"]
    assert [point["name"] for point in many] == ["Station", None, None]
    assert client.get("/v1/hotspots/nearest?latitude=0&longitude=0.1").json()["name"] == "Station"
    features = client.get("/v1/hotspots").json()["features"]
    assert [feature["properties"]["name"] for feature in features] == [None, "Station"]


def test_the_nearest_hotspot_may_be_far(client):
    found = client.get("/v1/hotspots/nearest?latitude=0&longitude=0.9").json()
    assert found == {"model": "city", "version": "3", "hotspot": 6, "metres": 11119.508, "inside": False}
    assert client.get(f"/v1/hotspots/nearest?latitude=0&longitude={NEAR}").json()["inside"] is True
    assert problem(client.get("/v1/hotspots/nearest?latitude=0"))[1] == "longitude: Field required"


def test_a_model_without_hotspots_answers(client, watcher, model_at):
    watcher.current = ServedModel("city", "4", model_at()).prepare()
    assert client.post("/v1/locate", json=at(0.0)).json()["points"] == [{"hotspot": None, "metres": None}]
    assert client.get("/v1/hotspots?bbox=0,0,1,1").json()["features"] == []
    assert problem(client.get("/v1/hotspots/nearest?latitude=0&longitude=0")) == (404, "The model has no hotspots.")
    assert pa.ipc.open_stream(post_arrow(client, stream([0.0], [0.0])).content).read_all()["hotspot"].to_pylist() == [
        None
    ]


def test_readiness_says_what_the_registry_does(client, watcher):
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = {"status": "ready", "model": "city", "version": "3", "registry": "ok", "refused": None, "ab_test": None}
    assert client.get("/readyz").json() == ready
    watcher.state = RegistryState(datetime.now(UTC), "it is away", "version 4 is refused")
    assert client.get("/readyz").json() == {**ready, "registry": "it is away", "refused": "version 4 is refused"}


def test_requests_are_counted_by_route(client):
    client.get("/v1/hotspots/5")
    client.get("/v1/hotspots/77")
    client.post("/v1/locate", json=at(0.0))
    text = client.get("/metrics").text
    assert 'taxi_served_requests_total{code="200",method="GET",route="/v1/hotspots/{number}"} 1.0' in text
    assert 'taxi_served_requests_total{code="200",method="POST",route="/v1/locate"} 1.0' in text
    assert 'taxi_served_requests_total{code="404",method="GET",route="/v1/hotspots/{number}"} 1.0' in text


def test_an_unforeseen_failure_is_a_problem_without_its_text(application, watcher, client_of):
    watcher.current = replace(watcher.current, model=None)
    client = client_of(application(), raising=False)
    status, said = problem(client.post("/v1/locate", json=at(0.0)))
    assert (status, said) == (500, "The service failed to answer; its log says why.")


def test_without_keys_only_the_names_of_the_host_are_answered(application, client_of):
    client = client_of(application(hosts=frozenset({"localhost", "[::1]"})), "http://localhost:8000")
    assert client.get("/healthz").status_code == 200
    assert client.get("/healthz", headers={"Host": "[::1]:8000"}).status_code == 200
    assert problem(client.get("/healthz", headers={"Host": "elsewhere.example"}))[0] == 421


def test_no_request_of_the_described_interface_fails_the_service(application):
    """Schemathesis makes requests from the service's own description: right ones and wrong ones."""
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, given, settings
    from hypothesis.errors import Unsatisfiable

    service = application()
    schema = schemathesis.openapi.from_asgi("/openapi.json", service)
    seen = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in schemathesis.GenerationMode:

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(max_examples=15, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
            def answers(case):
                response = case.call(app=service)
                assert response.status_code < 500
                if response.status_code >= 400:
                    assert response.headers["content-type"] == ["application/problem+json"]
                seen.add(response.status_code)

            with suppress(Unsatisfiable):  # nothing can be wrong with a request without parameters
                answers()
    assert {200, 422} <= seen
