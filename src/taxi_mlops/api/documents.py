"""Build the document of a run from trips and keyword arguments, and the loader of its points."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from taxi_mlops.api.keywords import plain_values
from taxi_mlops.api.trips import is_address, trips_of
from taxi_mlops.clustering import Cluster
from taxi_mlops.data.load import NOT_SAMPLED, sampled
from taxi_mlops.data.memory import write_points
from taxi_mlops.data.request import DatasetParameters, LoadRequest
from taxi_mlops.domain import Points
from taxi_mlops.errors import UsageError
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.points import Load, cached_points
from taxi_mlops.settings import Settings
from taxi_mlops.specification import Specification

DocumentT = TypeVar("DocumentT", Specification, Cluster)

_EVERYWHERE = (-90.0, -180.0, 90.0, 180.0)
_ALSO_LATER = frozenset({"sample", "seed"})
"""Parameters of the dataset that are allowed for trips that are loaded already."""


def document_for(
    document: DocumentT, trips: object, given: Mapping[str, Any], stored: Path | None = None
) -> tuple[DocumentT, Load]:
    """Fill a document in.

    trips: whatever `load` takes, loaded at once, unless it is an address, which the run reads. given: parameters of the
    document but for the source. stored: where the run writes trips that are in memory, so that the document stands for
    them.

    Raises UsageError for parameters that are wrong, or come too late for trips that are loaded; and as `load` does.
    """
    if is_address(trips):
        return document.with_parameters(plain_values({"data": trips, **given})), cached_points
    choosing = DatasetParameters.__annotations__.keys() - _ALSO_LATER
    loaded = trips_of(trips, {name: value for name, value in given.items() if name in choosing})
    if given.get("sample") is not None and NOT_SAMPLED in loaded.provenance.dropped:
        raise UsageError("the trips are a sample already: load them without one, or leave out sample here")
    request = loaded.request or LoadRequest(
        source=str(stored) if stored else None,
        latitude_column="latitude",
        longitude_column="longitude",
        bbox=_EVERYWHERE,
    )
    others = {name: value for name, value in given.items() if name not in choosing}
    filled = document.model_copy(update={"dataset": request}).with_parameters(plain_values(others))
    if request.sample is not None:  # drawn with a seed of its own
        filled = filled.model_copy(update={"dataset": request})

    def load(wanted: LoadRequest, settings: Settings, observer: Observer) -> Points:  # noqa: ARG001 - a `Load`
        if stored and loaded.request is None:
            write_points(loaded, stored)
        return sampled(loaded, wanted)

    return filled, load
