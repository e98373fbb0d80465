"""Structured logs: JSON lines with the identifiers of run, trace and span in a file of the run.

On the terminal, readable lines when asked for. What Prefect, MLflow and warnings say goes the same way.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import structlog
from opentelemetry import trace

from taxi_mlops.monitoring.secrets import SecretFilter

LOGGER = "taxi_mlops"
LISTENED_TO = ("prefect", "prefect.flow_runs", "prefect.task_runs")
"""Loggers of others that a run listens to; they keep their own handlers."""

SWEEP_ID = "sweep_id"
"""Of structlog's context: the sweep that a run is a cell of. Its log lines bear it, and its spans."""

_WARNINGS = "py.warnings"


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


class _RunLog(logging.FileHandler):
    """A file that nothing but itself suffers from where it cannot be written, on a full disk."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Leave the record out. Else logging would print a traceback for each."""

    def close(self) -> None:
        with suppress(OSError):
            super().close()


@contextmanager
def run_logs(path: Path, run_id: str, level: str, verbose: bool, secrets: Collection[str] = ()) -> Iterator[None]:
    """Send log records to `path` (appended) while the context lasts, and to standard error when `verbose`.

    secrets: values that are masked wherever they turn up in a record.
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


def _passes_on(logger: logging.Logger) -> bool:
    """Whether what it is told reaches another one that is listened to, by Prefect's configuration of the moment."""
    while logger.propagate and logger.parent is not None:
        logger = logger.parent
        if logger.name in LISTENED_TO:
            return True
    return False


@contextmanager
def redirected(*names: str) -> Iterator[None]:
    """Send what libraries log under these names to the run's log, and nowhere else, while the context lasts."""
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
    """Log warnings, as `logging.captureWarnings` does; those that were made errors stay errors."""
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
