"""Spans and log records of a process that runs on: sent in the background, and at the end."""

from __future__ import annotations

import json

import pytest

from taxi_mlops.monitoring import continuous
from taxi_mlops.monitoring.continuous import sent_log_lines, sent_spans

LINE = {"timestamp": "2026-11-29T18:00:00Z", "level": "error", "event": "request_failed", "route": "/v1/locate"}
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(autouse=True)
def a_busy_host(monkeypatch):
    """What waits is sent at the end, however long that takes here."""
    monkeypatch.setattr(continuous, "STOP_SECONDS", 200.0)


def attributes(content: dict) -> dict:
    return {one["key"]: one["value"].get("stringValue") for one in content["attributes"]}


def test_spans_are_sent(collector):
    with sent_spans("taxi-serve", collector.url, 100.0) as tracer, tracer.start_as_current_span("GET /v1/hotspots"):
        pass
    ((path, _, content),) = collector.received
    assert path == "/v1/traces"
    (sent,) = content["resourceSpans"]
    assert attributes(sent["resource"])["service.name"] == "taxi-serve"
    assert [span["name"] for span in sent["scopeSpans"][0]["spans"]] == ["GET /v1/hotspots"]


def test_lines_of_a_log_are_sent_as_records(collector):
    with sent_log_lines("taxi-serve", collector.url, 100.0) as send:
        send(json.dumps({**LINE, "trace_id": TRACE, "span_id": SPAN}))
    ((path, _, content),) = collector.received
    assert path == "/v1/logs"
    (sent,) = content["resourceLogs"]
    (record,) = sent["scopeLogs"][0]["logRecords"]
    assert (record["severityText"], record["traceId"], record["spanId"]) == ("error", TRACE, SPAN)
    assert attributes(record) == {"event": "request_failed", "route": "/v1/locate"}
    assert attributes(sent["resource"])["service.name"] == "taxi-serve"


def test_a_collector_that_is_away_holds_nobody_up(monkeypatch):
    monkeypatch.setattr(continuous, "STOP_SECONDS", 0.01)
    with sent_spans("taxi-serve", "http://127.0.0.1:9", 0.01) as tracer:
        tracer.start_span("GET /").end()
    with sent_log_lines("taxi-serve", "http://127.0.0.1:9", 0.01) as send:
        send(json.dumps(LINE))
