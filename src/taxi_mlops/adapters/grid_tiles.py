"""`grid-tiles`: our engine in tiles, which the processes of a trial read from disk."""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar

from taxi_mlops.adapters.on_tiles import TiledAdapter
from taxi_mlops.domain import AdapterInfo


class GridTilesAdapter(TiledAdapter):
    """The tiles of `taxi cluster --on tiles`, as many workers as the trial has threads."""

    requires: ClassVar[str | None] = None
    install: ClassVar[str] = "pip install haversine-dbscan"
    place: ClassVar[str] = "tiles"

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(
            name="grid-tiles",
            version=version("haversine-dbscan"),
            summary="our engine in tiles on processes, the points on disk",
            exact=True,
            weighted=True,
            parallel=True,
            homepage="",
        )
