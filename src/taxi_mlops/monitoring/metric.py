"""What a metric is declared with: its kind, where it comes from, its name and labels. See `catalogue`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The types of Prometheus's metrics."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


class Source(StrEnum):
    """Where a metric comes from."""

    RUN = "each run"
    """Its file `metrics.prom`, and the Pushgateway."""
    TILES = "each clustering in tiles"
    """Its file `metrics.prom`, and the Pushgateway."""
    EXPORTER = "taxi exporter"
    """Scraped."""
    SERVICE = "taxi serve"
    """Scraped."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. name: as it is exposed, with `_total` or `_info`. help: one sentence."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    source: Source = Source.RUN
    buckets: tuple[float, ...] = ()

    @property
    def samples(self) -> tuple[str, ...]:
        """The names of its series."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.name,)
