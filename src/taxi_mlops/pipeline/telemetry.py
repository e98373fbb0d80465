"""An observer that turns the events of a run into metrics and spans."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import accumulate

from opentelemetry import trace
from prometheus_client import CollectorRegistry
from structlog.contextvars import get_contextvars

from taxi_mlops.domain import Trial, TrialOutcome, TrialStatus
from taxi_mlops.monitoring.calls import traced_calls
from taxi_mlops.monitoring.log_shipping import sent_log
from taxi_mlops.monitoring.logs import SWEEP_ID, get_logger
from taxi_mlops.monitoring.metrics import MetricsCollector
from taxi_mlops.monitoring.secrets import SecretFilter, secrets_of
from taxi_mlops.monitoring.spans import step_span
from taxi_mlops.monitoring.time_budget import TimeBudget, run_time_budget
from taxi_mlops.monitoring.tracing import links_to_caller, run_trace
from taxi_mlops.pipeline.observer import Observer, Observers
from taxi_mlops.recording.pushgateway import add_comparison
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.results.journal import RunHeader
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.settings import Settings

RUN = "compare"
"""Name of the root span of a run."""


@contextmanager
def monitored_run(
    run_id: str, folder: RunFolder, adapters: Collection[str], settings: Settings, observer: Observer
) -> Iterator[Observer]:
    """Measure and trace a run while the context lasts; yields the observer to report events to.

    Metrics, spans and log are files of the run. `observer` receives all events too, and a warning if a collector that
    the settings name does not accept the spans or the log.
    """
    metrics = MetricsCollector(CollectorRegistry(), adapters, folder.metrics)
    with (
        run_time_budget() as budget,
        _monitored(RUN, run_id, folder, metrics, settings, observer, budget) as monitor,
    ):
        yield monitor


@contextmanager
def monitored_after_run(
    what: str, run_id: str, folder: RunFolder, settings: Settings, observer: Observer
) -> Iterator[Observer]:
    """Like `monitored_run`, for work on a run that has ended: it joins the run's trace and leaves its metrics as is."""
    metrics = MetricsCollector(CollectorRegistry(), ())
    budget = TimeBudget(settings.service_timeout_seconds)
    with _monitored(what, run_id, folder, metrics, settings, observer, budget) as monitor:
        yield monitor


@contextmanager
def _monitored(
    what: str,
    run_id: str,
    folder: RunFolder,
    metrics: MetricsCollector,
    settings: Settings,
    observer: Observer,
    budget: TimeBudget,
) -> Iterator[Observer]:
    """Set up tracing, log shipping and metrics. what: name of the root span."""

    not_sent = warning_of(observer)
    masked = SecretFilter(secrets_of(settings)).text
    spans_to, logs_to = (str(url) if url else None for url in (settings.otlp_endpoint, settings.otlp_logs_endpoint))
    with (
        run_trace(folder.trace, run_id, spans_to, not_sent, budget, settings.ca_file) as tracer,
        sent_log(folder.log, run_id, logs_to, not_sent, budget, settings.ca_file),
        metrics,
        step_span(tracer, what, masked, links_to_caller()) as run,
    ):
        run.set_attributes({"taxi.run_id": run_id, "taxi.deployment": settings.deployment, **_flow_run(), **_sweep()})
        yield Observers(Telemetry(metrics, tracer, masked), observer)


def warning_of(observer: Observer) -> Callable[[str], None]:
    """Return what takes the reason why something was not sent: it is logged, and the observer is warned."""

    def warn(reason: str) -> None:
        get_logger().warning("telemetry_not_sent", reason=reason)
        observer.warning(reason)

    return warn


def _flow_run() -> dict[str, str]:
    """Return the attributes of the current Prefect flow run, if there is one."""
    if "prefect" not in sys.modules:
        return {}
    from prefect.runtime import flow_run

    return {"prefect.flow_run.id": flow_run.id, "prefect.flow_run.name": flow_run.name} if flow_run.id else {}


def _sweep() -> dict[str, str]:
    """Return the attribute of the sweep that the run is a cell of, if it is one."""
    sweep_id = get_contextvars().get(SWEEP_ID)
    return {f"taxi.{SWEEP_ID}": sweep_id} if sweep_id else {}


class Telemetry(Observer):
    """Measures every trial, and makes a span of every step.

    The process of a trial makes no spans: its report says when its phases ended, and their spans are made here, once
    it has ended. So nothing of OpenTelemetry is imported, or runs, while fit is timed.
    masked: hides secrets in error messages.
    """

    def __init__(self, metrics: MetricsCollector, tracer: trace.Tracer, masked: Callable[[str], str] = str) -> None:
        self._metrics = metrics
        self._tracer = tracer
        self._masked = masked
        self._header: RunHeader | None = None
        self._trial_started = 0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        with step_span(self._tracer, name, self._masked), traced_calls(name, self._tracer):
            yield

    def trials_begin(self, header: RunHeader, earlier: Sequence[TrialOutcome]) -> None:
        self._header = header
        trace.get_current_span().set_attributes(_attributes(header))
        self._metrics.data_loaded(header.n_points, header.provenance)
        for outcome in earlier:
            self._metrics.trial_ended(outcome, header.of(outcome.trial.workload).n_points)

    def trial_started(self, trial: Trial, number: int, total: int) -> None:  # noqa: ARG002 - the time alone
        self._trial_started = time.time_ns()

    def trial_finished(self, outcome: TrialOutcome) -> None:
        trial = outcome.trial
        workload = self._header.of(trial.workload) if self._header else None
        self._metrics.trial_ended(outcome, workload.n_points if workload else 0)
        span = trace.get_current_span()
        span.set_attributes(
            {
                "taxi.adapter": trial.adapter,
                "taxi.trial.kind": trial.kind.value,
                "taxi.trial.block": trial.block,
                "taxi.trial.outcome": outcome.status.value,
                **(_attributes(workload) if workload else {}),
            }
        )
        if outcome.status not in (TrialStatus.OK, TrialStatus.SKIPPED):
            span.set_status(trace.StatusCode.ERROR, self._masked(f"{outcome.status}: {outcome.cause}"))
        self._trace_phases(outcome)

    def _trace_phases(self, outcome: TrialOutcome) -> None:
        """Make spans of the phases that the trial's process reported the seconds of."""
        reported = {
            "trial.cold_start": outcome.cold_start_seconds,
            "trial.prepare": outcome.prepare_seconds,
            "trial.fit": outcome.fit_seconds,
        }
        phases = {name: seconds for name, seconds in reported.items() if seconds is not None}
        ends = accumulate((int(seconds * 1e9) for seconds in phases.values()), initial=self._trial_started)
        times = list(ends)
        for name, start, end in zip(phases, times, times[1:], strict=False):
            phase = self._tracer.start_span(name, start_time=start)
            phase.set_attribute("taxi.adapter", outcome.trial.adapter)
            phase.end(end)

    def compared(self, comparison: Comparison) -> None:
        add_comparison(self._metrics, comparison, ended=datetime.now(UTC))

    def recorded(self, recorder: str, failure: str | None) -> None:
        self._metrics.run_recorded(recorder, failed=failure is not None)
        if failure is not None:
            trace.get_current_span().set_status(trace.StatusCode.ERROR, self._masked(failure))


def _attributes(workload: RunHeader) -> dict[str, str | int | float]:
    parameters = workload.specification.parameters
    return {
        "taxi.points": workload.n_points,
        "taxi.fingerprint": workload.fingerprint,
        "taxi.eps_metres": parameters.eps_metres,
        "taxi.min_samples": parameters.min_samples,
    }
