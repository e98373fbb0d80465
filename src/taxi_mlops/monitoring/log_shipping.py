"""Sends the log of a run by OTLP, once the run has ended: to Loki's own endpoint, or to a collector."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.environment_variables import OTEL_EXPORTER_OTLP_LOGS_ENDPOINT
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags, set_span_in_context
from opentelemetry.trace.span import NonRecordingSpan

from taxi_mlops import __version__
from taxi_mlops.monitoring.patience import Patience
from taxi_mlops.monitoring.tracing import SERVICE, exported, resource_of, send

_SHARE = 0.5
"""Of the run's patience; the rest is for the spans."""
_SEVERITIES = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}
_ELSEWHERE = {"timestamp", "level", "trace_id", "span_id", "run_id"}
"""Keys of a line that have places of their own in OTLP."""


def logs_are_wanted(endpoint: str | None) -> bool:
    """Whether settings or environment name a place for log records."""
    return bool(endpoint or os.environ.get(OTEL_EXPORTER_OTLP_LOGS_ENDPOINT))


@contextmanager
def sent_log(
    path: Path,
    run_id: str,
    endpoint: str | None,
    on_failure: Callable[[str], None],
    patience: Patience,
    ca_file: Path | None = None,
) -> Iterator[None]:
    """On leaving, send what was logged meanwhile; `on_failure` is told, once, why it could not be. As `run_trace`."""
    offset = path.stat().st_size if path.exists() else 0
    try:
        yield
    finally:
        if logs_are_wanted(endpoint):
            reason = send(lambda: send_log(path, offset, run_id, endpoint, patience.left, ca_file), patience, _SHARE)
            if reason is not None:
                on_failure(f"the run's log was not sent, but is in {path}: {reason}")


def send_log(
    path: Path, offset: int, run_id: str, endpoint: str | None, timeout_seconds: float, ca_file: Path | None = None
) -> str | None:
    """Send what `path` holds from an offset on, and return why that failed, or None. endpoint: as http://loki/otlp."""
    from opentelemetry.exporter.otlp.json.http._log_exporter import OTLPLogExporter

    url = f"{endpoint.rstrip('/')}/v1/logs" if endpoint else None
    records = list(_records(path, offset, run_id))
    certificates = str(ca_file) if ca_file else None
    exporter = OTLPLogExporter(endpoint=url, timeout=timeout_seconds, certificate_file=certificates)
    return exported(exporter, records) if records else None


def _records(path: Path, offset: int, run_id: str) -> Iterator[ReadableLogRecord]:
    resource, scope = resource_of(run_id), InstrumentationScope(SERVICE, __version__)
    with path.open(encoding="utf-8") as file:
        file.seek(offset)
        for line in file:
            yield ReadableLogRecord(_record(json.loads(line)), resource, scope)


def _record(event: dict[str, Any]) -> LogRecord:
    level = str(event.get("level", "info"))
    at = datetime.fromisoformat(event["timestamp"])
    attributes = {name: _plain(value) for name, value in event.items() if name not in _ELSEWHERE and value is not None}
    span = SpanContext(
        trace_id=int(event.get("trace_id", "0"), 16),
        span_id=int(event.get("span_id", "0"), 16),
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return LogRecord(
        timestamp=int(at.timestamp() * 1e9),
        context=set_span_in_context(NonRecordingSpan(span)),
        severity_text=level,
        severity_number=_SEVERITIES.get(level, SeverityNumber.INFO),
        body=json.dumps(event, ensure_ascii=False),
        attributes=attributes,
    )


def _plain(value: object) -> str | int | float | bool:
    return value if isinstance(value, (str, int, float, bool)) else json.dumps(value, ensure_ascii=False)
