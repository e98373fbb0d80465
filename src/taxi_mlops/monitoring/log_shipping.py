"""Send log records by OTLP, to Loki's own endpoint or to a collector: of a run once it has ended, or one alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from taxi_mlops.monitoring.logs import logs_are_wanted
from taxi_mlops.monitoring.time_budget import TimeBudget
from taxi_mlops.monitoring.tracing import send

_SHARE = 0.5
"""Of the run's time budget; the rest is for the spans."""


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


def send_event(
    event: str, fields: Mapping[str, Any], endpoint: str | None, timeout_seconds: float, ca_file: Path | None = None
) -> str | None:
    """Send one event that belongs to no run, if it is wanted anywhere; return the reason of a failure, or None.

    fields: its values, in which secrets are masked already.
    """
    if not logs_are_wanted(endpoint):
        return None
    from taxi_mlops.monitoring.log_records import send_events

    line = {"timestamp": datetime.now(UTC).isoformat(), "level": "info", "event": event, **fields}
    budget = TimeBudget(timeout_seconds)
    return send(lambda: send_events([line], None, endpoint, budget.left, ca_file), budget)
