"""Export metrics of the platform between runs: Prefect, services, certificates, table, features, recordings."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from taxi_mlops import __version__
from taxi_mlops.errors import TaxiError
from taxi_mlops.features.store import stores
from taxi_mlops.health.prefect_state import STATES, PrefectState, prefect_state
from taxi_mlops.health.service_probes import addresses, probe
from taxi_mlops.health.table_watch import TableWatch
from taxi_mlops.monitoring import catalogue
from taxi_mlops.monitoring.metric import Metric
from taxi_mlops.recording.recordings import Recordings
from taxi_mlops.results.backup_state import begun_at, labels_in, verification_in
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.settings import Settings

TIMEOUT_SECONDS = 2.0
"""Timeout of each request during a scrape."""
_STATUSES = ("online", "offline")


class PlatformCollector(Collector):
    """Queries the services at each scrape. One that does not answer has `taxi_service_up` 0 and no other metrics."""

    def __init__(self, settings: Settings, recorders: tuple[str, ...]) -> None:
        self._settings = settings
        self._recorders = recorders
        self._table = TableWatch(settings)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield _family(catalogue.EXPORTER_BUILD, {(__version__, platform.python_version()): 1.0})
        yield _family(catalogue.BACKLOG, {(name,): float(count) for name, count in self._backlog().items()})
        yield from self._features()
        yield from self._trips_table()
        yield from self._backups()
        yield from self._services()
        state = self._prefect()
        if state is not None:
            yield from _prefect_families(state)

    def _backlog(self) -> Counter[str]:
        waiting = Counter(dict.fromkeys(self._recorders, 0))
        for path in self._settings.runs_dir.rglob("recordings.json"):
            try:
                waiting.update(noted.recorder for noted in Recordings.read(RunFolder(path.parent)).failed)
            except TaxiError:  # `taxi runs` shows a broken file
                continue
        return waiting

    def _features(self) -> Iterator[GaugeMetricFamily]:
        last, size = dict[Any, float | None](), dict[Any, float | None]()
        for store in stores(self._settings):
            try:
                contents = store.contents()
                last[(store.model,)] = contents.last_moment.timestamp()
                size[(store.model,)] = float(store.size(contents))
            except (TaxiError, OSError):  # the commands that read it say what is wrong
                continue
        yield _family(catalogue.FEATURES_LAST, last)
        yield _family(catalogue.FEATURES_BYTES, size)

    def _trips_table(self) -> Iterator[GaugeMetricFamily]:
        state = self._table.state(TIMEOUT_SECONDS)
        if state is None:
            return
        for metric, value in (
            (catalogue.TABLE_COMMITTED, state.committed),
            (catalogue.TABLE_ROWS, state.rows),
            (catalogue.TABLE_BYTES, state.size),
            (catalogue.TABLE_QUARANTINED, state.quarantined),
            (catalogue.TABLE_QUARANTINE_TIME, state.failed),
            (catalogue.TABLE_DRIFT, state.drift),
        ):
            number = value.timestamp() if isinstance(value, datetime) else value
            yield _family(metric, {(state.location,): number})

    def _backups(self) -> Iterator[GaugeMetricFamily]:
        if (place := self._settings.backup_dir) is None:
            return
        labels, verification = labels_in(place), verification_in(place)
        created = begun_at(labels[-1]).timestamp() if labels else None
        yield _family(catalogue.BACKUP_CREATED, {(): created})
        yield _family(catalogue.BACKUP_VERIFIED, {(): verification.verified.timestamp() if verification else 0.0})

    def _services(self) -> Iterator[GaugeMetricFamily]:
        named = addresses(self._settings)
        with ThreadPoolExecutor(max_workers=max(1, len(named))) as pool:
            probes = pool.map(lambda url: probe(url, self._settings.ca_file, TIMEOUT_SECONDS), named.values())
            found = dict(zip(named, probes, strict=True))
        yield _family(catalogue.SERVICE_UP, {(name,): float(each.up) for name, each in found.items()})
        expiries = {(name,): each.expiry for name, each in found.items()}
        yield _family(catalogue.CERTIFICATE, expiries)

    def _prefect(self) -> PrefectState | None:
        import httpx

        if self._settings.prefect_api_url is None:
            return None
        try:
            return prefect_state(self._settings, TIMEOUT_SECONDS)
        except httpx.HTTPError:
            return None


def _prefect_families(state: PrefectState) -> Iterator[GaugeMetricFamily]:
    runs = {(name, kind): float(each.runs[kind]) for name, each in state.deployments.items() for kind in STATES}
    yield _family(catalogue.FLOW_RUNS, runs)
    for metric, attribute in (
        (catalogue.FLOW_CREATED, "created"),
        (catalogue.FLOW_SUCCESS, "last_success"),
        (catalogue.FLOW_FAILURE, "last_failure"),
        (catalogue.QUEUE_WAIT, "queue_wait_seconds"),
        (catalogue.SCHEDULE, "interval_seconds"),
    ):
        yield _family(metric, {(name,): getattr(each, attribute) for name, each in state.deployments.items()})
    workers = {(name, kind): float(each.workers[kind]) for name, each in state.pools.items() for kind in _STATUSES}
    yield _family(catalogue.WORKERS, workers)
    yield _family(catalogue.HEARTBEAT, {(name,): each.heartbeat for name, each in state.pools.items()})


def _family(metric: Metric, values: Mapping[Any, float | None]) -> GaugeMetricFamily:
    """Return a metric family from values by tuples of labels; None is left out."""
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        if value is not None:
            family.add_metric(labels, value)
    return family


def serve(registry: CollectorRegistry, host: str, port: int) -> WSGIServer:
    """Serve a registry at /metrics in a thread of its own, until it is shut down. Port 0 takes a free port."""
    server, _ = start_http_server(port, addr=host, registry=registry)
    return server


def platform_registry(settings: Settings, recorders: tuple[str, ...]) -> CollectorRegistry:
    """Return the registry of the exporter, with the metrics of its own process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(PlatformCollector(settings, recorders))
    return registry
