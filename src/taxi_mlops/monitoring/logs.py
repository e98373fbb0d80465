"""Structured logs: JSON lines with the ids of run, trace and span, in a file of the run.

With `--verbose` also as readable lines on the terminal. Records of Prefect, MLflow and `warnings` are included.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import structlog
from opentelemetry import trace

from taxi_mlops.monitoring.secrets import SecretFilter

LOGGER = "taxi_mlops"
LISTENED_TO = ("prefect", "prefect.flow_runs", "prefect.task_runs")
"""Loggers of other libraries whose records a run includes; they keep their own handlers."""

SWEEP_ID = "sweep_id"
"""Key in structlog's context: the id of the sweep that a run is a cell of, for its log lines and spans."""

_WARNINGS = "py.warnings"


def _add_span(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add the ids of the current span, as OpenTelemetry writes them."""
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
    """Return the logger of the platform. Outside a run it writes nowhere."""
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(LOGGER),
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return logger


def logs_are_wanted(endpoint: str | None) -> bool:
    """Return whether settings or environment name an endpoint for log records."""
    return bool(endpoint or os.environ.get("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"))


def is_logging() -> bool:
    """Return whether records of the platform are written anywhere now: within a run or a service."""
    return any(not isinstance(one, logging.NullHandler) for one in logging.getLogger(LOGGER).handlers)


class _RunLog(logging.FileHandler):
    """A log file whose write errors, as on a full disk, do not affect the run."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Drop the record; the default would print a traceback for each one."""

    def close(self) -> None:
        with suppress(OSError):
            super().close()


@contextmanager
def run_logs(path: Path, run_id: str, level: str, verbose: bool, secrets: Collection[str] = ()) -> Iterator[None]:
    """Write log records to `path` (appended) while the context lasts, and to standard error if `verbose`.

    secrets: values that are masked wherever they occur in a record.
    """
    masked = SecretFilter(secrets)
    handlers: list[logging.Handler] = [_RunLog(path, encoding="utf-8")]
    handlers[0].setFormatter(_formatter(masked, structlog.processors.JSONRenderer()))
    if verbose:
        console = logging.StreamHandler(sys.stderr)
        console.setFormatter(_formatter(masked, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())))
        handlers.append(console)
    logger = logging.getLogger(LOGGER)
    logger.setLevel(level.upper())
    logger.propagate = False
    with ExitStack() as stack:
        for handler in handlers:
            stack.callback(handler.close)
            stack.enter_context(_attached(handler, logger))
        for name in LISTENED_TO:
            if name in logging.Logger.manager.loggerDict and not _passes_on(logging.getLogger(name)):
                stack.enter_context(_attached(handlers[0], logging.getLogger(name)))
        stack.enter_context(_warnings_logged())
        stack.enter_context(structlog.contextvars.bound_contextvars(run_id=run_id))
        yield


@contextmanager
def service_logs(
    level: str, secrets: Collection[str] = (), send: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Write log records of a service to standard error: JSON lines, or readable ones on a terminal.

    send: gets each record too, as a line of JSON.
    """
    masked = SecretFilter(secrets)
    is_terminal = sys.stderr.isatty()
    console = logging.StreamHandler(sys.stderr)
    console.setFormatter(
        _formatter(masked, structlog.dev.ConsoleRenderer() if is_terminal else structlog.processors.JSONRenderer())
    )
    handlers: list[logging.Handler] = [console]
    if send is not None:
        handlers.append(_Sender(send))
        handlers[1].setFormatter(_formatter(masked, structlog.processors.JSONRenderer()))
    logger = logging.getLogger(LOGGER)
    with ExitStack() as stack:
        stack.callback(_restore, logger, logger.handlers, logger.propagate, logger.level)
        logger.handlers, logger.propagate = handlers, False
        logger.setLevel(level.upper())
        stack.enter_context(_warnings_logged())
        yield


class _Sender(logging.Handler):
    """Hands each record on, formatted."""

    def __init__(self, send: Callable[[str], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._send(self.format(record))
        except Exception:  # noqa: BLE001 - as logging's own handlers
            self.handleError(record)


def _passes_on(logger: logging.Logger) -> bool:
    """Return whether its records also reach another captured logger, given Prefect's current configuration."""
    while logger.propagate and logger.parent is not None:
        logger = logger.parent
        if logger.name in LISTENED_TO:
            return True
    return False


@contextmanager
def redirected(*names: str) -> Iterator[None]:
    """Send the records of these loggers to the run's log alone while the context lasts."""
    own = logging.getLogger(LOGGER)
    with ExitStack() as stack:
        for logger in map(logging.getLogger, names):
            before = logger.handlers, logger.propagate, logger.level
            stack.callback(_restore, logger, *before)
            logger.handlers, logger.propagate = list(own.handlers), False
            logger.setLevel(max(own.level, logging.INFO))
        yield


def _restore(logger: logging.Logger, handlers: list[logging.Handler], propagate: bool, level: int) -> None:
    logger.handlers, logger.propagate = handlers, propagate
    logger.setLevel(level)


@contextmanager
def _attached(handler: logging.Handler, logger: logging.Logger) -> Iterator[None]:
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def _warnings_logged() -> Iterator[None]:
    """Log warnings, as `logging.captureWarnings` does; warnings that are errors stay errors."""
    shown = warnings.showwarning
    logging.captureWarnings(capture=True)
    try:
        with redirected(_WARNINGS):
            yield
    finally:
        logging.captureWarnings(capture=False)
        warnings.showwarning = shown


def _formatter(masked: SecretFilter, renderer: structlog.types.Processor) -> structlog.stdlib.ProcessorFormatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=list(_SHARED),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            masked,
            renderer,
        ],
    )


logging.getLogger(LOGGER).addHandler(logging.NullHandler())
