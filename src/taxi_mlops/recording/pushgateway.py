"""Push the metrics of runs to a Prometheus Pushgateway: the totals of this host, as one group."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from taxi_mlops.adapters.registry import declared_names
from taxi_mlops.errors import ServiceError
from taxi_mlops.monitoring import catalogue
from taxi_mlops.monitoring.metrics import MetricsCollector
from taxi_mlops.monitoring.spans import client_span
from taxi_mlops.monitoring.time_budget import DeadlineExceededError, time_budget_or
from taxi_mlops.monitoring.totals import TotalsCollector, count
from taxi_mlops.monitoring.tracing import trace_id_of
from taxi_mlops.recording.base import RecordedRun
from taxi_mlops.recording.recordings import Recordings, RecordingState
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.service_urls import ServiceUrl

if TYPE_CHECKING:
    import urllib3

PUSHGATEWAY = "pushgateway"
JOB = "taxi-mlops"
KEEP_SECONDS = 30 * 86_400.0
"""A group without a push for so long is removed: its host or deployment is gone."""

_ATTEMPTS = 2
_PAUSE_SECONDS = 0.1
_SHARE = 0.5
"""Of the run's time budget; the rest is for spans and log records."""


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
        self._url = url
        self._totals_file = totals_folder / f"{deployment}@{host}.json"
        self._group = {"job": JOB, "deployment": deployment, "host": host}
        self._timeout_seconds = timeout_seconds
        self._ca_file = ca_file

    def record(self, run: RecordedRun) -> None:
        registry = CollectorRegistry()
        registry.register(TotalsCollector(count(self._totals_file, run.run_id, run.content, metrics_of(run))))
        text = generate_latest(registry)
        budget = time_budget_or(self._timeout_seconds)
        with client_span("PUT pushgateway", {"http.request.method": "PUT", "url.full": self.target}):
            try:
                budget.call(lambda: self._push(text, budget.left * _SHARE), _SHARE)
            except DeadlineExceededError as error:
                raise ServiceError(f"{self.target}: {error}") from None

    def _push(self, text: bytes, seconds: float) -> None:
        """Push the group and remove old ones; retry on failure."""
        import urllib3

        deadline = time.monotonic() + seconds
        user_info = urlsplit(self._base).netloc.rpartition("@")[0]
        headers = urllib3.make_headers(basic_auth=unquote(user_info)) if user_info else {}
        ca_file = str(self._ca_file) if self._ca_file else None
        for attempt in range(1, _ATTEMPTS + 1):
            left = max(deadline - time.monotonic(), 0.01) / (_ATTEMPTS + 1 - attempt)
            try:
                with urllib3.PoolManager(headers=headers, timeout=left, retries=False, ca_certs=ca_file) as pool:
                    pushed = {**headers, "Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
                    _ask(pool, "PUT", self._group_url(self._group), body=text, headers=pushed)
                    self._remove_old(pool)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if attempt == _ATTEMPTS:
                    said = " ".join(str(error).split()) or type(error).__name__
                    raise ServiceError(f"{self.target}: {self._url.scrub(said)}") from None
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def _remove_old(self, pool: urllib3.PoolManager) -> None:
        for group in _ask(pool, "GET", f"{self._base}/api/v1/metrics").json()["data"]:
            if group["labels"].get("job") == JOB and time.time() - _pushed_at(group) > KEEP_SECONDS:
                _ask(pool, "DELETE", self._group_url(group["labels"]))

    @property
    def _base(self) -> str:
        return self._url.reveal().rstrip("/")

    def _group_url(self, labels: Mapping[str, str]) -> str:
        # `job` comes first in the URL of a group.
        ordered = {"job": labels["job"], **labels}
        return f"{self._base}/metrics/" + "/".join(f"{name}/{quote(value, safe='')}" for name, value in ordered.items())


def _ask(pool: urllib3.PoolManager, method: str, url: str, **content: Any) -> urllib3.BaseHTTPResponse:  # noqa: ANN401
    """Send a request. Raises HTTPError if it is refused."""
    from urllib3.exceptions import HTTPError

    answer = pool.request(method, url, **content)
    if answer.status >= 400:
        raise HTTPError(f"answers {answer.status} to {method}")
    return answer


def _pushed_at(group: Mapping[str, Any]) -> float:
    return float(group["push_time_seconds"]["metrics"][0]["value"])


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
