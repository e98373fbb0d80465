"""Statistics of the rows of a commit, by which versions are compared and the next commit is checked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from taxi_mlops.arrow import as_float64

if TYPE_CHECKING:
    import pyarrow as pa


class ColumnStatistics(BaseModel):
    """Of one column. least, greatest, mean: of its numbers, or None if it holds others, or none."""

    model_config = ConfigDict(frozen=True)

    missing: int
    least: float | None = None
    greatest: float | None = None
    mean: float | None = None


class RowStatistics(BaseModel):
    """Of all columns of some rows."""

    model_config = ConfigDict(frozen=True)

    rows: int
    columns: dict[str, ColumnStatistics]

    def share_missing(self, column: str) -> float:
        """Return the share of rows without a value in a column, which may be absent."""
        statistics = self.columns.get(column)
        return 1.0 if statistics is None or not self.rows else statistics.missing / self.rows


class StatisticsCounter:
    """Computes the statistics of rows that come in batches."""

    def __init__(self) -> None:
        self._rows = 0
        self._columns: dict[str, _Tally] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Add some rows."""
        self._rows += batch.num_rows
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            self._columns.setdefault(name, _Tally()).add(column)

    def counted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the batches, each added."""
        for batch in batches:
            self.add(batch)
            yield batch

    def finish(self) -> RowStatistics:
        """Return the statistics of all rows."""
        return RowStatistics(rows=self._rows, columns={name: one.statistics() for name, one in self._columns.items()})


class _Tally:
    def __init__(self) -> None:
        self._missing, self._count, self._sum = 0, 0, 0.0
        self._least, self._greatest = math.inf, -math.inf

    def add(self, column: pa.Array) -> None:
        import pyarrow as pa

        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            self._missing += column.null_count
            return
        values = as_float64(column)
        finite = values[np.isfinite(values)]
        self._missing += values.size - finite.size
        if finite.size:
            self._count += finite.size
            self._sum += float(finite.sum())
            self._least = min(self._least, float(finite.min()))
            self._greatest = max(self._greatest, float(finite.max()))

    def statistics(self) -> ColumnStatistics:
        numbers: dict[str, Any] = {}
        if self._count:
            numbers = {"least": self._least, "greatest": self._greatest, "mean": self._sum / self._count}
        return ColumnStatistics(missing=self._missing, **numbers)
