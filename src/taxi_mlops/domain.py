"""The data types of the platform: points, parameters, workloads, trials and clusterings.

Everything here is a frozen dataclass over numpy arrays and plain values. This module imports only the standard
library and numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
LabelArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]
RowArray = NDArray[np.int64]

NOISE = -1
"""The label of a point that belongs to no cluster."""

Metric = Literal["great_circle"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """The origin of points, and the counts of cleaning.

    `dropped` counts rows by the name of the rule that dropped them; `rows_read` = `rows_used` + the sum of `dropped`.
    `notes` are sentences that every output must repeat (weighted zones, a sample drawn, …).
    columns: of the source, those that the points were read from.
    crs: the system of coordinates that they were converted from, such as `EPSG:32719`; None if they were in degrees.
    from_cache: whether the points were read from a cache.
    """

    uri: str
    schema: str
    data_version: str
    rows_read: int
    rows_used: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    from_cache: bool = False
    columns: tuple[str, ...] = ()
    crs: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Cleaned coordinates in degrees (WGS 84).

    latitude, longitude: float64 of shape (n,), finite, in [-90, 90] and [-180, 180].
    weight: float64 of shape (n,), positive, or None if every point counts once.
    fingerprint: hexadecimal SHA-256 of the content (see `taxi_mlops.data.fingerprint`), to which `row` adds nothing.
    row: the 0-based position of each point's row in the input, counted over all files in the order in which they are
    read (header and blank lines do not count): int64 of shape (n,), ascending. None if points represent many rows.
    """

    latitude: FloatArray
    longitude: FloatArray
    weight: FloatArray | None
    fingerprint: str
    provenance: Provenance
    row: RowArray | None = None

    def __len__(self) -> int:
        return int(self.latitude.shape[0])


@dataclass(frozen=True, slots=True)
class Parameters:
    """The two parameters of DBSCAN (Ester et al., KDD 1996).

    eps_metres: radius on the great circle, inclusive. min_samples: the point itself counts, as in scikit-learn; for
    weighted points it is compared with the sum of weights.
    """

    eps_metres: float
    min_samples: int
    metric: Metric = "great_circle"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.eps_metres) and self.eps_metres > 0):
            raise ValueError(f"eps must be a positive number of metres, got {self.eps_metres!r}")
        if self.min_samples < 1:
            raise ValueError(f"min_samples must be at least 1, got {self.min_samples!r}")


@dataclass(frozen=True, slots=True)
class Workload:
    """Points and parameters to cluster."""

    points: Points
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class Resources:
    """The resources of a trial. `cpus` are those that the process is pinned to; empty means not pinned."""

    threads: int
    cpus: tuple[int, ...] = ()
    memory_limit_bytes: int | None = None
    timeout_seconds: float = 600.0


@dataclass(frozen=True, slots=True, eq=False)
class Clustering:
    """The answer of one implementation.

    labels: int32 of shape (n,), clusters numbered from 0, `NOISE` for noise.
    core_mask: bool of shape (n,), or None if the implementation does not report core points.
    about: what the implementation reports about itself (iterations, tiles, …), shown and never relied on.
    """

    labels: LabelArray
    core_mask: BoolArray | None = None
    about: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AdapterInfo:
    """Name, version and capabilities of an adapter.

    exact: whether it promises the clustering of DBSCAN. weighted: whether it accepts sample weights.
    parallel: whether it uses more than one thread or process. requires: the package that it needs beyond the core.
    note: one sentence on how the implementation differs from DBSCAN, if it does.
    """

    name: str
    version: str
    summary: str
    exact: bool
    weighted: bool
    parallel: bool
    homepage: str
    device: Literal["cpu", "gpu"] = "cpu"
    metrics: tuple[Metric, ...] = ("great_circle",)
    note: str = ""


class TrialStatus(StrEnum):
    """The outcome of a trial: exactly one for each trial."""

    OK = "ok"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"
    ERROR = "error"
    INVALID = "invalid"
    SKIPPED = "skipped"


class TrialKind(StrEnum):
    """What a trial measures: `timing` trials are not sampled; `memory` trials are not timed."""

    TIMING = "timing"
    MEMORY = "memory"


MAIN = "main"
"""The workload that a run is about: all of its points, with its own parameters."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of one adapter. `block` is the round of interleaved trials that it belongs to (memory: 0).

    workload: `MAIN`, or the key of a further workload of the run: a sample of the points, or other parameters.
    """

    adapter: str
    kind: TrialKind
    block: int
    workload: str = MAIN

    @property
    def key(self) -> str:
        """The identity of the trial within its run; the journal holds each key once."""
        key = f"{self.adapter}/{self.kind}/{self.block}"
        return key if self.workload == MAIN else f"{key}@{self.workload}"


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """The result of a trial, whatever its status. Seconds are wall-clock seconds unless named otherwise.

    cold_start_seconds: from the start of the process until the adapter was ready (interpreter, imports, warm-up).
    template_seconds: the part of it in which the template of a forked process imported the libraries, once for all its
    forks; None if the process imported them itself.
    fit_user_seconds, fit_system_seconds: CPU time of the process and all its descendants during fit.
    peak_memory_bytes: peak of the whole process tree, from `memory` trials only.
    labels_digest: SHA-256 over labels and core mask, equal for equal answers; names the stored arrays.
    """

    trial: Trial
    status: TrialStatus
    cause: str | None = None
    exit_code: int | None = None
    stderr_tail: str = ""
    adapter_version: str | None = None
    total_seconds: float | None = None
    cold_start_seconds: float | None = None
    template_seconds: float | None = None
    prepare_seconds: float | None = None
    fit_seconds: float | None = None
    fit_user_seconds: float | None = None
    fit_system_seconds: float | None = None
    peak_memory_bytes: int | None = None
    labels_digest: str | None = None
    n_clusters: int | None = None
    n_noise: int | None = None
    about: Mapping[str, str | int | float] = field(default_factory=dict)
