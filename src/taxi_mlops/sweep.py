"""A sweep as one validated document: a grid of parameters and sizes, every cell of which is a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from taxi_mlops.data.request import LoadRequest
from taxi_mlops.parameters import COMMA_SEPARATED, Named, Section, Without
from taxi_mlops.specification import (
    ALL,
    ClusteringParameters,
    Document,
    Metres,
    MinSamples,
    Repeats,
    Sizes,
    Specification,
    TrialPlan,
)

MAX_CELLS = 1_000

QualityIndex = Literal["dbcv", "silhouette", "stability"]
"""Indices of quality of which higher is better."""


class Grid(Section):
    """The parameters that vary; every combination is a cell."""

    eps_metres: Annotated[
        tuple[Metres, ...] | None, COMMA_SEPARATED, Named("eps", "A,B,…", "half to twice what the points suggest")
    ] = Field(default=None, min_length=1, description="Great-circle radii in metres.")
    min_samples: Annotated[tuple[MinSamples, ...], COMMA_SEPARATED, Named("min_samples", "N,M,…")] = Field(
        default=(5, 10, 20), min_length=1, description="Points within eps, the point itself among them."
    )
    sizes: Sizes = Field(default=(ALL,), min_length=1)


class SweepTrials(TrialPlan):
    """The trials of every cell."""

    repeats: Repeats = 3


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of the grid."""

    size: int
    eps_metres: float
    min_samples: int

    @property
    def name(self) -> str:
        """The name of the cell's folder."""
        return f"n{self.size}-eps{self.eps_metres:.12g}-min{self.min_samples}"

    def __str__(self) -> str:
        return f"{self.size:,} points, eps {self.eps_metres:g} m, min_samples {self.min_samples}"


class Sweep(Document):
    """Data, grid, trials, and the index by which the cells are judged."""

    schema_version: Literal[1] = 1
    dataset: Annotated[LoadRequest, Without("sample")] = Field(default_factory=LoadRequest)
    grid: Grid = Field(default_factory=Grid)
    trials: SweepTrials = Field(default_factory=SweepTrials)
    quality: Annotated[QualityIndex, Named("quality", "INDEX")] = Field(
        default="dbcv", description="Index of quality by which cells are judged: dbcv, silhouette or stability."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.dataset.sample is not None:
            raise PydanticCustomError("sizes", "sizes are samples already: leave out dataset.sample")
        cells = len(self.grid.eps_metres or ()) * len(self.grid.min_samples) * len(self.grid.sizes)
        if cells > MAX_CELLS:
            raise PydanticCustomError("cells", "a sweep has at most 1,000 cells: leave out values of the grid")
        return self

    def cells(self) -> Iterator[Cell]:
        """Return every cell once, the smallest sizes first. Raises ValueError if eps or a size is not chosen yet."""
        sizes = [size for size in dict.fromkeys(self.grid.sizes) if isinstance(size, int)]
        if self.grid.eps_metres is None or len(sizes) < len(set(self.grid.sizes)):
            raise ValueError("eps or a size has not been chosen from the points yet")
        for size in sorted(sizes):
            for min_samples in sorted(set(self.grid.min_samples)):
                for eps in sorted(set(self.grid.eps_metres)):
                    yield Cell(size, eps, min_samples)

    def specification(self, cell: Cell, fingerprint: str) -> Specification:
        """Return the comparison of a cell, which `taxi compare --spec` can run by itself.

        fingerprint: of the cell's points.
        """
        return Specification(
            dataset=self.dataset.model_copy(update={"sample": cell.size}),
            fingerprint=fingerprint,
            parameters=ClusteringParameters(eps_metres=cell.eps_metres, min_samples=cell.min_samples),
            trials=TrialPlan(**self.trials.model_dump()),
        )
