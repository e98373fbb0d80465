"""`model.json`: all values of a hotspot model, as one versioned document, and the folder of a training.

History of the schema:
1 - first version.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field

from taxi_mlops.evaluation.eps_choice import EpsChoice
from taxi_mlops.evaluation.equivalence import Verdict
from taxi_mlops.evaluation.quality.metrics import Estimate
from taxi_mlops.results.cluster_result import AdapterUsed
from taxi_mlops.results.comparison import ClusteringParametersUsed, Dataset
from taxi_mlops.results.documents import ResultDocument
from taxi_mlops.trials.machine import Machine


class Proof(ResultDocument):
    """The check of the clustering against another implementation, on the points of the training or a sample."""

    reference: str = Field(description="Adapter that clustered the same points.")
    points: int = Field(description="Points that both clustered.")
    verdict: Verdict
    points_differing: int = Field(description="Points on which any clause of the check differs.")

    @property
    def equal(self) -> bool:
        return self.verdict is not Verdict.DIFFERENT


class HeldOut(ResultDocument):
    """The trips that the model has not seen."""

    points: int
    drawn: Literal["last by time", "at random"]
    since: str | None = Field(description="Time of the first of them, as the trips' clocks have it; null at random.")


class UnseenScore(ResultDocument):
    """How well hotspots predict where unseen trips are, by area.

    The area is that of cells of 200 m with any trip in them. Taking hotspots from the densest on, the curve gives the
    share of unseen trips in them against the share of area that they cover.
    """

    score: float = Field(description="Area under the curve: 1 is best, 0.5 is chance.")
    low: float = Field(description="Lower end of its 95 % confidence interval.")
    high: float = Field(description="Upper end of its 95 % confidence interval.")
    share_inside: float = Field(description="Share of unseen trips inside a hotspot.")
    share_of_area: float = Field(description="Share of the area within a hotspot.")
    curve: tuple[tuple[float, float], ...] = Field(
        description="Shares of area and of unseen trips, hotspots from the densest on; at most 101 points."
    )


class Difference(ResultDocument):
    """The difference of two models' scores on the same unseen trips, this model's minus the other's."""

    version: str = Field(description="Version of the other model.")
    other: UnseenScore
    difference: float
    low: float = Field(description="Lower end of its paired 95 % confidence interval.")
    high: float = Field(description="Upper end of its paired 95 % confidence interval.")


class Split(ResultDocument):
    """A hotspot of the version before whose area several hotspots share."""

    id: int = Field(description="Of the version before; the most similar part keeps it.")
    into: tuple[int, ...]


class Merger(ResultDocument):
    """A hotspot that holds several of the version before."""

    id: int
    of: tuple[int, ...] = Field(description="Of the version before; the most similar one gave its id.")


class Changes(ResultDocument):
    """How the hotspots correspond to those of another version."""

    version: str = Field(description="Version that the hotspots were matched to.")
    hotspots_before: int
    kept: int = Field(description="Hotspots with an id of the version before.")
    born: tuple[int, ...] = Field(description="Ids without a counterpart before.")
    vanished: tuple[int, ...] = Field(description="Ids of the version before without a counterpart now.")
    splits: tuple[Split, ...]
    mergers: tuple[Merger, ...]

    @property
    def share_vanished(self) -> float:
        return len(self.vanished) / self.hotspots_before if self.hotspots_before else 0.0


class ModelCard(ResultDocument):
    """All values of a hotspot model."""

    schema_version: Literal[1] = 1
    name: str
    created_at: AwareDatetime
    dataset: Dataset = Field(description="All points, those held out among them.")
    trained_on: int = Field(description="Points that were clustered.")
    parameters: ClusteringParametersUsed
    eps_choice: EpsChoice | None = Field(default=None, description="How eps was chosen; null if it was given.")
    adapter: AdapterUsed
    adapter_reason: str = Field(description="Why this adapter.")
    proof: Proof | None = Field(description="Null if there was no second implementation to check against.")
    time_column: str | None = Field(description="Column of the trips' times; null without one.")
    n_hotspots: int
    n_places: int = Field(description="Places of core points, each counted once.")
    n_noise: int
    next_id: int = Field(description="Least id that no version has used.")
    n_named: int | None = Field(default=None, description="Hotspots with a name; null without a file of places.")
    dbcv: Estimate | None = Field(default=None, description="DBCV of the clusters; null in cards of earlier versions.")
    stability: Estimate | None = Field(
        default=None, description="Stability of the clusters under resampling; null in cards of earlier versions."
    )
    held_out: HeldOut | None = Field(description="Null if nothing was held out.")
    unseen: UnseenScore | None = Field(description="Null if nothing was held out.")
    against_champion: Difference | None = Field(default=None, description="Null without a champion.")
    changes: Changes | None = Field(default=None, description="Null for the first version.")
    seconds: dict[str, float] = Field(description="Wall-clock seconds of each stage.")
    warnings: tuple[str, ...]
    machine: Machine


@dataclass(frozen=True, slots=True)
class TrainingFolder:
    """Paths of the results of one training."""

    path: Path

    @property
    def model(self) -> Path:
        """The model in MLflow's format."""
        return self.path / "model"

    @property
    def unseen(self) -> Path:
        """The unseen trips, on which versions are compared."""
        return self.path / "unseen.npz"

    @property
    def hotspots(self) -> Path:
        return self.path / "hotspots.geojson"

    @property
    def page(self) -> Path:
        return self.path / "card.html"

    @property
    def markdown(self) -> Path:
        return self.path / "card.md"

    @property
    def result(self) -> Path:
        return self.path / "model.json"
