"""Spans of a run: each in a file of the run as soon as it ends, and all sent to a collector once the run has ended.

Nothing is sent while trials run: whatever woke then would take time from what is being timed.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from opentelemetry.exporter.otlp.json.file.trace_exporter import FileSpanExporter
from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from taxi_mlops import __version__

SERVICE = "taxi-mlops"
PATIENCE_SECONDS = 2.0
"""How long a run waits, in all, for a collector to take its spans."""

_LIBRARY = logging.getLogger("opentelemetry")


@contextmanager
def run_trace(path: Path, run_id: str, endpoint: str | None, on_failure: Callable[[str], None]) -> Iterator[Tracer]:
    """Trace a run: yields the tracer, and writes its spans to `path` (appended), one a line, as OTLP JSON.

    On leaving they are sent by OTLP over HTTP, as JSON, where `endpoint` (the collector's base URL) or the environment
    variables of OpenTelemetry name a collector. `on_failure` is told, once, why they could not be.
    """
    resource = Resource.create({"service.name": SERVICE, "service.version": __version__, "taxi.run_id": run_id})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    kept = InMemorySpanExporter()
    for exporter in (FileSpanExporter(path), kept):
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    try:
        yield provider.get_tracer(SERVICE, __version__)
    finally:
        provider.shutdown()
        if endpoint or _named_by_environment():
            reason = _send(kept.get_finished_spans(), endpoint)
            if reason is not None:
                on_failure(f"the run's spans were not sent, but are in {path}: {reason}")


def _named_by_environment() -> bool:
    return any(os.environ.get(name) for name in (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT))


def _send(spans: Sequence[ReadableSpan], endpoint: str | None) -> str | None:
    """Send spans in one request, and return why that failed, or None.

    In a thread, since looking up a host's name, or a server that answers byte by byte, knows no deadline.
    """
    sending = _Sending(spans, endpoint)
    sending.start()
    sending.join(PATIENCE_SECONDS)
    return f"the collector did not answer within {PATIENCE_SECONDS:g} s" if sending.is_alive() else sending.failure


class _Sending(threading.Thread):
    """One export. `failure` says how it went, once the thread has ended."""

    def __init__(self, spans: Sequence[ReadableSpan], endpoint: str | None) -> None:
        super().__init__(name="otlp-export", daemon=True)
        self._spans = spans
        self._url = f"{endpoint.rstrip('/')}/v1/traces" if endpoint else None
        self.failure: str | None = None

    def run(self) -> None:
        from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter

        said = _Said()
        _LIBRARY.addHandler(said)
        try:
            exporter = OTLPSpanExporter(endpoint=self._url, timeout=PATIENCE_SECONDS)
            if exporter.export(self._spans) is not SpanExportResult.SUCCESS:
                self.failure = " ".join(said.messages)
            exporter.shutdown()
        except Exception as error:  # noqa: BLE001 - a run never fails because of who watches it
            self.failure = f"{type(error).__name__}: {error}"
        finally:
            _LIBRARY.removeHandler(said)


class _Said(logging.Handler):
    """Keeps what the exporter logs: it tells the reason of a failure in no other way."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


# Otherwise Python prints warnings of the library on standard error.
_LIBRARY.addHandler(logging.NullHandler())
