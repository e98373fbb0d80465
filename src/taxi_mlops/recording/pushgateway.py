"""Push the metrics of runs to a Prometheus Pushgateway: the totals of this host, as one group."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from taxi_mlops.adapters.registry import declared_names
from taxi_mlops.monitoring import catalogue
from taxi_mlops.monitoring.metrics import MetricsCollector
from taxi_mlops.monitoring.time_budget import time_budget_or
from taxi_mlops.monitoring.totals import TotalsCollector, count
from taxi_mlops.monitoring.tracing import trace_id_of
from taxi_mlops.recording.base import RecordedRun
from taxi_mlops.recording.gateway import JOB, Pushgateway
from taxi_mlops.recording.recordings import Recordings, RecordingState
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.service_urls import ServiceUrl

PUSHGATEWAY = "pushgateway"


class PushgatewayRecorder:
    """Adds runs to totals on disk, and pushes these to the group of this deployment and host.

    totals_folder: where they are kept. timeout_seconds: of all requests to the gateway, outside a run.
    """

    name = PUSHGATEWAY

    def __init__(
        self,
        url: ServiceUrl,
        totals_folder: Path,
        deployment: str,
        host: str,
        timeout_seconds: float,
        ca_file: Path | None,
    ) -> None:
        self.target = str(url)
        self._gateway = Pushgateway(url, ca_file)
        self._totals_file = totals_folder / f"{deployment}@{host}.json"
        self._group = {"job": JOB, "deployment": deployment, "host": host}
        self._timeout_seconds = timeout_seconds

    def record(self, run: RecordedRun) -> None:
        registry = CollectorRegistry()
        registry.register(TotalsCollector(count(self._totals_file, run.run_id, run.content, metrics_of(run))))
        text = generate_latest(registry)
        self._gateway.push(self._group, text, time_budget_or(self._timeout_seconds))


def metrics_of(run: RecordedRun) -> CollectorRegistry:
    """Return the metrics of one run alone, from the files of its folder."""
    registry = CollectorRegistry()
    metrics = MetricsCollector(registry, declared_names())
    metrics.data_loaded(run.header.n_points, run.header.provenance)
    for record in run.trials:
        metrics.trial_ended(record.outcome, run.header.of(record.outcome.trial.workload).n_points)
    recordings = Recordings.read(run.folder).recordings
    for noted in recordings:
        if noted.recorder != PUSHGATEWAY:
            metrics.run_recorded(noted.recorder, failed=noted.state is RecordingState.FAILED)
    ended = max((record.finished_at for record in run.trials), default=run.header.created_at)
    page = next((noted.page for noted in recordings if noted.page is not None), "")
    add_comparison(metrics, run.comparison, ended, page.removeprefix("#/"))
    return registry


def add_comparison(metrics: MetricsCollector, comparison: Comparison, ended: datetime, mlflow_page: str = "") -> None:
    """Add ranking, speed-ups and verdicts of a comparison to the metrics.

    ended: of the last trial. mlflow_page: path of its page at MLflow, as `experiments/1/runs/…`.
    """
    ranks = {entry.name: entry.rank for entry in comparison.ranking}
    for result in comparison.adapters:
        metrics.adapter_compared(
            result.name,
            {
                catalogue.RANK: ranks.get(result.name),
                catalogue.MEDIAN_FIT: result.fit_seconds_median,
                catalogue.SPEEDUP: result.speedup.estimate if result.speedup else None,
                catalogue.CLUSTERS: result.n_clusters,
                catalogue.NOISE: result.noise_ratio,
            },
        )
        if result.equivalence is not None:
            metrics.verdict_given(result.name, result.equivalence.verdict.value, exact=bool(result.exact))
    metrics.run_ended(
        comparison.run_id,
        trace_id_of(comparison.run_id),
        loaded=comparison.created_at,
        ended=ended,
        seconds=comparison.trials_seconds,
        ranked=any(entry.rank is not None for entry in comparison.ranking),
        mlflow_page=mlflow_page,
    )
