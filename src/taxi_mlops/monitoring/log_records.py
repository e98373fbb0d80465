"""Send a run's log file as OpenTelemetry log records, by OTLP."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.json.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags, set_span_in_context
from opentelemetry.trace.span import NonRecordingSpan

from taxi_mlops import __version__
from taxi_mlops.monitoring.tracing import SERVICE, exported, resource_of

# The library does not log a failure again within 20 seconds, even if the first was another run's.
_LIBRARY = logging.getLogger(OTLPLogExporter.__module__)
for _silencer in tuple(_LIBRARY.filters):
    _LIBRARY.removeFilter(_silencer)

_SEVERITIES = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}
_ELSEWHERE = {"timestamp", "level", "trace_id", "span_id", "run_id"}
"""Keys of a log line that have fields of their own in OTLP."""


def send_log(
    path: Path, offset: int, run_id: str, endpoint: str | None, timeout_seconds: float, ca_file: Path | None = None
) -> str | None:
    """Send the lines of `path` from an offset on; return the reason of a failure, or None. endpoint: http://loki/otlp."""
    return send_events(_events(path, offset), run_id, endpoint, timeout_seconds, ca_file)


def send_events(
    events: Iterable[dict[str, Any]],
    run_id: str | None,
    endpoint: str | None,
    timeout_seconds: float,
    ca_file: Path | None = None,
) -> str | None:
    """Send lines of a log as `send_log` does. run_id: None for those of no run."""
    resource, scope = resource_of(run_id), InstrumentationScope(SERVICE, __version__)
    records = [ReadableLogRecord(log_record(event), resource, scope) for event in events]
    url = f"{endpoint.rstrip('/')}/v1/logs" if endpoint else None
    certificates = str(ca_file) if ca_file else None
    exporter = OTLPLogExporter(endpoint=url, timeout=timeout_seconds, certificate_file=certificates)
    return exported(exporter, records) if records else None


def _events(path: Path, offset: int) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        file.seek(offset)
        for line in file:
            yield json.loads(line)


def log_record(event: dict[str, Any]) -> LogRecord:
    """Return the record of a line of a log."""
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
