"""Totals of the counters over all runs of a host, kept in a file: a Pushgateway keeps only the last push.

A run is added to the totals before they are pushed. So counters never decrease, whichever push fails, and the next push
that succeeds includes the run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from math import inf
from pathlib import Path
from typing import Literal

from filelock import FileLock
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from pydantic import BaseModel, ConfigDict

from taxi_mlops.files import write_atomically
from taxi_mlops.monitoring.catalogue import METRICS
from taxi_mlops.monitoring.metric import Kind, Metric, Source

REMEMBERED = 10_000
"""Number of run ids that are remembered as counted."""

_ADDED = {Kind.COUNTER, Kind.HISTOGRAM}


class Series(BaseModel):
    """One series with its value."""

    model_config = ConfigDict(frozen=True)

    name: str
    labels: dict[str, str]
    value: float

    @property
    def key(self) -> tuple[str, ...]:
        return (self.name, *(f"{name}={value}" for name, value in sorted(self.labels.items())))


class Totals(BaseModel):
    """The document on disk. counted: SHA-256 over the results of each counted run, by run id."""

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    counted: dict[str, str] = {}
    newest: str = ""
    series: tuple[Series, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Totals:
        """Read the totals; empty if there is no readable file: then counters start at zero, as after a reset.

        Metrics that this version does not have, or has with other buckets, are left out.
        """
        try:
            totals = cls.model_validate_json(path.read_bytes())
        except (FileNotFoundError, ValueError):
            return cls()
        strange = {name for metric in METRICS if not _fits(metric, totals.series) for name in metric.samples}
        known = tuple(series for series in totals.series if series.name in _KINDS.keys() - strange)
        return totals.model_copy(update={"series": known})

    def with_run(self, run_id: str, content: str, registry: CollectorRegistry) -> Totals:
        """Return the totals with a run added, once, however often it is recorded. Gauges are the newest run's."""
        if run_id in self.counted:
            return self.model_copy(update={"counted": {**self.counted, run_id: content}})
        added = {series.key: (kind, series) for kind, series in _series(registry)}
        held = {series.key: series for series in self.series}
        gauges = {series.key for series in self.series if _KINDS[series.name] not in _ADDED}
        newest = run_id >= self.newest
        if newest:
            held = {key: series for key, series in held.items() if key not in gauges}
        for key, (kind, series) in added.items():
            if kind in _ADDED:
                before = held[key].value if key in held else 0.0
                held[key] = series.model_copy(update={"value": before + series.value})
            elif newest:
                held[key] = series
        counted = dict(sorted({**self.counted, run_id: content}.items())[-REMEMBERED:])
        return Totals(counted=counted, newest=max(run_id, self.newest), series=tuple(held.values()))


_KINDS = {name: metric.kind for metric in METRICS if metric.source is Source.RUN for name in metric.samples}


def _fits(metric: Metric, held: Collection[Series]) -> bool:
    """Return whether the stored buckets of the metric, if any, are those of this version."""
    bounds = {float(series.labels["le"]) for series in held if series.name == f"{metric.name}_bucket"}
    return bounds in (set(), {*metric.buckets, inf})


def _series(registry: CollectorRegistry) -> Iterator[tuple[Kind, Series]]:
    for family in registry.collect():
        for sample in family.samples:
            if sample.name in _KINDS:
                yield (
                    _KINDS[sample.name],
                    Series(name=sample.name, labels=dict(sample.labels), value=float(sample.value)),
                )


def count(path: Path, run_id: str, content: str, registry: CollectorRegistry) -> Totals:
    """Add a run's metrics to the totals at `path`, and return them. One process at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        totals = Totals.read(path).with_run(run_id, content, registry)
        write_atomically(path, totals.model_dump_json())
    return totals


class TotalsCollector(Collector):
    """Exposes totals in a registry."""

    def __init__(self, totals: Totals) -> None:
        self._totals_file = totals

    def collect(self) -> Iterator[Family]:
        for metric in METRICS:
            series = [entry for entry in self._totals_file.series if entry.name in metric.samples]
            kind = "gauge" if metric.kind is Kind.INFO else metric.kind.value
            family = Family(metric.name.removesuffix("_total"), metric.help, kind)
            for entry in series:
                family.add_sample(entry.name, entry.labels, entry.value)
            if series:
                yield family
