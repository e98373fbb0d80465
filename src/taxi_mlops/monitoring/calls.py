"""Spans of the requests that recorders send to databases and servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from taxi_mlops.monitoring.spans import current_traceparent, without_secrets

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_MAX_STATEMENT_LENGTH = 500


def traced_calls(step: str, tracer: Tracer) -> AbstractContextManager[None]:
    """Trace SQL while the store records, and HTTP while MLflow does. MLflow's own SQL is not traced."""
    if step == "record.store":
        return _traced_sql(tracer)
    if step == "record.mlflow" and find_spec("requests") is not None:  # it comes with MLflow
        return _traced_http(tracer)
    return nullcontext()


@contextmanager
def _traced_sql(tracer: Tracer) -> Iterator[None]:
    from sqlalchemy import Engine, event

    open_spans: dict[Any, Span] = {}

    def begin(connection: Any, cursor: Any, statement: str, _parameters: Any, _context: Any, _many: Any) -> None:  # noqa: ANN401
        words = statement.split(maxsplit=1)
        # Values are no part of the statement.
        attributes = {"db.system.name": connection.dialect.name, "db.query.text": statement[:_MAX_STATEMENT_LENGTH]}
        open_spans[cursor] = tracer.start_span(f"SQL {words[0]}", kind=SpanKind.CLIENT, attributes=attributes)

    def end(_connection: Any, cursor: Any, *_: Any) -> None:  # noqa: ANN401
        open_spans.pop(cursor).end()

    def fail(context: Any) -> None:  # noqa: ANN401
        failed = context.execution_context  # None if the connection failed
        span = open_spans.pop(failed.cursor, None) if failed else None
        if span is not None:
            span.set_status(StatusCode.ERROR, type(context.original_exception).__name__)
            span.end()

    listeners: dict[str, Callable[..., Any]] = {
        "before_cursor_execute": begin,
        "after_cursor_execute": end,
        "handle_error": fail,
    }
    for name, listener in listeners.items():
        event.listen(Engine, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners.items():
            event.remove(Engine, name, listener)


@contextmanager
def _traced_http(tracer: Tracer) -> Iterator[None]:
    """Trace the library requests, which MLflow's client uses, and pass the span on to the server."""
    import requests

    send = requests.Session.send

    def traced_send(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # noqa: ANN401
        attributes = {"http.request.method": str(request.method), "url.full": without_secrets(str(request.url))}
        with tracer.start_as_current_span(
            f"HTTP {request.method}", kind=SpanKind.CLIENT, attributes=attributes
        ) as span:
            parent = current_traceparent()
            if parent is not None:
                request.headers["traceparent"] = parent
            response = send(self, request, **options)
            span.set_attribute("http.response.status_code", response.status_code)
            if not response.ok:
                span.set_status(StatusCode.ERROR, response.reason)
            return response

    requests.Session.send = traced_send  # type: ignore[method-assign]
    try:
        yield
    finally:
        requests.Session.send = send  # type: ignore[method-assign]
