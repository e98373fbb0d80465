"""Cluster a Ray Dataset by tasks on the cluster that this process is connected to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from taxi_mlops.arrow import as_arrow, as_float64
from taxi_mlops.errors import TaxiError
from taxi_mlops.scale import partitions as steps
from taxi_mlops.scale.chunks import MemoryChunk
from taxi_mlops.scale.join import Joined
from taxi_mlops.scale.partitions import Coordinates, Cutting, LabelPart, Layout

if TYPE_CHECKING:
    import pyarrow as pa
    import ray.data

Answer = TypeVar("Answer")


def cluster_dataset(
    dataset: ray.data.Dataset, latitude: str, longitude: str, divisor: float, cutting: Callable[[int], Cutting]
) -> ray.data.Dataset:
    """Return a dataset of the same blocks with `label`, int32, and `core`, bool, added.

    Ray Data keeps no graph of tasks for later, so the dataset is read and clustered at once. Its rows stay in Ray's
    object store: they do not pass through this process. cutting: for so many blocks.

    Raises what a task raises, if it is a TaxiError.
    """
    import ray

    refs = _blocks(dataset)
    how = cutting(len(refs))
    points = [_remote(read_points).remote(ref, latitude, longitude, divisor) for ref in refs]
    layout = _remote(lay_out).remote(how, *[_remote(steps.count).remote(one, how) for one in points])
    send = _remote(scatter).options(num_returns=how.slots)
    sent = [_several(send.remote(one, layout)) for one in points]
    found = [_remote(cluster_slot).remote(layout, slot, *[parts[slot] for parts in sent]) for slot in range(how.slots)]
    joined = _several(
        _remote(join_slots).options(num_returns=how.slots).remote(*[_remote(steps.share).remote(one) for one in found])
    )
    split = _remote(label_slot).options(num_returns=len(refs))
    labels = [_several(split.remote(one, numbers, len(refs))) for one, numbers in zip(found, joined, strict=True)]
    blocks = [_remote(add_labels).remote(ref, *[parts[number] for parts in labels]) for number, ref in enumerate(refs)]
    try:
        return ray.data.from_arrow_refs(blocks)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, TaxiError):
            raise error.cause from None
        raise


def _blocks(dataset: ray.data.Dataset) -> list[Any]:
    """Run the dataset, and return its blocks as Arrow tables in the order of rows."""
    options = dataset.context.execution_options
    before, options.preserve_order = options.preserve_order, True
    try:
        return list(dataset.to_arrow_refs())
    finally:
        options.preserve_order = before


def _remote(function: Callable[..., object]) -> Any:  # noqa: ANN401 - of Ray
    import ray

    return ray.remote(function)


def _several(references: Any) -> list[Any]:  # noqa: ANN401 - of Ray, which returns one alone
    return references if isinstance(references, list) else [references]


def _one_or_all(answers: list[Answer]) -> Answer | list[Answer]:
    """Return what Ray expects of a task with so many answers."""
    return answers[0] if len(answers) == 1 else answers


def read_points(block: pa.Table, latitude: str, longitude: str, divisor: float) -> Coordinates:
    """Return the points of a block."""
    columns = (as_float64(block.column(name).combine_chunks()) / divisor for name in (latitude, longitude))
    return steps.points_of(*columns)


def lay_out(cutting: Cutting, *counted: steps.Counted) -> Layout:
    """As in `partitions`."""
    return steps.lay_out(steps.merge(counted), cutting)


def scatter(points: Coordinates, layout: Layout) -> MemoryChunk | list[MemoryChunk]:
    """Return the points of a block that each slot needs."""
    chunk = steps.scatter(points, layout)
    return _one_or_all([steps.part_for(chunk, layout, slot) for slot in range(layout.cutting.slots)])


def cluster_slot(layout: Layout, slot: int, *parts: MemoryChunk) -> list[steps.Found]:
    """As in `partitions`."""
    return steps.cluster_slot(layout, slot, parts)


def join_slots(*shared: list[steps.Shared]) -> Any:  # noqa: ANN401 - one or all
    """As in `partitions`."""
    return _one_or_all(steps.join_slots(shared))


def label_slot(found: list[steps.Found], joined: list[Joined], partitions: int) -> LabelPart | list[LabelPart]:
    """As in `partitions`."""
    return _one_or_all(steps.label_slot(found, joined, partitions))


def add_labels(block: pa.Table, *parts: LabelPart) -> pa.Table:
    """Return a block with its labels."""
    label, core = steps.gather(parts, block.num_rows)
    return block.append_column("label", as_arrow(label)).append_column("core", as_arrow(core))
