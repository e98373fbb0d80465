"""The trace of a run: spans in its folder, and sent to a collector (OTLP)."""

from __future__ import annotations

import contextlib
import json
import socket
from pathlib import Path

import pytest

from taxi_mlops.monitoring.time_budget import TimeBudget
from taxi_mlops.monitoring.tracing import links_to_caller, run_trace, trace_id_of


@pytest.fixture(autouse=True)
def no_collector_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def spans(document: dict) -> list[dict]:
    return [
        span for resource in document["resourceSpans"] for scope in resource["scopeSpans"] for span in scope["spans"]
    ]


def in_file(path: Path) -> list[dict]:
    return [span for line in path.read_text(encoding="utf-8").splitlines() for span in spans(json.loads(line))]


def trace_two_spans(path: Path, endpoint: str | None = None, budget: TimeBudget | None = None) -> list[str]:
    failures: list[str] = []
    with (
        run_trace(path, "run-1", endpoint, failures.append, budget) as tracer,
        tracer.start_as_current_span("outer"),
        tracer.start_as_current_span("inner"),
    ):
        pass
    return failures


def test_spans_are_lines_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    assert trace_two_spans(path) == []
    inner, outer = in_file(path)
    assert (inner["name"], outer["name"]) == ("inner", "outer")
    assert inner["traceId"] == outer["traceId"]
    assert inner["parentSpanId"] == outer["spanId"]
    assert int(outer["startTimeUnixNano"]) <= int(inner["startTimeUnixNano"]) <= int(inner["endTimeUnixNano"])
    resource = json.loads(path.read_text(encoding="utf-8").splitlines()[0])["resourceSpans"][0]["resource"]
    attributes = {entry["key"]: entry["value"]["stringValue"] for entry in resource["attributes"]}
    assert attributes["service.name"] == "taxi-mlops"
    assert attributes["taxi.run_id"] == "run-1"
    assert "service.instance.id" not in attributes  # Loki would make a label of it


def test_spans_that_had_ended_are_there_when_the_run_breaks(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with (
        contextlib.suppress(ArithmeticError),
        run_trace(path, "run-1", None, print) as tracer,
        tracer.start_as_current_span("outer"),
    ):
        with tracer.start_as_current_span("inner"):
            pass
        assert [span["name"] for span in in_file(path)] == ["inner"]
        raise ArithmeticError("one too many")
    outer = in_file(path)[-1]
    assert outer["status"] == {"code": 2, "message": "ArithmeticError: one too many"}
    assert outer["events"][0]["name"] == "exception"


@pytest.mark.parametrize("way", ["settings", "environment"])
def test_all_spans_are_sent_in_one_request_at_the_end(
    collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "environment":
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=taxis")
    assert trace_two_spans(tmp_path / "trace.jsonl", f"{collector.url}/" if way == "settings" else None) == []
    [(path, headers, document)] = collector.received
    assert path == "/v1/traces"
    assert headers["content-type"] == "application/json"
    assert headers.get("x-team") == ("taxis" if way == "environment" else None)
    assert [span["name"] for span in spans(document)] == ["inner", "outer"]
    assert spans(document) == in_file(tmp_path / "trace.jsonl")


def test_nothing_is_sent_where_no_collector_is_named(collector, tmp_path: Path) -> None:
    trace_two_spans(tmp_path / "trace.jsonl")
    assert collector.received == []


def test_a_collector_that_refuses_is_reported_once(
    collector, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    collector.status = 400
    [failure] = trace_two_spans(tmp_path / "trace.jsonl", collector.url)
    assert "400" in failure
    assert str(tmp_path / "trace.jsonl") in failure
    assert capfd.readouterr() == ("", "")


def test_an_absent_collector_is_reported_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        [failure] = trace_two_spans(tmp_path / "trace.jsonl", f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert "refused" in failure
    assert capfd.readouterr() == ("", "")


def test_a_collector_that_does_not_answer_is_not_waited_for(collector, tmp_path: Path) -> None:
    collector.answer.clear()
    [failure] = trace_two_spans(tmp_path / "trace.jsonl", collector.url, TimeBudget(0.3))
    assert "0.3 s" in failure or "timed out" in failure.lower()
    assert len(in_file(tmp_path / "trace.jsonl")) == 2


def test_a_wrong_address_fails_no_run(tmp_path: Path) -> None:
    [failure] = trace_two_spans(tmp_path / "trace.jsonl", "no-scheme:4318")
    assert failure


def test_tracing_leaves_the_process_wide_provider_alone(tmp_path: Path) -> None:
    from opentelemetry import trace

    before = trace.get_tracer_provider()
    trace_two_spans(tmp_path / "trace.jsonl")
    assert trace.get_tracer_provider() is before
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_run_is_one_trace_whichever_processes_it_ran_in(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    trace_two_spans(path)
    trace_two_spans(path)
    found = in_file(path)
    assert {span["traceId"] for span in found} == {trace_id_of("run-1")}
    assert len({span["spanId"] for span in found}) == 4
    assert trace_id_of("run-1") != trace_id_of("run-2")


def test_a_run_is_linked_to_the_span_that_its_process_was_started_in(monkeypatch: pytest.MonkeyPatch) -> None:
    assert links_to_caller() == ()
    monkeypatch.setenv("TRACEPARENT", "not one")
    assert links_to_caller() == ()
    monkeypatch.setenv("TRACEPARENT", f"00-{'ab' * 16}-{'cd' * 8}-01")
    [link] = links_to_caller()
    assert (link.context.trace_id, link.context.span_id) == (int("ab" * 16, 16), int("cd" * 8, 16))
