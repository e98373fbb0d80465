"""The spans, metrics and log events that the steps of a comparison cause."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import CollectorRegistry

from taxi_mlops.domain import Provenance, Trial, TrialKind, TrialOutcome, TrialStatus
from taxi_mlops.monitoring.metrics import MetricsCollector
from taxi_mlops.monitoring.secrets import SecretFilter
from taxi_mlops.pipeline.observer import Observer, Observers
from taxi_mlops.pipeline.telemetry import Telemetry
from taxi_mlops.results.journal import RunHeader
from taxi_mlops.specification import Specification
from taxi_mlops.trials.machine import describe_machine

TIMING = Trial("fast", TrialKind.TIMING, 1)


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def telemetry(spans: InMemorySpanExporter, registry: CollectorRegistry) -> Iterator[Telemetry]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    yield Telemetry(MetricsCollector(registry, ("fast",)), provider.get_tracer("tests"))
    provider.shutdown()


@pytest.fixture
def header() -> RunHeader:
    return RunHeader(
        run_id="run-1",
        created_at=datetime.now(UTC),
        specification=Specification.model_validate({"parameters": {"eps_metres": 60.0, "min_samples": 5}}),
        fingerprint="abc",
        threads=1,
        n_points=300,
        weighted=False,
        provenance=Provenance("file.csv", "columns", "1", 302, 300, {"missing": 2}),
        machine=describe_machine(),
    )


def run_trial(telemetry: Observer, outcome: TrialOutcome) -> None:
    with telemetry.step("trial"):
        telemetry.trial_started(outcome.trial, 1, 1)
        telemetry.trial_finished(outcome)


def test_a_trial_has_a_span_and_its_phases_have_theirs_inside(telemetry, spans, header) -> None:
    telemetry.trials_begin(header, ())
    outcome = TrialOutcome(
        TIMING, TrialStatus.OK, cold_start_seconds=1.5, prepare_seconds=0.25, fit_seconds=2.0, total_seconds=4.0
    )
    run_trial(telemetry, outcome)
    cold_start, prepare, fit, trial = spans.get_finished_spans()
    assert [span.name for span in (cold_start, prepare, fit, trial)] == [
        "trial.cold_start",
        "trial.prepare",
        "trial.fit",
        "trial",
    ]
    assert {span.parent.span_id for span in (cold_start, prepare, fit)} == {trial.context.span_id}
    assert [span.end_time - span.start_time for span in (cold_start, prepare, fit)] == [
        1_500_000_000,
        250_000_000,
        2_000_000_000,
    ]
    assert (cold_start.end_time, prepare.end_time) == (prepare.start_time, fit.start_time)
    assert cold_start.start_time >= trial.start_time
    assert dict(trial.attributes) == {
        "taxi.adapter": "fast",
        "taxi.trial.kind": "timing",
        "taxi.trial.block": 1,
        "taxi.trial.outcome": "ok",
        "taxi.points": 300,
        "taxi.fingerprint": "abc",
        "taxi.eps_metres": 60.0,
        "taxi.min_samples": 5,
    }
    assert trial.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *((status, StatusCode.ERROR) for status in TrialStatus if status not in ("ok", "skipped")),
        (TrialStatus.SKIPPED, StatusCode.UNSET),
    ],
)
def test_a_failed_trial_is_an_error_with_its_cause(telemetry, spans, status, code) -> None:
    run_trial(telemetry, TrialOutcome(TIMING, status, cause="for a reason", cold_start_seconds=0.5))
    phase, trial = spans.get_finished_spans()
    assert phase.name == "trial.cold_start"
    assert trial.attributes["taxi.trial.outcome"] == status.value
    assert trial.status.status_code is code
    assert trial.status.description == (f"{status}: for a reason" if code is StatusCode.ERROR else None)


def test_a_step_that_raises_is_an_error(telemetry, spans) -> None:
    with pytest.raises(ArithmeticError), telemetry.step("load"):
        raise ArithmeticError("one too many")
    [load] = spans.get_finished_spans()
    assert load.status.status_code is StatusCode.ERROR
    assert load.events[0].attributes["exception.message"] == "one too many"


def test_what_is_secret_is_masked_in_what_errors_say(spans) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    masked = SecretFilter({"hunter2hunter2"}).text
    telemetry = Telemetry(MetricsCollector(CollectorRegistry(), ()), provider.get_tracer("tests"), masked)
    with pytest.raises(ValueError, match="hunter2"), telemetry.step("load"):
        raise ValueError("the key hunter2hunter2 is not known at http://lab:word@host/x")
    run_trial(telemetry, TrialOutcome(TIMING, TrialStatus.ERROR, cause="said hunter2hunter2"))
    with telemetry.step("record.store"):
        telemetry.recorded("store", "no user with hunter2hunter2")
    provider.shutdown()
    load, trial, record = spans.get_finished_spans()
    assert load.status.description == "ValueError: the key *** is not known at http://lab:***@host/x"
    assert load.events[0].attributes["exception.type"] == "ValueError"
    assert (trial.status.description, record.status.description) == ("error: said ***", "no user with ***")
    assert not [
        span.name for span in (load, trial, record) if "hunter2" in span.to_json() or ":word@" in span.to_json()
    ]


def test_a_recorder_that_fails_is_an_error_and_counted(telemetry, spans, registry) -> None:
    for name, failure in (("store", None), ("mlflow", "cannot be reached")):
        with telemetry.step(f"record.{name}"):
            telemetry.recorded(name, failure)
    store, mlflow = spans.get_finished_spans()
    assert (store.status.status_code, mlflow.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)
    assert mlflow.status.description == "cannot be reached"
    assert registry.get_sample_value("taxi_recorder_failures_total", {"recorder": "mlflow"}) == 1


def test_metrics_cover_the_trials_of_an_earlier_process(telemetry, registry, header) -> None:
    earlier = TrialOutcome(TIMING, TrialStatus.OK, fit_seconds=0.5)
    telemetry.trials_begin(header, (earlier,))
    run_trial(telemetry, TrialOutcome(Trial("fast", TrialKind.TIMING, 2), TrialStatus.OK, fit_seconds=0.25))
    labels = {"adapter": "fast", "kind": "timing", "status": "ok"}
    assert registry.get_sample_value("taxi_trials_total", labels) == 2
    assert registry.get_sample_value("taxi_trial_points_per_second", {"adapter": "fast"}) == 1200
    assert registry.get_sample_value("taxi_rows_dropped_total", {"rule": "missing"}) == 2


def test_several_observers_hear_everything_in_order(header) -> None:
    heard: list[tuple[str, str]] = []

    class Listener(Observer):
        def __init__(self, name: str) -> None:
            for event in vars(Observer):
                if not event.startswith("_") and event != "step":
                    setattr(self, event, lambda *_, event=event: heard.append((name, event)))

    outcome = TrialOutcome(TIMING, TrialStatus.OK)
    calls = {
        "loading": ("file", 1, None),
        "stage": ("Loading",),
        "trials_begin": (header, ()),
        "trial_started": (TIMING, 1, 1),
        "trial_finished": (outcome,),
        "compared": (None,),
        "recorded": ("store", None),
        "warning": ("look",),
    }
    assert {*calls, "step"} == {event for event in vars(Observer) if not event.startswith("_")}
    both = Observers(Listener("first"), Listener("second"))
    for event, arguments in calls.items():
        getattr(both, event)(*arguments)
    assert heard == [(name, event) for event in calls for name in ("first", "second")]
