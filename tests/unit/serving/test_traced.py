from __future__ import annotations

import io
import json
import logging
import sys
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

pytest.importorskip("uvicorn", reason="uvicorn is in the extra serve")

from taxi_mlops.monitoring.continuous import tracer_to
from taxi_mlops.monitoring.logs import LOGGER, get_logger, service_logs
from taxi_mlops.serving.traced import Traced, service_telemetry
from taxi_mlops.settings import Settings

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def spans():
    return InMemorySpanExporter()


@pytest.fixture
def tracer(spans):
    with tracer_to("taxi-serve", SimpleSpanProcessor(spans)) as tracer:
        yield tracer


def test_a_request_is_a_span(application, client_of, tracer, spans):
    client = client_of(Traced(application(), tracer, 1.0))
    client.get("/v1/hotspots/5")
    client.post("/v1/locate", json={"points": []})
    client.get("/nowhere")
    found = spans.get_finished_spans()
    assert [span.name for span in found] == ["GET /v1/hotspots/{number}", "POST /v1/locate", "GET"]
    assert [span.attributes["http.response.status_code"] for span in found] == [200, 422, 404]
    assert found[0].attributes == {
        "http.route": "/v1/hotspots/{number}", "http.request.method": "GET", "http.response.status_code": 200,
    }  # fmt: skip
    assert all(span.status.is_unset and span.parent is None for span in found)


def test_a_request_belongs_to_the_trace_of_its_caller(application, client_of, tracer, spans):
    client = client_of(Traced(application(), tracer, 0.0))
    client.get("/healthz")
    client.get("/healthz", headers={"traceparent": f"00-{TRACE}-{SPAN}-00"})
    client.get("/healthz", headers={"traceparent": "something else"})
    assert spans.get_finished_spans() == ()
    client.get("/healthz", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
    (span,) = spans.get_finished_spans()
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)


def test_a_failure_is_in_the_span_and_in_the_log(application, client_of, tracer, spans, watcher, monkeypatch):
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    watcher.current = replace(watcher.current, model=None)
    client = client_of(Traced(application(), tracer, 1.0), raising=False)
    with service_logs("info"):
        client.post("/v1/locate", json={"points": [{"latitude": 0.0, "longitude": 0.0}]})
    (span,) = spans.get_finished_spans()
    assert not span.status.is_ok
    assert span.attributes["http.response.status_code"] == 500
    event = json.loads(said.getvalue())
    assert (event["event"], event["route"], event["level"]) == ("request_failed", "/v1/locate", "error")
    assert (event["trace_id"], event["span_id"]) == (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}")
    assert "TypeError" in event["exception"]


def test_the_log_masks_secrets_and_ends_with_the_service(monkeypatch):
    said, lines = io.StringIO(), []
    monkeypatch.setattr(sys, "stderr", said)
    before = logging.getLogger(LOGGER).handlers
    with service_logs("info", ["hunter2-hunter2"], lines.append):
        get_logger().info("model_loaded", reason="hunter2-hunter2")
        get_logger().debug("not_shown")
    get_logger().warning("after it")
    (line,) = said.getvalue().splitlines()
    assert (json.loads(line)["event"], json.loads(line)["reason"]) == ("model_loaded", "***")
    assert [json.loads(one)["reason"] for one in lines] == ["***"]
    assert logging.getLogger(LOGGER).handlers == before


def test_nothing_is_traced_without_a_collector():
    with service_telemetry(Settings(otlp_endpoint=None, otlp_logs_endpoint=None)) as tracer:
        assert tracer is None
    with service_telemetry(Settings(otlp_endpoint="http://127.0.0.1:9")) as tracer:
        assert tracer is not None
