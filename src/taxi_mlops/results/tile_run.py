"""The working folder of a clustering in tiles: what it needs to be resumed, whenever it was killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field

from taxi_mlops.clustering import Cluster
from taxi_mlops.errors import RunFolderError
from taxi_mlops.results.cluster_result import ClusterFolder
from taxi_mlops.results.documents import ResultDocument, read_document
from taxi_mlops.results.run_folder import held


class TileRun(ResultDocument):
    """What is clustered, and how. The same pieces and chunks are made of it again."""

    schema_version: Literal[1] = 1
    created_at: AwareDatetime
    taxi_mlops: str = Field(description="Version of this package.")
    document: Cluster
    identity: str = Field(description="Of the input.")
    reason: str = Field(description="Why in tiles.")
    spill: str = Field(description="Folder of the files between the stages.")
    points_of_a_tile: int = Field(ge=1)
    chunk_rows: int = Field(ge=1)


class SurveyUsed(ResultDocument):
    """What the first reading of the input found."""

    rows: tuple[int, ...] = Field(description="Rows of each piece of the input.")
    region: tuple[float, float, float, float] | None = Field(description="Box that points are kept in.")
    notes: tuple[str, ...] = Field(description="On the points.")


@dataclass(frozen=True, slots=True)
class TileRunFolder:
    """Paths of what is needed until a clustering in tiles is complete."""

    results: ClusterFolder

    @property
    def run(self) -> Path:
        return self.results.work / "run.json"

    @property
    def survey(self) -> Path:
        """It is written once the plan is."""
        return self.results.work / "survey.json"

    @property
    def spill(self) -> Path:
        """The files between the stages, unless another folder is named for them."""
        return self.results.work / "spill"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder. Raises RunFolderInUseError if another process holds it."""
        with held(self.results.path / ".lock", self.results.path):
            yield

    def read(self) -> TileRun:
        """Return the run that can be resumed. Raises RunFolderError if there is none."""
        run = read_document(TileRun, self.run)
        if run is None:
            done = self.results.result.is_file()
            what = "is complete" if done else "holds no clustering in tiles that could be resumed"
            raise RunFolderError(f"{self.results.path} {what}")
        return run
