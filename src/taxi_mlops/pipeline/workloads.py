"""Define the workloads of a run: the main one, samples of its points, and its points with other parameters."""

from __future__ import annotations

from collections.abc import Iterator

from taxi_mlops.data.request import LoadRequest
from taxi_mlops.data.samples import nested_samples
from taxi_mlops.domain import Parameters, Points, Workload
from taxi_mlops.errors import UsageError
from taxi_mlops.results.journal import FurtherWorkload
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.specification import ALL, Specification
from taxi_mlops.trials.workload_folder import write_workload


def wanted_points(specification: Specification) -> LoadRequest:
    """Return the request for the points of the main workload: the largest size, if sizes are given.

    Raises UsageError if a sample is requested beside sizes.
    """
    dataset, sizes = specification.dataset, specification.workloads.sizes
    if not sizes:
        return dataset
    if dataset.sample is not None:
        raise UsageError(f"sizes are samples already, so --sample {dataset.sample} says too much; leave it out")
    return dataset.model_copy(update={"sample": None if ALL in sizes else max(_numbers(specification))})


def write_further(points: Points, specification: Specification, folder: RunFolder) -> tuple[FurtherWorkload, ...]:
    """Write the further workloads for the trials, the smallest first. points: of the main workload.

    Sizes that are not smaller than the number of points are the main workload. Raises UsageError for sizes of weighted
    points.
    """
    return tuple(_written(key, workload, folder) for key, workload in _further(points, specification))


def _further(points: Points, specification: Specification) -> Iterator[tuple[str, Workload]]:
    main = specification.parameters.to_domain()
    sizes = sorted({size for size in _numbers(specification) if size < len(points)})
    if sizes:
        samples = nested_samples(points, sizes, specification.dataset.seed)
        for size, sample in zip(sizes, samples, strict=True):
            yield f"n{size}", Workload(sample, main)
    pairs = [Parameters(pair.eps_metres, pair.min_samples) for pair in specification.workloads.parameters]
    for parameters in dict.fromkeys(pairs):
        if parameters != main:
            yield f"eps{parameters.eps_metres:.12g}-min{parameters.min_samples}", Workload(points, parameters)


def _written(key: str, workload: Workload, folder: RunFolder) -> FurtherWorkload:
    write_workload(workload.points, workload.parameters, folder.workload(key))
    return FurtherWorkload(
        key=key,
        n_points=len(workload.points),
        fingerprint=workload.points.fingerprint,
        eps_metres=workload.parameters.eps_metres,
        min_samples=workload.parameters.min_samples,
    )


def _numbers(specification: Specification) -> list[int]:
    return [size for size in specification.workloads.sizes if isinstance(size, int)]
