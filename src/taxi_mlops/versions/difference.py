"""What differs between two versions of a table: rows, columns, their statistics, and where the points are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.data.delta import TableAddress, TableVersion, find_version, open_version
from taxi_mlops.data.files import TripFile
from taxi_mlops.data.load import open_trips
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.data.tables import open_table, record_batches
from taxi_mlops.domain import FloatArray
from taxi_mlops.errors import DataError
from taxi_mlops.settings import Settings
from taxi_mlops.versions.row_statistics import RowStatistics, StatisticsCounter

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMNS, _ROWS = 48, 16
_SHARE_OUTSIDE = 0.005
_NOTICEABLE = 3.0
"""Standard errors by which the share of a cell must differ to be marked."""
_LEAST_SHARE = 1e-6


@dataclass(frozen=True, slots=True)
class Drift:
    """How the points moved between two versions.

    population_stability_index: over the cells of the map; below 0.1 little has changed, above 0.25 much (see Yurdakul
    & Naranjo, "Statistical properties of the population stability index", 2020). lines: the map, north at the top: `+`
    where the share of the points grew noticeably, `-` where it shrank, `·` where there are points in both.
    """

    population_stability_index: float
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """From one version to another.

    rows_added, rows_removed: of files that only one of them has. columns_added, columns_removed, columns_changed: by
    name. statistics: of all rows of both. drift: None if one of them has no points, with `no_drift` saying why.
    """

    before: str
    after: str
    rows_added: int
    rows_removed: int
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    columns_changed: tuple[str, ...]
    statistics: tuple[RowStatistics, RowStatistics]
    drift: Drift | None
    no_drift: str = ""


def difference(before: str, after: str, settings: Settings, request: LoadRequest | None = None) -> Difference:
    """Compare two versions, as `delta:TABLE@5`, reading all of their rows. request: which columns hold the points.

    Raises DataError if one of them cannot be read.
    """
    addresses = TableAddress.parse(before), TableAddress.parse(after)
    one, other = (find_version(address, settings) for address in addresses)
    types, other_types = (_types(address, settings) for address in addresses)
    drift, no_drift = None, ""
    try:
        drift = _drift(*(_points(version, settings, request or LoadRequest()) for version in (one, other)))
    except DataError as error:
        no_drift = str(error)
    return Difference(
        before=str(one.address),
        after=str(other.address),
        rows_added=_rows(set(other.files) - set(one.files)),
        rows_removed=_rows(set(one.files) - set(other.files)),
        columns_added=tuple(sorted(other_types.keys() - types.keys())),
        columns_removed=tuple(sorted(types.keys() - other_types.keys())),
        columns_changed=tuple(sorted(name for name in types.keys() & other_types if types[name] != other_types[name])),
        statistics=(_statistics(one), _statistics(other)),
        drift=drift,
        no_drift=no_drift,
    )


def _types(address: TableAddress, settings: Settings) -> dict[str, str]:
    """Return the type of each column, as text."""
    return {field.name: str(field.type) for field in open_version(address, settings).schema().fields}


def _rows(files: set[TripFile]) -> int:
    return sum(open_table(file).rows or 0 for file in files)


def _batches(version: TableVersion) -> Iterator[pa.RecordBatch]:
    for file in version.files:
        table = open_table(file)
        yield from record_batches(table, table.columns)


def _statistics(version: TableVersion) -> RowStatistics:
    counter = StatisticsCounter()
    for batch in _batches(version):
        counter.add(batch)
    return counter.finish()


def _points(version: TableVersion, settings: Settings, request: LoadRequest) -> tuple[FloatArray, FloatArray]:
    cleaned = open_trips(request.model_copy(update={"source": str(version.address)}), settings).read()
    if not cleaned.latitude.size:
        raise DataError(f"{version.address}: cleaning left no points")
    return cleaned.latitude, cleaned.longitude


def _drift(before: tuple[FloatArray, FloatArray], after: tuple[FloatArray, FloatArray]) -> Drift:
    """Compare the shares of the points in the cells of a grid around most points of both versions."""
    edges = []
    for one, other in zip(before, after, strict=True):
        low, high = (
            [float(np.quantile(values, share)) for values in (one, other)]
            for share in (_SHARE_OUTSIDE, 1 - _SHARE_OUTSIDE)
        )
        edges.append((min(low), max(*high, min(low) + 1e-9)))
    (n, first), (m, second) = (_shares(points, edges) for points in (before, after))
    return Drift(_stability_index(first, second), _drawn(first, second, n, m))


def _shares(points: tuple[FloatArray, FloatArray], edges: list[tuple[float, float]]) -> tuple[int, NDArray[np.float64]]:
    """Return how many points there are, and their share in each cell of the map, float64 (rows, columns)."""
    counts, _, _ = np.histogram2d(*points, bins=(_ROWS, _COLUMNS), range=edges)
    total = int(counts.sum())
    return total, counts[::-1] / max(total, 1)


def _stability_index(first: FloatArray, second: FloatArray) -> float:
    p, q = np.maximum(first, _LEAST_SHARE), np.maximum(second, _LEAST_SHARE)
    return float(((q - p) * np.log(q / p)).sum())


def _drawn(first: FloatArray, second: FloatArray, n: int, m: int) -> tuple[str, ...]:
    pooled = (first * n + second * m) / (n + m)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))  # of the difference of two shares
    moved = second - first
    marks = np.full(first.shape, " ")
    marks[pooled > 0] = "·"
    marks[moved > _NOTICEABLE * error] = "+"
    marks[moved < -_NOTICEABLE * error] = "-"
    return tuple("".join(line).rstrip() for line in marks)
