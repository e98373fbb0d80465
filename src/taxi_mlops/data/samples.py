"""Draw nested samples of points, so that workloads differ in size alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from taxi_mlops.data.fingerprint import fingerprint
from taxi_mlops.domain import Points
from taxi_mlops.errors import UsageError


def nested_samples(points: Points, sizes: Sequence[int], seed: int) -> tuple[Points, ...]:
    """Draw a uniform sample of each size without replacement; the smaller ones are parts of the larger ones.

    Points keep their order. sizes: each at most the number of points. Raises UsageError for weighted points, each of
    which represents many trips.
    """
    if points.weight is not None:
        raise UsageError("sizes need points, and these are zones weighted with their trips; leave out the sizes")
    order = np.random.default_rng(seed).permutation(len(points))
    return tuple(_chosen(points, np.sort(order[:size])) for size in sizes)


def _chosen(points: Points, indices: NDArray[np.int64]) -> Points:
    latitude, longitude = points.latitude[indices], points.longitude[indices]
    note = f"A uniform sample of {len(indices):,} of {len(points):,} points"
    provenance = replace(points.provenance, notes=(*points.provenance.notes, note))
    row = None if points.row is None else points.row[indices]
    return Points(latitude, longitude, None, fingerprint(latitude, longitude, None), provenance, row)
