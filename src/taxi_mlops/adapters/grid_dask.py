"""`grid-dask`: our engine in tiles on a Dask cluster of this machine."""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar

from taxi_mlops.adapters.on_tiles import TiledAdapter
from taxi_mlops.domain import AdapterInfo


class GridDaskAdapter(TiledAdapter):
    """The tiles of `taxi cluster --on dask`, as many workers as the trial has threads."""

    requires: ClassVar[str | None] = "distributed"
    install: ClassVar[str] = "pip install 'taxi-mlops[dask]'"
    place: ClassVar[str] = "dask"

    @property
    def info(self) -> AdapterInfo:
        return AdapterInfo(
            name="grid-dask",
            version=version("haversine-dbscan"),
            summary="our engine in tiles on a Dask cluster of this machine",
            exact=True,
            weighted=True,
            parallel=True,
            homepage="https://distributed.dask.org",
        )
