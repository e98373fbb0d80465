"""Metrics of the service in a Prometheus registry."""

from __future__ import annotations

from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from taxi_mlops.monitoring import catalogue
from taxi_mlops.monitoring.catalogue import Metric
from taxi_mlops.serving.served_model import ServedModel

M = TypeVar("M", Counter, Gauge)


class ServiceMetrics:
    """Counts requests, points, and the models that were swapped in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        ProcessCollector(registry=registry)
        self._requests = _made(Counter, catalogue.SERVED_REQUESTS, registry)
        self._seconds = Histogram(
            catalogue.SERVED_SECONDS.name,
            catalogue.SERVED_SECONDS.help,
            catalogue.SERVED_SECONDS.labels,
            registry=registry,
            buckets=catalogue.SERVED_SECONDS.buckets,
        )
        self._points = _made(Counter, catalogue.SERVED_POINTS, registry)
        self._inside, self._outside = self._points.labels("inside"), self._points.labels("outside")
        self._model = _made(Gauge, catalogue.SERVED_MODEL, registry)
        self._swaps = _made(Counter, catalogue.SERVED_LOADS, registry)

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

    def model_loaded(self, model: ServedModel) -> None:
        """Note which version answers from now on."""
        self._model.clear()
        self._model.labels(model.name, model.version).set(len(model.model))
        self._swaps.inc()


def _made(kind: type[M], metric: Metric, registry: CollectorRegistry) -> M:
    return kind(metric.name.removesuffix("_total"), metric.help, metric.labels, registry=registry)
