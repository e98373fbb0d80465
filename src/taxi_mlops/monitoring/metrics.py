"""Metrics of a run, in a Prometheus registry that the caller brings, and as a text file of the run."""

from __future__ import annotations

import platform
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, write_to_textfile

from taxi_mlops import __version__
from taxi_mlops.domain import TrialKind, TrialOutcome, TrialStatus

FIT_BUCKETS_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
OTHER = "other"
"""The label of an adapter that is not in the registry: labels must stay few, whatever a user types."""


class MetricsCollector:
    """Counts and measures runs in `registry`, which may hold one collector.

    As a context manager it lasts as long as one run: on leaving, however that comes about, the run's duration is set
    and the whole registry is written to `path` in Prometheus' text format, where a path is given.
    adapters: the names that may become labels.
    """

    def __init__(self, registry: CollectorRegistry, adapters: Collection[str], path: Path | None = None) -> None:
        self._registry = registry
        self._adapters = frozenset(adapters)
        self._path = path
        self._started = 0.0
        build = Info("taxi_build", "The version that runs.", registry=registry)
        build.info({"version": __version__, "python": platform.python_version()})
        self._trials = Counter(
            "taxi_trials", "Trials that have ended.", ("adapter", "kind", "status"), registry=registry
        )
        self._fit = Histogram(
            "taxi_trial_fit_seconds",
            "Wall-clock seconds of fit, from timed trials that ended well.",
            ("adapter",),
            buckets=FIT_BUCKETS_SECONDS,
            registry=registry,
        )
        self._peak_memory = Gauge(
            "taxi_trial_peak_memory_bytes",
            "Peak memory of the process tree in the last memory trial that ended well.",
            ("adapter",),
            registry=registry,
        )
        self._throughput = Gauge(
            "taxi_trial_points_per_second",
            "Points clustered in a second of fit, in the last timed trial that ended well.",
            ("adapter",),
            registry=registry,
        )
        self._points = Gauge("taxi_points", "Points that the trials cluster.", registry=registry)
        self._rows_read = Counter("taxi_rows_read", "Rows of trips that were read.", registry=registry)
        self._rows_dropped = Counter("taxi_rows_dropped", "Rows that cleaning dropped.", ("rule",), registry=registry)
        self._recorder_failures = Counter(
            "taxi_recorder_failures", "Runs that a recorder did not take in.", ("recorder",), registry=registry
        )
        self._duration = Gauge("taxi_run_duration_seconds", "Wall-clock seconds of the last run.", registry=registry)

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self._duration.set(time.perf_counter() - self._started)
        if self._path is not None:
            write_to_textfile(str(self._path), self._registry)

    def data_loaded(self, n_points: int, rows_read: int, dropped: Mapping[str, int]) -> None:
        """The points of a run are there. dropped: rows by the name of the rule that dropped them."""
        self._points.set(n_points)
        self._rows_read.inc(rows_read)
        for rule, count in dropped.items():
            self._rows_dropped.labels(rule).inc(count)

    def trial_ended(self, outcome: TrialOutcome, n_points: int) -> None:
        """A trial has ended, on so many points."""
        name = outcome.trial.adapter
        adapter = name if name in self._adapters else OTHER
        self._trials.labels(adapter, outcome.trial.kind.value, outcome.status.value).inc()
        if outcome.status is not TrialStatus.OK:
            return
        if outcome.trial.kind is TrialKind.MEMORY and outcome.peak_memory_bytes is not None:
            self._peak_memory.labels(adapter).set(outcome.peak_memory_bytes)
        if outcome.fit_seconds:
            self._fit.labels(adapter).observe(outcome.fit_seconds)
            self._throughput.labels(adapter).set(n_points / outcome.fit_seconds)

    def run_recorded(self, recorder: str, *, failed: bool) -> None:
        """A recorder has taken the run in, or not; either way its counter is there from now on."""
        self._recorder_failures.labels(recorder).inc(int(failed))
