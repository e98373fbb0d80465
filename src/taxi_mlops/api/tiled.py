"""The results of a clustering in tiles as an object: what is in its folder."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from taxi_mlops.api.showing import Page, text_of
from taxi_mlops.arrow import as_numpy
from taxi_mlops.domain import BoolArray, LabelArray, RowArray
from taxi_mlops.reports.cluster_terminal import render
from taxi_mlops.results.cluster_result import ClusterFolder, ClusterResult

if TYPE_CHECKING:
    import pyarrow as pa


class TiledClusters:
    """The clusters of trips that were clustered in tiles. A notebook shows the page, a terminal the largest clusters.

    Nothing but `result` is in memory until it is asked for.
    """

    def __init__(self, result: ClusterResult, folder: ClusterFolder) -> None:
        self.result = result
        """All values: `cluster.json` as an object."""
        self.folder: Path = folder.path
        """The folder of the results, as `taxi cluster` writes it."""
        self.eps: float = result.parameters.eps_metres
        self.min_samples: int = result.parameters.min_samples
        self._files = folder

    @property
    def n_clusters(self) -> int:
        """Clusters, noise left aside."""
        return self.result.n_clusters

    @cached_property
    def labels(self) -> LabelArray:
        """The cluster of each point: int32 of shape (n,), numbered from 0, −1 for noise."""
        return self._column("label", np.empty(0, np.int32))

    @cached_property
    def core(self) -> BoolArray:
        """Whether a point is a core point: bool of shape (n,)."""
        return self._column("core", np.empty(0, np.bool_))

    @cached_property
    def row(self) -> RowArray:
        """The position of each point in the source, from 0: int64 of shape (n,), increasing."""
        return self._column("row", np.empty(0, np.int64))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield `row`, `label` and `core` of all points in their order, some at a time."""
        yield from self._batches(["row", "label", "core"])

    def _batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        import pyarrow.parquet as pq

        for part in sorted(self._files.parts.glob("*.parquet")):
            with pq.ParquetFile(part) as file:
                yield from file.iter_batches(columns=columns)

    def _column(self, name: str, nothing: np.ndarray) -> np.ndarray:
        return np.concatenate([nothing, *[as_numpy(batch.column(0)) for batch in self._batches([name])]])

    def __repr__(self) -> str:
        return text_of(render(self.result))

    def _repr_html_(self) -> str:
        return Page.read(self._files.page)._repr_html_()
