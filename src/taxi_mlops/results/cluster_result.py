"""`cluster.json` and `prediction.json`: the results of a clustering and of a prediction, and their folders.

History of the schema:
1 - first version.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import AwareDatetime, Field

from taxi_mlops.domain import AdapterInfo
from taxi_mlops.evaluation.eps_choice import EpsChoice
from taxi_mlops.results.comparison import ClusteringParametersUsed, Dataset, PointsUsed
from taxi_mlops.results.documents import ResultDocument
from taxi_mlops.results.label_table import LabelFormat
from taxi_mlops.trials.machine import Machine


class AdapterUsed(ResultDocument):
    """The implementation that was used."""

    name: str
    version: str = Field(description="Version of the library behind the adapter.")
    exact: bool = Field(description="Whether the adapter promises the clustering of DBSCAN.")
    note: str = Field(default="", description="How the implementation differs from DBSCAN.")

    @classmethod
    def of(cls, info: AdapterInfo) -> Self:
        """Return the part of an adapter's description that results keep."""
        return cls(name=info.name, version=info.version, exact=info.exact, note=info.note)


class ModelUsed(ResultDocument):
    """The saved clustering that was used to predict."""

    path: str
    eps_metres: float
    min_samples: float
    n_clusters: int
    n_core: int = Field(description="Core points of the model.")


class PredictionResult(ResultDocument):
    """The results of one prediction, without the labels themselves."""

    schema_version: Literal[1] = 1
    created_at: AwareDatetime
    dataset: Dataset
    model: ModelUsed
    n_in_clusters: int = Field(description="Points within eps of a core point.")
    share_in_clusters: float = Field(description="Their share of all points.")
    seconds: dict[str, float] = Field(description="Wall-clock seconds of each stage.")
    labels: str = Field(description="Name of the file of labels.")
    warnings: tuple[str, ...]
    machine: Machine


class LargestCluster(ResultDocument):
    """One of the largest clusters. Its outline is in hotspots.geojson."""

    label: int = Field(description="As in the file of labels.")
    points: int = Field(description="Points of the cluster.")
    latitude: float = Field(description="Mean of its points, in degrees.")
    longitude: float = Field(description="Mean of its points, in degrees.")
    area_km2: float = Field(description="Area of its outline.")
    density_per_km2: float | None = Field(description="Points over that area; null if it has none.")


class ClusteredPoints(PointsUsed):
    """The points, with what identifies them if they were in memory together."""

    fingerprint: str | None = Field(description="SHA-256 over the cleaned points; null if they were in tiles.")


class TilesUsed(ResultDocument):
    """How points were cut into tiles. The tiles themselves are in plan.json."""

    tiles: int = Field(ge=1, description="Number of tiles.")
    on: str = Field(description="What clustered them: tiles (processes of this machine), or a cluster.")
    workers: int = Field(ge=1, description="Tiles clustered at a time.")
    points_in_halos: int = Field(ge=0, description="Points that were seen by further tiles than their own, each time.")
    spill_bytes: int = Field(ge=0, description="Size of the files between the stages, which are removed at the end.")


class ClusterResult(ResultDocument):
    """The results of one clustering, without the labels themselves."""

    schema_version: Literal[1] = 1
    created_at: AwareDatetime
    dataset: ClusteredPoints
    parameters: ClusteringParametersUsed
    adapter: AdapterUsed
    threads: int
    place: str = Field(default="memory", description="Where the points were clustered: memory, or tiles.")
    place_reason: str = Field(default="", description="Why there.")
    tiles: TilesUsed | None = Field(default=None, description="The tiles; null in memory.")
    eps_choice: EpsChoice | None = Field(default=None, description="How eps was chosen; null if it was given.")
    n_clusters: int
    n_noise: int
    noise_ratio: float = Field(description="Noise points over points, regardless of weights.")
    n_core: int | None = Field(description="Core points; null if the implementation does not report them.")
    largest: tuple[LargestCluster, ...] = Field(description="The largest clusters, ten at most, the largest first.")
    seconds: dict[str, float] = Field(description="Wall-clock seconds of each stage.")
    labels: str = Field(description="Name of the file of labels, or of the folder with its parts.")
    model: str | None = Field(description="Name of the model for predictions; null if there is none (see warnings).")
    warnings: tuple[str, ...]
    machine: Machine


@dataclass(frozen=True, slots=True)
class ClusterFolder:
    """Paths of the results of one clustering."""

    path: Path

    MODEL: ClassVar[str] = "model.npz"

    def labels(self, kind: LabelFormat) -> Path:
        return self.path / f"labels.{kind}"

    @property
    def parts(self) -> Path:
        """The folder of the labels' parts, where points were clustered in tiles."""
        return self.path / "labels"

    @property
    def plan(self) -> Path:
        """The tiles."""
        return self.path / "plan.json"

    @property
    def work(self) -> Path:
        """The working folder of a clustering in tiles, until it is complete."""
        return self.path / "work"

    @property
    def trace(self) -> Path:
        """The spans of a clustering in tiles, one a line, as OTLP JSON."""
        return self.path / "trace.jsonl"

    @property
    def metrics(self) -> Path:
        """The metrics of a clustering in tiles in Prometheus' text format."""
        return self.path / "metrics.prom"

    @property
    def model(self) -> Path:
        """Core points and their clusters, for `taxi predict`."""
        return self.path / self.MODEL

    @property
    def hotspots(self) -> Path:
        return self.path / "hotspots.geojson"

    @property
    def page(self) -> Path:
        return self.path / "clusters.html"

    @property
    def result(self) -> Path:
        return self.path / "cluster.json"


@dataclass(frozen=True, slots=True)
class PredictionFolder:
    """Paths of the results of one prediction."""

    path: Path

    def labels(self, kind: LabelFormat) -> Path:
        return self.path / f"labels.{kind}"

    @property
    def result(self) -> Path:
        return self.path / "prediction.json"
