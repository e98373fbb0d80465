"""`grid-ray`: our engine in tiles on a Ray cluster of this machine."""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar

from taxi_mlops.adapters.on_tiles import TiledAdapter
from taxi_mlops.domain import AdapterInfo


class GridRayAdapter(TiledAdapter):
    """The tiles of `taxi cluster --on ray`, as many workers as the trial has threads."""

    requires: ClassVar[str | None] = "ray"
    install: ClassVar[str] = "pip install 'taxi-mlops[ray]'"
    place: ClassVar[str] = "ray"

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(
            name="grid-ray",
            version=version("haversine-dbscan"),
            summary="our engine in tiles on a Ray cluster of this machine",
            exact=True,
            weighted=True,
            parallel=True,
            homepage="https://docs.ray.io",
        )
