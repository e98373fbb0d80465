"""Send the log of a run by OTLP once the run has ended: to Loki's own endpoint, or to a collector."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from opentelemetry.sdk.environment_variables import OTEL_EXPORTER_OTLP_LOGS_ENDPOINT

from taxi_mlops.monitoring.time_budget import TimeBudget
from taxi_mlops.monitoring.tracing import send

_SHARE = 0.5
"""Of the run's time budget; the rest is for the spans."""


def logs_are_wanted(endpoint: str | None) -> bool:
    """Return whether settings or environment name an endpoint for log records."""
    return bool(endpoint or os.environ.get(OTEL_EXPORTER_OTLP_LOGS_ENDPOINT))


@contextmanager
def sent_log(
    path: Path,
    run_id: str,
    endpoint: str | None,
    on_failure: Callable[[str], None],
    budget: TimeBudget,
    ca_file: Path | None = None,
) -> Iterator[None]:
    """Send, on leaving, what was logged meanwhile; `on_failure` gets the reason of a failure, once. See `run_trace`."""
    offset = path.stat().st_size if path.exists() else 0
    try:
        yield
    finally:
        if logs_are_wanted(endpoint):
            from taxi_mlops.monitoring.log_records import send_log

            reason = send(lambda: send_log(path, offset, run_id, endpoint, budget.left, ca_file), budget, _SHARE)
            if reason is not None:
                on_failure(f"the run's log was not sent, but is in {path}: {reason}")
