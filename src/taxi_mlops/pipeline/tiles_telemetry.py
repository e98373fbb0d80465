"""Metrics and spans of a clustering in tiles: files of its folder, sent where the settings name services."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from prometheus_client import CollectorRegistry, Gauge, generate_latest, write_to_textfile

from taxi_mlops.errors import ServiceError
from taxi_mlops.monitoring import catalogue
from taxi_mlops.monitoring.metric import Metric
from taxi_mlops.monitoring.secrets import SecretFilter, secrets_of
from taxi_mlops.monitoring.spans import step_span
from taxi_mlops.monitoring.time_budget import TimeBudget
from taxi_mlops.monitoring.tracing import links_to_caller, run_trace
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.telemetry import warning_of
from taxi_mlops.recording.gateway import JOB_OF_TILES, Pushgateway
from taxi_mlops.results.cluster_result import ClusterFolder
from taxi_mlops.results.tile_run import TileRun
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.settings import Settings

RUN = "cluster"
"""Name of the root span."""


class TileTelemetry:
    """Measures each stage, and makes a span of it. masked: hides secrets in error messages."""

    def __init__(self, tracer: trace.Tracer, masked: Callable[[str], str]) -> None:
        self.registry = CollectorRegistry()
        self._tracer = tracer
        self._masked = masked
        self._seconds = self._gauge(catalogue.TILES_STAGE_SECONDS)

    @contextmanager
    def step(self, stage: str) -> Iterator[None]:
        """Enter a stage."""
        started = time.perf_counter()
        with step_span(self._tracer, f"cluster.{stage}", self._masked):
            yield
        self._seconds.labels(stage).set(round(time.perf_counter() - started, 4))

    def clustered(self, values: Mapping[Metric, float]) -> None:
        """Take the values of the result."""
        for metric, value in values.items():
            self._gauge(metric).set(value)
        self._gauge(catalogue.TILES_ENDED).set_to_current_time()
        trace.get_current_span().set_attributes({metric.name.replace("_", ".", 1): values[metric] for metric in values})

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.help, metric.labels, registry=self.registry)


@contextmanager
def monitored_tiles(
    run: TileRun, folder: ClusterFolder, settings: Settings, observer: Observer
) -> Iterator[TileTelemetry]:
    """Measure and trace a clustering in tiles while the context lasts; a resumed one joins its trace.

    What a service does not accept is a warning, and stays in the files.
    """

    not_sent = warning_of(observer)
    masked = SecretFilter(secrets_of(settings)).text
    budget = TimeBudget(settings.service_timeout_seconds)
    run_id = f"{folder.path.name}-{run.created_at.isoformat()}"
    spans_to = str(settings.otlp_endpoint) if settings.otlp_endpoint else None
    with (
        run_trace(folder.trace, run_id, spans_to, not_sent, budget, settings.ca_file) as tracer,
        step_span(tracer, RUN, masked, links_to_caller()) as span,
    ):
        span.set_attributes({"taxi.run_id": run_id, "taxi.deployment": settings.deployment})
        telemetry = TileTelemetry(tracer, masked)
        yield telemetry
        write_to_textfile(str(folder.metrics), telemetry.registry)
        _push(telemetry, settings, budget, not_sent)


def _push(telemetry: TileTelemetry, settings: Settings, budget: TimeBudget, not_sent: Callable[[str], None]) -> None:
    """Send the metrics of a complete clustering to the Pushgateway of the settings, if there is one."""
    if settings.pushgateway_url is None:
        return
    group = {"job": JOB_OF_TILES, "deployment": settings.deployment, "host": socket.gethostname()}
    gateway = Pushgateway(ServiceUrl(str(settings.pushgateway_url)), settings.ca_file)
    try:
        gateway.push(group, generate_latest(telemetry.registry), budget)
    except ServiceError as error:
        not_sent(f"the metrics were not sent: {error}")
