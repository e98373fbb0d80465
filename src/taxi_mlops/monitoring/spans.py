"""Make spans of calls to services, if the run is traced; callers do not need to know whether it is.

Only OpenTelemetry's API is imported here. Its SDK is imported in `tracing`.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from opentelemetry import trace
from opentelemetry.context import get_current
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_CURRENT: ContextVar[trace.Tracer | None] = ContextVar("tracer", default=None)
_SPAN = "taxi_mlops.span"


@contextmanager
def traced_by(tracer: trace.Tracer) -> Iterator[None]:
    """Make spans of all calls to services with this tracer while the context lasts."""
    token = _CURRENT.set(tracer)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_traceparent() -> str | None:
    """Return the current span as a traceparent, for a process that is about to start; None outside a trace."""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


def without_secrets(url: str) -> str:
    """Return a URL for a span: without user, password and query, which may hold a token."""
    scheme, mark, rest = url.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"


@contextmanager
def client_span(name: str, attributes: Mapping[str, str | int]) -> Iterator[None]:
    """Make a span of a call to a service, if the run is traced. It names the type of an error, not its message."""
    tracer = _CURRENT.get()
    if tracer is None:
        yield
        return
    with tracer.start_as_current_span(
        name, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except Exception as error:
            span.set_status(StatusCode.ERROR, type(error).__name__)
            raise


@contextmanager
def step_span(
    tracer: trace.Tracer, name: str, masked: Callable[[str], str], links: tuple[trace.Link, ...] = ()
) -> Iterator[trace.Span]:
    """Make a span the current one while the context lasts. It has the message of an error, masked by `masked`."""
    with tracer.start_as_current_span(name, links=links, record_exception=False, set_status_on_exception=False) as span:
        try:
            yield span
        except Exception as error:
            text = {
                "exception.message": masked(str(error)),
                "exception.stacktrace": masked("".join(traceback.format_exception(error))),
            }
            span.record_exception(error, text)
            span.set_status(StatusCode.ERROR, masked(f"{type(error).__name__}: {error}"))
            raise


def trace_requests(client: Any) -> None:  # noqa: ANN401 - botocore makes the class of a client as it runs
    """Make a span of each request that a botocore client sends, retries included, if the run is traced.

    The client's threads do not inherit the current span, so it is kept here as the parent of all.
    """
    tracer, parent = _CURRENT.get(), get_current()
    if tracer is None:
        return

    def begin(request: Any, operation_name: str, **_: object) -> None:  # noqa: ANN401
        attributes = {"http.request.method": request.method, "url.full": without_secrets(request.url)}
        request.context[_SPAN] = tracer.start_span(f"S3 {operation_name}", parent, SpanKind.CLIENT, attributes)

    def end(
        context: dict[str, Any], response_dict: dict[str, Any] | None, exception: Exception | None, **_: object
    ) -> None:
        span: trace.Span = context.pop(_SPAN)
        status = response_dict["status_code"] if response_dict else None
        if status is not None:
            span.set_attribute("http.response.status_code", status)
        if status is None or status >= 400:
            span.set_status(StatusCode.ERROR, type(exception).__name__ if exception else None)
        span.end()

    client.meta.events.register("request-created.s3", begin)
    client.meta.events.register("response-received.s3", end)
