"""Log lines that are sent to a collector (OTLP)."""

from __future__ import annotations

from pathlib import Path

import pytest

from taxi_mlops.monitoring.log_records import send_log
from taxi_mlops.monitoring.log_shipping import send_event
from taxi_mlops.monitoring.logs import get_logger, logs_are_wanted, run_logs
from taxi_mlops.monitoring.tracing import run_trace, trace_id_of


@pytest.fixture(autouse=True)
def nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", raising=False)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    with (
        run_logs(path, "run-1", "info", verbose=False),
        run_trace(tmp_path / "trace.jsonl", "run-1", None, print) as tracer,
        tracer.start_as_current_span("compare"),
    ):
        get_logger().info("run_started", points=3, dropped={"zero": 1})
        get_logger().error("run_failed", error="why")
    return path


def attributes(entry: dict) -> dict:
    return {pair["key"]: next(iter(pair["value"].values())) for pair in entry["attributes"]}


def test_lines_are_sent_with_trace_span_and_fields(collector, log: Path) -> None:
    assert send_log(log, 0, "run-1", f"{collector.url}/otlp/", 30.0) is None
    [(path, headers, document)] = collector.received
    assert (path, headers["content-type"]) == ("/otlp/v1/logs", "application/json")
    [sent] = document["resourceLogs"]
    assert attributes(sent["resource"])["taxi.run_id"] == "run-1"
    first, second = sent["scopeLogs"][0]["logRecords"]
    assert (first["severityText"], second["severityText"]) == ("info", "error")
    assert first["traceId"] == trace_id_of("run-1")
    assert len(first["spanId"]) == 16
    found = attributes(first)
    assert (found["event"], found["points"], found["dropped"]) == ("run_started", "3", '{"zero": 1}')
    assert '"event": "run_started"' in first["body"]["stringValue"]


def test_only_what_this_process_wrote_is_sent(collector, log: Path) -> None:
    first_line = len(log.read_bytes().splitlines(keepends=True)[0])
    assert send_log(log, first_line, "run-1", collector.url, 30.0) is None
    assert len(collector.received[0][2]["resourceLogs"][0]["scopeLogs"][0]["logRecords"]) == 1
    assert send_log(log, log.stat().st_size, "run-1", collector.url, 30.0) is None
    assert len(collector.received) == 1


def test_a_refusal_is_raised_each_time(collector, log: Path, capfd: pytest.CaptureFixture[str]) -> None:
    collector.status = 400
    for _ in range(2):
        failure = send_log(log, 0, "run-1", collector.url, 30.0)
        assert failure is not None
        assert "400" in failure
    assert capfd.readouterr() == ("", "")


def test_an_event_outside_of_a_run_is_sent_alone(collector) -> None:
    assert send_event("audited", {"action": "model.promoted", "month": None}, collector.url, 30.0) is None
    [(path, _, document)] = collector.received
    assert path == "/v1/logs"
    [sent] = document["resourceLogs"]
    of_resource = attributes(sent["resource"])
    assert of_resource["service.name"] == "taxi-mlops"
    assert not {"taxi.run_id", "service.instance.id"} & of_resource.keys()
    (record,) = sent["scopeLogs"][0]["logRecords"]
    assert attributes(record) == {"event": "audited", "action": "model.promoted"}


def test_an_event_is_not_sent_where_nobody_wants_it_or_refused_with_a_reason(collector) -> None:
    assert send_event("audited", {}, None, 30.0) is None
    assert collector.received == []
    collector.status = 400
    assert "400" in str(send_event("audited", {}, collector.url, 30.0))


def test_logs_go_nowhere_unless_a_place_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not logs_are_wanted(None)
    assert logs_are_wanted("http://loki/otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://loki/otlp/v1/logs")
    assert logs_are_wanted(None)
