"""Spans of requests, and where the service's spans and log go."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taxi_mlops.monitoring.logs import redirected, service_logs
from taxi_mlops.monitoring.secrets import secrets_of
from taxi_mlops.settings import Settings

SERVICE = "taxi-serve"
"""Name of the service in traces and logs."""
_PARENT = b"traceparent"


@dataclass(frozen=True, slots=True)
class Traced:
    """A middleware that makes a span of some requests: of those that the caller traces, and a share of the others.

    ratio: share of the requests without a caller's span that are traced.
    """

    app: ASGIApp
    tracer: trace.Tracer
    ratio: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parent = _parent(scope)
        if scope["type"] != "http" or not self._is_wanted(parent):
            await self.app(scope, receive, send)
            return
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        method = scope["method"]
        with self.tracer.start_as_current_span(
            method, parent, SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                await self.app(scope, receive, sending)
            finally:
                route = getattr(scope.get("route"), "path", None)
                if route is not None:
                    span.update_name(f"{method} {route}")
                    span.set_attribute("http.route", route)
                span.set_attributes({"http.request.method": method, "http.response.status_code": status})
                if status >= 500:
                    span.set_status(StatusCode.ERROR)

    def _is_wanted(self, parent: Context | None) -> bool:
        if parent is None:
            return random.random() < self.ratio  # noqa: S311 - nothing secret
        return trace.get_current_span(parent).get_span_context().trace_flags.sampled


def _parent(scope: Scope) -> Context | None:
    """Return the caller's span (W3C Trace Context); None without one, or if it cannot be read."""
    header = next((value for name, value in scope.get("headers", ()) if name == _PARENT), None)
    if header is None:
        return None
    parent = TraceContextTextMapPropagator().extract({"traceparent": header.decode("latin-1")})
    return parent if trace.get_current_span(parent).get_span_context().is_valid else None


@contextmanager
def service_telemetry(settings: Settings) -> Iterator[trace.Tracer | None]:
    """Write the log of the service while the context lasts, and yield the tracer of its requests.

    Log records go to standard error, and are sent if the settings name an endpoint for them. None without a collector
    of spans: then nothing is traced.
    """
    seconds, ca_file = settings.service_timeout_seconds, settings.ca_file
    with ExitStack() as stack:
        send = None
        if settings.otlp_logs_endpoint is not None:
            from taxi_mlops.monitoring.continuous import sent_log_lines

            send = stack.enter_context(sent_log_lines(SERVICE, str(settings.otlp_logs_endpoint), seconds, ca_file))
        stack.enter_context(service_logs(settings.log_level, secrets_of(settings), send))
        stack.enter_context(redirected("uvicorn"))
        tracer = None
        if settings.otlp_endpoint is not None:
            from taxi_mlops.monitoring.continuous import sent_spans

            tracer = stack.enter_context(sent_spans(SERVICE, str(settings.otlp_endpoint), seconds, ca_file))
        yield tracer
