"""Choose where points are clustered: in memory if they fit, else in tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from taxi_mlops.clustering import Cluster
from taxi_mlops.data.load import OpenedTrips
from taxi_mlops.errors import UsageError
from taxi_mlops.limits import usable_memory
from taxi_mlops.pipeline.resolve import SHARE_OF_MEMORY
from taxi_mlops.reports.units import memory
from taxi_mlops.specification import AUTO

GRID = "grid"
_BYTES_OF_A_PROCESS = 300_000_000
_BYTES_PER_ROW = 450
"""At the peak, while the map is drawn. (Measured with 10 million points.)"""


@dataclass(frozen=True, slots=True)
class ChosenPlace:
    """Where to cluster, why, and how much memory may be used.

    In tiles, the document says on which processes or cluster.
    """

    place: Literal["memory", "tiles"]
    reason: str
    memory_bytes: int


def choose_place(document: Cluster, trips: OpenedTrips) -> ChosenPlace:
    """Return where to cluster. Raises UsageError if tiles are asked for what they cannot do."""
    limit = memory_limit(document)
    obstacle = _obstacle(document, trips)
    if document.on is not None:
        if document.on != "memory" and obstacle:
            raise UsageError(f"{obstacle}; leave out --on {document.on}")
        return ChosenPlace("memory" if document.on == "memory" else "tiles", f"as --on {document.on} says", limit)
    rows = trips.approximate_rows()
    need = _BYTES_OF_A_PROCESS + rows * _BYTES_PER_ROW
    needs = f"about {rows:,} rows need {memory(need)} of memory"
    if need <= limit:
        return ChosenPlace("memory", f"{needs}, and {memory(limit)} may be used", limit)
    if obstacle:
        return ChosenPlace("memory", f"{needs}, and only {memory(limit)} may be used, but {obstacle}", limit)
    return ChosenPlace("tiles", f"{needs}, and only {memory(limit)} may be used", limit)


def memory_limit(document: Cluster) -> int:
    """Return how much memory may be used, in bytes."""
    return int(document.memory_limit or usable_memory() * SHARE_OF_MEMORY)


def _obstacle(document: Cluster, trips: OpenedTrips) -> str | None:
    """Return why tiles are impossible, or None."""
    if document.adapter != GRID:
        return f"only --adapter {GRID} clusters in tiles, not {document.adapter}"
    if document.parameters.eps_metres == AUTO:
        return "--eps auto is read off all points, in memory"
    if document.dataset.sample is not None:
        return "--sample is drawn from all points, in memory"
    if trips.pieces is None or document.dataset.zones:
        return "zones are counted in memory"
    return None
