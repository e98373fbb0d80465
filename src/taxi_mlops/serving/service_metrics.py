"""Metrics of the service in a Prometheus registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from taxi_mlops.models.ab_test import Stored
from taxi_mlops.monitoring import catalogue
from taxi_mlops.monitoring.metric import Metric
from taxi_mlops.serving.served_model import ServedModel

M = TypeVar("M", Counter, Gauge)
ARMS = ("champion", "challenger")
RAILS = ("errors", "latency", "noise")


class ServiceMetrics:
    """Counts requests, points, and the models that were swapped in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        ProcessCollector(registry=registry)
        self._requests = _made(Counter, catalogue.SERVED_REQUESTS, registry)
        self._seconds = _histogram(catalogue.SERVED_SECONDS, registry)
        self._points = _made(Counter, catalogue.SERVED_POINTS, registry)
        self._inside, self._outside = self._points.labels("inside"), self._points.labels("outside")
        self._model = _made(Gauge, catalogue.SERVED_MODEL, registry)
        self._swaps = _made(Counter, catalogue.SERVED_LOADS, registry)
        self._created = _made(Gauge, catalogue.SERVED_CREATED, registry)
        self._area_points = _made(Counter, catalogue.SERVED_AREA_POINTS, registry)
        self._area_trained = _made(Gauge, catalogue.TRAINED_AREA_SHARE, registry)
        self._areas: tuple[str | None, list[Counter]] = (None, [])
        self.ab_share = _made(Gauge, catalogue.AB_SHARE, registry)
        self.ab_challenger_errors = _made(Counter, catalogue.AB_CHALLENGER_ERRORS, registry)
        self.ab_outcomes = _made(Counter, catalogue.AB_OUTCOMES, registry)
        self.ab_outcomes_unmatched = _made(Counter, catalogue.AB_OUTCOMES_UNMATCHED, registry)
        self.ab_answers_dropped = _made(Counter, catalogue.AB_ANSWERS_DROPPED, registry)
        self.ab_store_failures = _made(Counter, catalogue.AB_STORE_FAILURES, registry)
        self.ab_guard_rails = _made(Counter, catalogue.AB_GUARD_RAILS, registry)
        for rail in RAILS:  # from 0 on, or the first would be no increase
            self.ab_guard_rails.labels(rail)
        self.ab_shadow_points = _made(Counter, catalogue.AB_SHADOW_POINTS, registry)
        self.ab_shadow_left_out = _made(Counter, catalogue.AB_SHADOW_LEFT_OUT, registry)
        seconds = _histogram(catalogue.AB_ANSWER_SECONDS, registry)
        self._ab_seconds = tuple(seconds.labels(arm) for arm in ARMS)

    def request(self, route: str, method: str, code: int, seconds: float) -> None:
        """Count a request that was answered."""
        counter, histogram = self._of_route(route, method, code)
        counter.inc()
        histogram.observe(seconds)

    def _of_route(self, route: str, method: str, code: int) -> tuple[Counter, Histogram]:
        key = (route, method, code)
        if key not in self._series:  # finding a series by its labels costs more than counting
            self._series[key] = self._requests.labels(route, method, str(code)), self._seconds.labels(route)
        return self._series[key]

    def located(self, inside: int, outside: int) -> None:
        """Count points by whether they are in a hotspot."""
        self._inside.inc(inside)
        self._outside.inc(outside)

    def located_in(self, version: str, counts: Sequence[int]) -> None:
        """Count the points that a version located, by its areas; of the version that answers now alone."""
        current, counters = self._areas
        if version == current:
            for counter, count in zip(counters, counts, strict=True):
                if count:
                    counter.inc(count)

    def located_at(self, version: str, area: int) -> None:
        """Count one point as `located_in` does. area: its number."""
        current, counters = self._areas
        if version == current:
            counters[area].inc()

    def model_loaded(self, model: ServedModel) -> None:
        """Note which version answers from now on."""
        self._model.clear()
        self._model.labels(model.name, model.version).set(len(model.model))
        self._swaps.inc()
        self._created.clear()
        if model.created_at is not None:
            self._created.labels(model.name, model.version).set(model.created_at.timestamp())
        for series in (self._area_points, self._area_trained):
            series.clear()
        names = model.areas.names
        self._areas = model.version, [self._area_points.labels(model.name, model.version, name) for name in names]
        if model.areas.trained is not None:
            for name, share in zip(names, model.areas.trained.tolist(), strict=True):
                self._area_trained.labels(model.name, model.version, name).set(share)

    def ab_answered(self, challenger: bool, seconds: float) -> None:
        """Note how long a version took for the points of a request with a key."""
        self._ab_seconds[challenger].observe(seconds)

    def ab_outcomes_stored(self, stored: Stored) -> None:
        """Count outcomes by version and hit."""
        for result, counts in (("hit", stored.hits), ("miss", stored.misses)):
            for arm, count in zip(ARMS, counts, strict=True):
                self.ab_outcomes.labels(arm, result).inc(count)
        self.ab_outcomes_unmatched.inc(len(stored.unmatched))


def _histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    return Histogram(metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets)


def _made(kind: type[M], metric: Metric, registry: CollectorRegistry) -> M:
    return kind(metric.name.removesuffix("_total"), metric.help, metric.labels, registry=registry)
