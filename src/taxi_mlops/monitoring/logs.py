"""Structured logs: JSON lines with the identifiers of run, trace and span in a file of the run.

On the terminal, readable lines when asked for.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from opentelemetry import trace

LOGGER = "taxi_mlops"


def _add_span(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Name the span that the record was made in, as OpenTelemetry writes identifiers."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event


_SHARED: tuple[structlog.types.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    _add_span,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def get_logger() -> structlog.stdlib.BoundLogger:
    """The logger of the platform. Outside a run it writes nowhere."""
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(LOGGER),
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return logger


@contextmanager
def run_logs(path: Path, run_id: str, level: str, verbose: bool) -> Iterator[None]:
    """Send log records to `path` (appended) while the context lasts, and to standard error when `verbose`."""
    handlers: list[logging.Handler] = [logging.FileHandler(path, encoding="utf-8")]
    handlers[0].setFormatter(_formatter(structlog.processors.JSONRenderer()))
    if verbose:
        console = logging.StreamHandler(sys.stderr)
        console.setFormatter(_formatter(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())))
        handlers.append(console)
    logger = logging.getLogger(LOGGER)
    logger.setLevel(level.upper())
    logger.propagate = False
    for handler in handlers:
        logger.addHandler(handler)
    try:
        with structlog.contextvars.bound_contextvars(run_id=run_id):
            yield
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()


def _formatter(renderer: structlog.types.Processor) -> structlog.stdlib.ProcessorFormatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=list(_SHARED),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
        ],
    )


logging.getLogger(LOGGER).addHandler(logging.NullHandler())
