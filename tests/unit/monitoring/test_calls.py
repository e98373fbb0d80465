"""Spans of calls to databases and HTTP services."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.trace import Tracer
from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from taxi_mlops.monitoring.calls import traced_calls
from taxi_mlops.monitoring.tracing import run_trace

ERROR = 2


@pytest.fixture
def trace_file(tmp_path: Path) -> Path:
    return tmp_path / "trace.jsonl"


@pytest.fixture
def tracer(trace_file: Path) -> Iterator[Tracer]:
    with run_trace(trace_file, "run-1", None, print) as tracer, tracer.start_as_current_span("step"):
        yield tracer


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return create_engine(f"sqlite:///{tmp_path / 'one.db'}", poolclass=NullPool)


def spans(path: Path) -> list[dict[str, Any]]:
    documents = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [document["resourceSpans"][0]["scopeSpans"][0]["spans"][0] for document in documents]


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    return {pair["key"]: next(iter(pair["value"].values())) for pair in span["attributes"]}


def test_statements_are_spans_without_their_values(tracer: Tracer, trace_file: Path, engine: Engine) -> None:
    with traced_calls("record.store", tracer), engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
        connection.execute(text("INSERT INTO t VALUES (:x)"), {"x": "hunter2"})
    with engine.begin() as connection:
        connection.execute(text("SELECT 1"))  # nobody traces any more
    create, insert = spans(trace_file)
    assert (create["name"], insert["name"], insert["kind"]) == ("SQL CREATE", "SQL INSERT", 3)
    assert attributes(insert) == {"db.system.name": "sqlite", "db.query.text": "INSERT INTO t VALUES (?)"}
    assert "hunter2" not in trace_file.read_text(encoding="utf-8")


def test_a_statement_that_fails_is_an_error(tracer: Tracer, trace_file: Path, engine: Engine) -> None:
    with traced_calls("record.store", tracer), pytest.raises(OperationalError), engine.begin() as connection:
        connection.execute(text("SELECT secret FROM nowhere"))
    [failed] = spans(trace_file)
    assert failed["status"] == {"code": ERROR, "message": "OperationalError"}


def test_other_steps_trace_no_calls(tracer: Tracer, trace_file: Path, engine: Engine) -> None:
    with traced_calls("report", tracer), engine.begin() as connection:
        connection.execute(text("SELECT 1"))
    assert trace_file.read_text(encoding="utf-8") == ""


def test_requests_are_spans_and_hand_theirs_on(tracer: Tracer, trace_file: Path, collector: Any) -> None:
    requests = pytest.importorskip("requests", reason="requests comes with the extra tracking")
    send = requests.Session.send
    collector.status = 404
    with traced_calls("record.mlflow", tracer):
        url = collector.url.replace("http://", "http://user:hunter2@")
        requests.post(f"{url}/api/runs?token=hunter2", json={}, timeout=30)
    assert requests.Session.send is send
    [span] = spans(trace_file)
    found = attributes(span)
    assert (span["name"], span["kind"], span["status"]["code"]) == ("HTTP POST", 3, ERROR)
    assert found["http.response.status_code"] == "404"
    assert found["url.full"].endswith("/api/runs")
    assert "hunter2" not in trace_file.read_text(encoding="utf-8")
    [(_, headers, _)] = collector.received
    assert headers["traceparent"].split("-")[1:3] == [span["traceId"], span["spanId"]]
