"""Trials of the adapters of an outside package, which must leave nothing running."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest

from taxi_mlops.domain import Parameters, Points, Provenance, Resources, Trial, TrialKind, TrialOutcome
from taxi_mlops.trials.processes import marked_processes
from taxi_mlops.trials.runner import run_trial
from taxi_mlops.trials.workload_folder import write_workload

OUTSIDE_PACKAGE = Path(__file__).parent / "outside_package"
N = 2000


KILLED_SECONDS = 20.0
"""How long what was killed may take to be gone on a busy host."""


@dataclass(frozen=True)
class Drills:
    """A folder in which trials are run, and what is known of their processes."""

    folder: Path
    run_id: str
    pids_file: Path

    @property
    def workload(self) -> Path:
        return self.folder / "workload"

    @property
    def labels(self) -> Path:
        return self.folder / "labels"

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    def run(
        self, adapter: str, kind: TrialKind = TrialKind.TIMING, *, timeout: float = 60.0, memory: int | None = None
    ) -> TrialOutcome:
        return run_trial(
            Trial(f"drill-{adapter}", kind, 1),
            run_id=self.run_id,
            workload=self.workload,
            resources=Resources(threads=2, cpus=(0,), memory_limit_bytes=memory, timeout_seconds=timeout),
            scratch=self.scratch,
            labels=self.labels,
        )

    def recorded(self) -> list[int]:
        """The processes that the adapters told of."""
        return [int(line) for line in self.pids_file.read_text().split()] if self.pids_file.exists() else []

    def running(self) -> list[psutil.Process]:
        """What still runs: of those that were told of, and of those that bear the marker."""
        found = marked_processes(f"{self.run_id}/")
        for pid in self.recorded():
            try:
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found


@pytest.fixture
def drills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drills]:
    """Everything that a drill needs; afterwards nothing may run, and nothing may lie in the scratch folder."""
    generator = np.random.default_rng(0)
    points = Points(
        generator.uniform(-33.5, -33.4, N),
        generator.uniform(-70.7, -70.6, N),
        None,
        "fingerprint",
        Provenance("drill", "drill", "1", N, N),
    )
    drills = Drills(tmp_path, f"drill-{uuid.uuid4().hex}", tmp_path / "pids")
    write_workload(points, Parameters(100.0, 5), drills.workload)
    path = os.pathsep.join(filter(None, [str(OUTSIDE_PACKAGE), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("DRILL_PIDS", str(drills.pids_file))
    yield drills
    deadline = time.monotonic() + KILLED_SECONDS
    while (left := drills.running()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
    assert not drills.scratch.exists() or list(drills.scratch.iterdir()) == []


@pytest.fixture
def n_points() -> int:
    return N
