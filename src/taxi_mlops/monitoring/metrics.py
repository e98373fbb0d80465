"""Metrics of a run in a Prometheus registry, and as a text file of the run."""

from __future__ import annotations

import platform
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, write_to_textfile

from taxi_mlops import __version__
from taxi_mlops.domain import Provenance, TrialKind, TrialOutcome, TrialStatus
from taxi_mlops.monitoring import catalogue
from taxi_mlops.monitoring.metric import Metric

M = TypeVar("M", Gauge, Counter, Histogram)

OTHER = "other"
"""Label of an adapter that is not in the registry: the number of labels must stay small, whatever a user types."""


class MetricsCollector:
    """Counts and measures runs in `registry`, which may have one collector.

    Use it as a context manager around one run: on leaving, with or without an error, it writes the whole registry to
    `path`, if given, in Prometheus' text format.
    adapters: the names that may become labels.
    """

    def __init__(self, registry: CollectorRegistry, adapters: Collection[str], path: Path | None = None) -> None:
        self._registry = registry
        self._adapters = frozenset(adapters)
        self._path = path
        self._metrics: dict[Metric, Gauge | Counter | Histogram] = {}
        self._gauge(catalogue.BUILD, __version__, platform.python_version()).set(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        if self._path is not None:
            write_to_textfile(str(self._path), self._registry)

    def data_loaded(self, n_points: int, provenance: Provenance) -> None:
        """Count the rows of a run whose points are loaded."""
        self._counter(catalogue.CACHE, "hit" if provenance.from_cache else "miss").inc()
        self._gauge(catalogue.POINTS).set(n_points)
        self._counter(catalogue.ROWS_READ).inc(provenance.rows_read)
        for rule, count in provenance.dropped.items():
            self._counter(catalogue.ROWS_DROPPED, rule).inc(count)

    def trial_ended(self, outcome: TrialOutcome, n_points: int) -> None:
        """Count a trial that has ended, on so many points."""
        adapter = self._label(outcome.trial.adapter)
        self._counter(catalogue.TRIALS, adapter, outcome.trial.kind.value, outcome.status.value).inc()
        if outcome.status is not TrialStatus.OK:
            return
        if outcome.trial.kind is TrialKind.MEMORY and outcome.peak_memory_bytes is not None:
            self._gauge(catalogue.PEAK_MEMORY, adapter).set(outcome.peak_memory_bytes)
        if outcome.fit_seconds:
            buckets = catalogue.FIT_SECONDS.buckets
            self._of(Histogram, catalogue.FIT_SECONDS, (adapter,), buckets=buckets).observe(outcome.fit_seconds)
            self._gauge(catalogue.THROUGHPUT, adapter).set(n_points / outcome.fit_seconds)

    def adapter_compared(self, name: str, values: Mapping[Metric, float | None]) -> None:
        """Set the gauges of one adapter after a comparison; None is left out."""
        for metric, value in values.items():
            if value is not None:
                self._gauge(metric, self._label(name)).set(value)

    def verdict_given(self, adapter: str, verdict: str, *, exact: bool) -> None:
        """Count the verdict on a clustering."""
        self._counter(catalogue.VERDICTS, self._label(adapter), str(exact).lower(), verdict).inc()

    def run_ended(
        self,
        run_id: str,
        trace_id: str,
        loaded: datetime,
        ended: datetime,
        seconds: float,
        *,
        ranked: bool,
        mlflow_page: str = "",
    ) -> None:
        """Count a comparison that has ended; `ranked`: whether it ranked any adapter. seconds: of all its trials."""
        self._gauge(catalogue.DATA_LOADED).set(loaded.timestamp())
        self._counter(catalogue.RUNS, "completed" if ranked else "failed").inc()
        self._gauge(catalogue.RUN_SECONDS).set(seconds)
        self._gauge(catalogue.RUN_ENDED).set(ended.timestamp())
        self._gauge(catalogue.LAST_RUN, run_id, trace_id, mlflow_page).set(1)

    def run_recorded(self, recorder: str, *, failed: bool) -> None:
        """Count whether a recorder failed. From the first call on its counter is exported."""
        self._counter(catalogue.RECORDER_FAILURES, recorder).inc(int(failed))

    def _label(self, adapter: str) -> str:
        """Return the adapter's name if it is known, else `other`."""
        return adapter if adapter in self._adapters else OTHER

    def _gauge(self, metric: Metric, *labels: str) -> Gauge:
        return self._of(Gauge, metric, labels)

    def _counter(self, metric: Metric, *labels: str) -> Counter:
        return self._of(Counter, metric, labels)

    def _of(self, kind: type[M], metric: Metric, labels: tuple[str, ...], **options: Any) -> M:  # noqa: ANN401
        """Return the metric with these values of its labels, creating it when it is first needed."""
        found = self._metrics.get(metric)
        if found is None:
            found = self._metrics[metric] = kind(
                metric.name, metric.help, metric.labels, registry=self._registry, **options
            )
        return cast("M", found.labels(*labels) if labels else found)
