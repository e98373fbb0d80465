"""Spans of calls to services, without the secrets of their addresses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from taxi_mlops.monitoring.spans import client_span, current_traceparent, without_secrets
from taxi_mlops.monitoring.tracing import run_trace


def spans(path: Path) -> list[dict[str, Any]]:
    documents = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [document["resourceSpans"][0]["scopeSpans"][0]["spans"][0] for document in documents]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host:9091/metrics", "http://host:9091/metrics"),
        ("https://user:hunter2@host/a@b?token=hunter2", "https://host/a@b"),
        ("http://host?token=hunter2", "http://host"),
        ("http://user:hunter2@host", "http://host"),
    ],
)
def test_a_url_in_a_span_has_no_secret(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


def test_calls_to_services_are_spans_inside_of_the_step(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with run_trace(path, "run-1", None, print) as tracer, tracer.start_as_current_span("record"):
        with client_span("PUT pushgateway", {"http.request.method": "PUT"}):
            pass
        inside = current_traceparent()
    call, step = spans(path)
    assert (call["name"], call["kind"], call["parentSpanId"]) == ("PUT pushgateway", 3, step["spanId"])
    assert inside is not None
    assert inside.startswith(f"00-{step['traceId']}-{step['spanId']}-")


def test_a_failed_call_has_the_type_of_the_error(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with (
        run_trace(path, "run-1", None, print),
        pytest.raises(ConnectionError),
        client_span("HTTP GET", {}),
    ):
        raise ConnectionError("http://user:hunter2@host")
    [call] = spans(path)
    assert call["status"] == {"code": 2, "message": "ConnectionError"}
    assert "hunter2" not in path.read_text(encoding="utf-8")


def test_where_nobody_traces_there_is_no_span() -> None:
    with client_span("nobody traces", {}):
        assert current_traceparent() is None
