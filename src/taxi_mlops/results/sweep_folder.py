"""The folder of a sweep: its document, the choices made before its first cell, and a run folder for each cell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from taxi_mlops.errors import RunFolderError
from taxi_mlops.evaluation.eps_choice import EpsChoice
from taxi_mlops.results.documents import read_document
from taxi_mlops.results.run_folder import RunFolder, held
from taxi_mlops.sweep import Cell, Sweep
from taxi_mlops.trials.machine import Machine

_FINISHING_SECONDS = 600.0


class SizeDrawn(BaseModel):
    """The points of all cells of one size. trips: the number drawn; points: fewer if they have weights."""

    model_config = ConfigDict(frozen=True)

    trips: int
    points: int
    fingerprint: str


class SweepHeader(BaseModel):
    """A sweep with every choice made, once its points are loaded."""

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    sweep_id: str
    created_at: AwareDatetime
    sweep: Sweep
    sizes: tuple[SizeDrawn, ...]
    machine: Machine
    curves: tuple[EpsChoice, ...] = Field(description="The eps that each min_samples suggests, on the largest size.")
    curves_missing: tuple[str, ...] = Field(description="Why a min_samples suggests none.")

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(self.sweep.cells())


@dataclass(frozen=True, slots=True)
class SweepFolder:
    """The paths of a sweep. `points` is a working folder; the rest are results."""

    path: Path

    @property
    def document(self) -> Path:
        """The document of the sweep, with every choice filled in once it has begun."""
        return self.path / "sweep.toml"

    @property
    def header(self) -> Path:
        return self.path / "header.json"

    @property
    def result(self) -> Path:
        return self.path / "sweep.json"

    @property
    def report(self) -> Path:
        return self.path / "sweep.html"

    @property
    def points(self) -> Path:
        """A workload folder for each size, while the sweep lasts."""
        return self.path / "points"

    @property
    def cells(self) -> Path:
        return self.path / "cells"

    def cell(self, cell: Cell) -> RunFolder:
        return RunFolder(self.cells / cell.name)

    def create(self) -> None:
        """Create the folder. Raises RunFolderError if that fails, or if it contains anything already."""
        if self.document.is_file():
            raise RunFolderError(f"{self.path} holds a sweep already; resume it with --resume {self.path}")
        RunFolder(self.path).create()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock for the work before the first cell and after the last; other workers wait for it."""
        with held(self.path / ".lock", self.path, _FINISHING_SECONDS):
            yield

    def read_header(self) -> SweepHeader | None:
        """Return the choices, None before they are made. Raises RunFolderError for a broken file."""
        return read_document(SweepHeader, self.header, "start a new sweep")
