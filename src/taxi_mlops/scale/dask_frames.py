"""Cluster a Dask DataFrame by a graph of tasks, which is computed when its owner computes the result."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from taxi_mlops.arrow import as_float64
from taxi_mlops.errors import DataError
from taxi_mlops.scale import partitions as steps
from taxi_mlops.scale.partitions import Coordinates, Cutting, LabelPart, Layout

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd

_MERGED = 16
"""Counts that are merged in one task."""


def cluster_frame(frame: dd.DataFrame, latitude: str, longitude: str, divisor: float, cutting: Cutting) -> dd.DataFrame:
    """Return the frame with `label`, int32, and `core`, bool, added; nothing is computed.

    The two columns of coordinates are read first, and the partitions again when their labels are known: so none waits
    in memory meanwhile. latitude, longitude: columns of numbers that become degrees by the divisor.
    """
    import dask.dataframe as dd

    labels = _labels(frame[[latitude, longitude]], divisor, cutting)
    meta = frame._meta.assign(label=np.empty(0, np.int32), core=np.empty(0, np.bool_))
    labelled: dd.DataFrame = dd.map_partitions(
        add_labels, frame, labels, meta=meta, enforce_metadata=False, align_dataframes=False
    )
    return labelled


def _labels(columns: dd.DataFrame, divisor: float, cutting: Cutting) -> dd.DataFrame:
    """Return a frame of the labels alone, of as many partitions and rows. columns: latitude and longitude."""
    import dask.dataframe as dd
    from dask.base import tokenize

    columns = columns.optimize()
    sources = columns.__dask_keys__()
    partitions, slots, name = len(sources), cutting.slots, f"taxi-{tokenize(columns, divisor, cutting)}"
    graph: dict[Any, Any] = dict(columns.__dask_graph__())
    layout, joined = f"{name}-layout", f"{name}-joined"
    for number, source in enumerate(sources):
        graph[f"{name}-points", number] = (read_points, source, divisor)
        graph[f"{name}-count", number] = (steps.count, (f"{name}-points", number), cutting)
        graph[f"{name}-scatter", number] = (steps.scatter, (f"{name}-points", number), layout)
    graph[layout] = (steps.lay_out, _merged(graph, f"{name}-count", partitions), cutting)
    for slot in range(slots):
        parts = [(f"{name}-part", number, slot) for number in range(partitions)]
        for number, part in enumerate(parts):
            graph[part] = (steps.part_for, (f"{name}-scatter", number), layout, slot)
            graph[f"{name}-answer", number, slot] = (itemgetter(number), (f"{name}-labels", slot))
        graph[f"{name}-found", slot] = (steps.cluster_slot, layout, slot, parts)
        graph[f"{name}-shared", slot] = (steps.share, (f"{name}-found", slot))
        graph[f"{name}-numbers", slot] = (itemgetter(slot), joined)
        graph[f"{name}-labels", slot] = (
            steps.label_slot,
            (f"{name}-found", slot),
            (f"{name}-numbers", slot),
            partitions,
        )
    graph[joined] = (steps.join_slots, [(f"{name}-shared", slot) for slot in range(slots)])
    for number in range(partitions):
        answers = [(f"{name}-answer", number, slot) for slot in range(slots)]
        graph[f"{name}-frame", number] = (label_frame, layout, number, answers)
    keys = [(f"{name}-frame", number) for number in range(partitions)]
    meta = _frame(np.empty(0, np.int32), np.empty(0, np.bool_))
    labels: dd.DataFrame = dd.from_graph(graph, meta, (None,) * (partitions + 1), keys, "taxi-labels")
    return labels


def _merged(graph: dict[Any, Any], name: str, count: int) -> object:
    """Add tasks that merge counts, a few at a time; return the key of the last."""
    keys: list[object] = [(name, number) for number in range(count)]
    level = 0
    while len(keys) > 1:
        level += 1
        groups = [keys[begin : begin + _MERGED] for begin in range(0, len(keys), _MERGED)]
        keys = [(f"{name}-{level}", number) for number in range(len(groups))]
        graph.update({key: (steps.merge, group) for key, group in zip(keys, groups, strict=True)})
    return keys[0]


def read_points(columns: pd.DataFrame, divisor: float) -> Coordinates:
    """Return the points of a partition. columns: latitude and longitude."""
    import pyarrow as pa

    latitude, longitude = (as_float64(pa.array(columns.iloc[:, at], from_pandas=True)) / divisor for at in (0, 1))
    return steps.points_of(latitude, longitude)


def label_frame(layout: Layout, number: int, answers: Sequence[LabelPart]) -> pd.DataFrame:
    """Return the labels of a partition."""
    return _frame(*steps.gather(answers, layout.rows[number]))


def _frame(label: object, core: object) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"label": label, "core": core})


def add_labels(frame: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return a partition with its labels. Raises DataError if it has not as many rows as when it was clustered."""
    if len(frame) != len(labels):
        raise DataError(
            f"the input changed while it was clustered: a partition had {len(labels):,} rows, and now has "
            f"{len(frame):,}; persist() it first"
        )
    return frame.assign(label=labels["label"].to_numpy(), core=labels["core"].to_numpy())
