"""Spans and log records of a process that runs on, sent by OTLP in the background, a batch every few seconds.

A run sends them when it has ended (`tracing`, `log_shipping`). What waits for a collector that is away is bounded, and
the process is never held up.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from taxi_mlops import __version__

STOP_SECONDS = 5.0
"""How long the end of the process waits for what was not sent yet."""


@contextmanager
def sent_spans(
    service: str, endpoint: str | None, timeout_seconds: float, ca_file: Path | None = None
) -> Iterator[trace.Tracer]:
    """Yield a tracer whose spans are sent as they end.

    service: its name in the traces. endpoint: the collector's base URL; None for what OpenTelemetry's variables name.
    """
    from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter

    url = f"{endpoint.rstrip('/')}/v1/traces" if endpoint else None
    exporter = OTLPSpanExporter(
        endpoint=url, timeout=timeout_seconds, certificate_file=str(ca_file) if ca_file else None
    )
    with tracer_to(service, BatchSpanProcessor(exporter)) as tracer:
        yield tracer


@contextmanager
def tracer_to(service: str, processor: SpanProcessor) -> Iterator[trace.Tracer]:
    """Yield a tracer whose spans a processor gets; all of them: what is traced is decided before a span is made."""
    provider = TracerProvider(resource=_resource(service), sampler=ALWAYS_ON, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    try:
        yield provider.get_tracer(service, __version__)
    finally:
        _within(STOP_SECONDS, provider.shutdown)


@contextmanager
def sent_log_lines(
    service: str, endpoint: str | None, timeout_seconds: float, ca_file: Path | None = None
) -> Iterator[Callable[[str], None]]:
    """Yield a function that sends a line of a log, a JSON object, as a record. Arguments as of `sent_spans`."""
    from opentelemetry.exporter.otlp.json.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    from taxi_mlops.monitoring.log_records import log_record

    url = f"{endpoint.rstrip('/')}/v1/logs" if endpoint else None
    exporter = OTLPLogExporter(
        endpoint=url, timeout=timeout_seconds, certificate_file=str(ca_file) if ca_file else None
    )
    provider = LoggerProvider(resource=_resource(service), shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = provider.get_logger(service, __version__)
    try:
        yield lambda line: logger.emit(log_record(json.loads(line)))
    finally:
        _within(STOP_SECONDS, provider.shutdown)


def _resource(service: str) -> Resource:
    return Resource.create({"service.name": service, "service.version": __version__})


def _within(seconds: float, action: Callable[[], object]) -> None:
    """Call something, and do not wait longer for it."""
    thread = threading.Thread(target=action, name="telemetry-end", daemon=True)
    thread.start()
    thread.join(seconds)
