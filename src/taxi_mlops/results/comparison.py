"""`comparison.json`: the results of a comparison, as one versioned document.

History of the schema:
1 - first version.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import AwareDatetime, Field

from taxi_mlops.domain import Provenance, TrialStatus
from taxi_mlops.errors import RunFolderError
from taxi_mlops.evaluation.eps_choice import EpsChoice
from taxi_mlops.evaluation.equivalence import Equivalence
from taxi_mlops.evaluation.performance import Speedup
from taxi_mlops.evaluation.quality.metrics import QualityMetrics
from taxi_mlops.evaluation.statistics import PairwiseTest
from taxi_mlops.evaluation.workloads import AcrossWorkloads
from taxi_mlops.results.documents import ResultDocument, read_document
from taxi_mlops.trials.machine import Machine

_OF_PROVENANCE = ("uri", "schema", "data_version", "rows_read", "rows_used", "notes", "from_cache", "columns", "crs")


class PointsUsed(ResultDocument):
    """The points, and the counts of cleaning."""

    uri: str = Field(description="File, URL or name of the trips.")
    schema_: str = Field(alias="schema", serialization_alias="schema", description="Trip schema that was recognised.")
    data_version: str = Field(description="Identity of the source as it was read.")
    rows_read: int = Field(ge=0, description="Rows of the source.")
    rows_used: int = Field(ge=0, description="Rows that cleaning kept.")
    points: int = Field(ge=0, description="Points clustered; fewer than rows_used after sampling or by zone.")
    weighted: bool = Field(description="Whether the points have weights.")
    dropped: dict[str, int] = Field(description="Rows dropped, by the name of the rule.")
    notes: tuple[str, ...] = Field(description="Limitations of these points.")
    from_cache: bool = Field(default=False, description="Whether the points were read from the cache.")
    columns: tuple[str, ...] = Field(default=(), description="Columns of the source that the points were read from.")
    crs: str | None = Field(
        default=None, description="System of coordinates that they were converted from; null where in degrees."
    )

    @classmethod
    def of(cls, provenance: Provenance, fingerprint: str | None, points: int, *, weighted: bool) -> Self:
        """Describe a number of points."""
        values = {name: getattr(provenance, name) for name in _OF_PROVENANCE}
        counts = {"points": points, "weighted": weighted, "dropped": dict(provenance.dropped)}
        return cls.model_validate({**values, **counts, "fingerprint": fingerprint})


class Dataset(PointsUsed):
    """The points, with what identifies them."""

    fingerprint: str = Field(description="SHA-256 over the cleaned points.")


class ClusteringParametersUsed(ResultDocument):
    """The parameters of DBSCAN with their metric."""

    eps_metres: float = Field(gt=0, description="Great-circle radius in metres.")
    min_samples: int = Field(ge=1, description="Points within eps, the point itself among them.")
    metric: Literal["great_circle"] = "great_circle"


class AdapterResult(ResultDocument):
    """One adapter. A field that is null is explained in `undefined` under its name."""

    name: str
    version: str | None = Field(default=None, description="Version of the library behind the adapter.")
    exact: bool | None = Field(default=None, description="Whether the adapter promises the clustering of DBSCAN.")
    note: str = Field(default="", description="How the implementation differs from DBSCAN.")
    status: TrialStatus = Field(description="ok, or the outcome of the first trial that failed.")
    reason: str | None = Field(default=None, description="Why it is not ok; null if it is.")
    trials: dict[TrialStatus, int] = Field(description="Trials by outcome.")
    fit_seconds: tuple[float, ...] = Field(description="Wall-clock seconds of every timed trial, in order of blocks.")
    fit_seconds_median: float | None = None
    fit_seconds_ci: tuple[float, float] | None = Field(
        default=None, description="Nonparametric confidence interval of the median, from order statistics."
    )
    fit_seconds_ci_confidence: float | None = Field(default=None, description="The level that the interval attains.")
    prepare_seconds_median: float | None = Field(default=None, description="Conversion of the points.")
    cold_start_seconds: float | None = Field(
        default=None, description="Median time from the start of the process until the adapter was ready."
    )
    cpu_seconds_median: float | None = Field(default=None, description="User and system CPU time of fit.")
    cpu_user_seconds_median: float | None = Field(default=None, description="CPU time of fit in user mode.")
    cpu_system_seconds_median: float | None = Field(default=None, description="CPU time of fit in the kernel.")
    parallel_efficiency: float | None = Field(
        default=None, description="CPU seconds of fit over wall-clock seconds times threads; 1 keeps all threads busy."
    )
    peak_memory_bytes: int | None = Field(default=None, description="Peak of the process tree, in a trial of its own.")
    memory_bytes_per_point: float | None = Field(default=None, description="Peak memory over points.")
    n_clusters: int | None = None
    n_noise: int | None = None
    noise_ratio: float | None = Field(default=None, description="Noise points over points, regardless of weights.")
    equivalence: Equivalence | None = Field(default=None, description="Verdict against the reference.")
    quality: QualityMetrics | None = Field(default=None, description="Indices of the clustering itself.")
    speedup: Speedup | None = Field(default=None, description="Against the reference, by a paired bootstrap.")
    labels: str | None = Field(default=None, description="File with the labels, relative to the run folder.")
    undefined: dict[str, str] = Field(default_factory=dict, description="Why a field is null, by its name.")


class RankingEntry(ResultDocument):
    """One adapter's place. Those without a rank have a reason."""

    rank: int | None = Field(
        default=None, description="1 is the fastest; tied adapters share a rank; null if not ranked."
    )
    name: str
    fit_seconds_median: float | None = None
    tied_with: tuple[str, ...] = Field(default=(), description="Adapters that the data does not distinguish from it.")
    slower_than_winner: Speedup | None = Field(
        default=None, description="How many times faster the winner is; the intervals hold for all pairs at once."
    )
    reason: str | None = Field(default=None, description="Why the adapter has no rank; null if it has one.")


