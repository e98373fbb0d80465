"""Trace a run: each span is written to a file of the run when it ends; all are sent to a collector after the run.

Nothing is sent while trials run, since that would take CPU time from what is being timed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, TypeVar

from opentelemetry import trace
from opentelemetry.exporter.otlp.json.common.trace_encoder import encode_spans
from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
)
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from taxi_mlops import __version__
from taxi_mlops.monitoring.spans import traced_by
from taxi_mlops.monitoring.time_budget import RUN_SECONDS, DeadlineExceededError, TimeBudget

SERVICE = "taxi-mlops"
TRACEPARENT = "TRACEPARENT"
"""Environment variable with the parent span of a process, in the format of W3C Trace Context."""

_LIBRARY = logging.getLogger("opentelemetry")


def trace_id_of(run_id: str) -> str:
    """Return the trace id of a run, in hexadecimal. It is computed from the run id, so that each can be found."""
    return hashlib.sha256(run_id.encode()).hexdigest()[:32]


def resource_of(run_id: str | None) -> Resource:
    """Return the resource of all spans and log records of a run; None for those of no run."""
    of_run = {"taxi.run_id": run_id} if run_id is not None else {}
    made = Resource.create({"service.name": SERVICE, "service.version": __version__, **of_run})
    # The library would give each process an instance id, and Loki would make a label of it.
    return Resource({name: value for name, value in made.attributes.items() if name != SERVICE_INSTANCE_ID})


@contextmanager
def run_trace(
    path: Path,
    run_id: str,
    endpoint: str | None,
    on_failure: Callable[[str], None],
    budget: TimeBudget | None = None,
    ca_file: Path | None = None,
) -> Iterator[trace.Tracer]:
    """Trace a run: yields the tracer, and writes its spans to `path` (appended), one a line, as OTLP JSON.

    On leaving they are sent by OTLP over HTTP, as JSON, if `endpoint` (the collector's base URL) or the environment
    variables of OpenTelemetry name a collector. `on_failure` gets the reason of a failure, once. ca_file: certificate
    authority of the collector, if the system does not trust it.
    """
    provider = TracerProvider(
        resource=resource_of(run_id), shutdown_on_exit=False, id_generator=_IdsOfOneTrace(trace_id_of(run_id))
    )
    kept = InMemorySpanExporter()
    for exporter in (_SpanFile(path), kept):
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer(SERVICE, __version__)
    try:
        with traced_by(tracer):
            yield tracer
    finally:
        provider.shutdown()
        if endpoint or _named_by_environment():
            waiting = budget or TimeBudget(RUN_SECONDS)
            reason = send(lambda: _send_spans(kept.get_finished_spans(), endpoint, waiting.left, ca_file), waiting)
            if reason is not None:
                on_failure(f"the run's spans were not sent, but are in {path}: {reason}")


def links_to_caller() -> tuple[trace.Link, ...]:
    """Return a link to the span in which this process was started, as the environment names it."""
    carrier = {"traceparent": os.environ.get(TRACEPARENT, "")}
    caller = trace.get_current_span(TraceContextTextMapPropagator().extract(carrier)).get_span_context()
    return (trace.Link(caller),) if caller.is_valid else ()


class _SpanFile(SpanExporter):
    """Appends spans to a file, one a line, as OTLP JSON.

    OpenTelemetry has such an exporter too, but importing it takes longer than all other tracing.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        line = json.dumps(encode_spans(spans).to_dict(), separators=(",", ":")) + "\n"
        # The disk may be full; and a span that ends after the run does not belong to it.
        with self._lock, suppress(OSError, ValueError):
            self._file.write(line)
            self._file.flush()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        with self._lock, suppress(OSError):
            self._file.close()


class _IdsOfOneTrace(RandomIdGenerator):
    """Gives every span the same trace id: a resumed run is one trace, whichever processes it ran in."""

    def __init__(self, trace_id: str) -> None:
        self._trace_id = int(trace_id, 16)

    def generate_trace_id(self) -> int:
        return self._trace_id


def _named_by_environment() -> bool:
    return any(os.environ.get(name) for name in (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT))


def _send_spans(
    spans: Sequence[ReadableSpan], endpoint: str | None, timeout_seconds: float, ca_file: Path | None
) -> str | None:
    from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter

    url = f"{endpoint.rstrip('/')}/v1/traces" if endpoint else None
    certificates = str(ca_file) if ca_file else None
    return exported(OTLPSpanExporter(endpoint=url, timeout=timeout_seconds, certificate_file=certificates), spans)


def send(action: Callable[[], str | None], budget: TimeBudget, share: float = 1.0) -> str | None:
    """Send something in one request; return the reason of a failure, or None."""
    try:
        return budget.call(action, share)
    except DeadlineExceededError as error:
        return f"the collector gave {error}"
    except Exception as error:  # noqa: BLE001 - a run never fails because of who watches it
        return f"{type(error).__name__}: {error}"


T_contra = TypeVar("T_contra", contravariant=True)


class Exporter(Protocol[T_contra]):
    """The common interface of OpenTelemetry's exporters of spans and of log records."""

    def export(self, batch: Sequence[T_contra], /) -> object: ...
    def shutdown(self) -> None: ...


def exported(exporter: Exporter[T_contra], batch: Sequence[T_contra]) -> str | None:
    """Export a batch; return what was logged if that failed, or None."""
    said = _LoggedReasons()
    _LIBRARY.addHandler(said)
    try:
        result = exporter.export(batch)
        exporter.shutdown()
    finally:
        _LIBRARY.removeHandler(said)
    return None if getattr(result, "name", "") == "SUCCESS" else " ".join(said.messages)


class _LoggedReasons(logging.Handler):
    """Keeps what the exporter logs, which is the only place where it gives the reason of a failure."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


# Otherwise Python prints warnings of the library on standard error.
_LIBRARY.addHandler(logging.NullHandler())