class Findings(ResultDocument):
    """The results on one workload."""

    parameters: ClusteringParametersUsed
    reference: str | None = Field(description="Adapter that the others are compared with; null if all failed.")
    adapters: tuple[AdapterResult, ...]
    ranking: tuple[RankingEntry, ...]
    pairwise: tuple[PairwiseTest, ...] = Field(default=(), description="All pairs of ranked adapters, tested.")
    warnings: tuple[str, ...]


class WorkloadResult(Findings):
    """A workload beside the main one. Quality is measured, and labels are kept, for the main workload alone."""

    key: str = Field(description="As trials name it in the journal.")
    points: int = Field(ge=0, description="A sample of the points, or as many as the main workload has.")
    fingerprint: str = Field(description="SHA-256 over its points.")


class Comparison(Findings):
    """All results of a comparison. What is not under `workloads` is of the main workload, the largest."""

    schema_version: Literal[1] = 1
    run_id: str
    created_at: AwareDatetime
    dataset: Dataset
    machine: Machine
    threads: int
    eps_choice: EpsChoice | None = Field(default=None, description="How eps was chosen; null if it was given.")
    workloads: tuple[WorkloadResult, ...] = Field(default=(), description="Samples and other parameters, if any.")
    across_workloads: AcrossWorkloads | None = Field(
        default=None, description="Growth, forecasts and ranks over all workloads; null if there is only one."
    )
    trials_seconds: float = Field(description="Wall-clock time of all trials, start-up included.")


def read_comparison(path: Path) -> Comparison:
    """Read a `comparison.json`. Raises RunFolderError if it is missing, UsageError if it is something else."""
    found = read_document(Comparison, path)
    if found is None:
        raise RunFolderError(f"{path} is missing: the run has not ended; resume it with --resume {path.parent}")
    return found
