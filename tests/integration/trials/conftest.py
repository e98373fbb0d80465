"""Trials of the adapters of an outside package, which must leave nothing running."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from taxi_mlops.domain import Parameters, Points, Provenance, Resources, Trial, TrialKind, TrialOutcome
from taxi_mlops.trials.processes import marked_processes
from taxi_mlops.trials.runner import run_trial
from taxi_mlops.trials.templates import Templates
from taxi_mlops.trials.workload_folder import write_workload

OUTSIDE_PACKAGE = Path(__file__).parent / "outside_package"
N = 2000


KILLED_SECONDS = 20.0
"""How long what was killed may take to be gone on a busy host."""

RUN = """
import sys
from contextlib import nullcontext
from pathlib import Path
from taxi_mlops.domain import Resources, Trial, TrialKind
from taxi_mlops.trials.runner import run_trial
from taxi_mlops.trials.templates import Templates

folder, run_id, adapter, way = Path(sys.argv[1]), *sys.argv[2:]
try:
    with Templates(run_id, print) if way == "forked" else nullcontext() as templates:
        run_trial(
            Trial(adapter, TrialKind.TIMING, 1), run_id=run_id, workload=folder / "workload", templates=templates,
            resources=Resources(threads=1), scratch=folder / "scratch", labels=folder / "labels",
        )
except KeyboardInterrupt:
    sys.exit(77)
"""


@dataclass(frozen=True)
class Drills:
    """A folder in which trials are run, and what is known of their processes."""

    folder: Path
    run_id: str
    pids_file: Path
    wait_until: Callable[..., Any]
    templates: Templates | None = None
    refusals: list[tuple[str, str]] = field(default_factory=list)

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
            templates=self.templates,
        )

    def start_run(self, adapter: str, processes: int) -> subprocess.Popen[bytes]:
        """Start a process that runs one trial, and wait until the adapter has recorded so many processes."""
        arguments = [str(self.folder), self.run_id, f"drill-{adapter}", "forked" if self.templates else "fresh"]
        run = subprocess.Popen([sys.executable, "-c", RUN, *arguments])
        self.wait_until(lambda: len(self.recorded()) == processes, "the adapter records its processes", 60.0)
        return run

    def forget_scratch(self) -> None:
        """Remove what the trial of a run that was killed has left."""
        (left,) = self.scratch.iterdir()
        left.rmdir()

    def recorded(self) -> list[int]:
        """Return the processes that the adapters reported."""
        return [int(line) for line in self.pids_file.read_text().split()] if self.pids_file.exists() else []

    def running(self) -> list[psutil.Process]:
        """Return the running ones of those that were reported, and of those that have the marker."""
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
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]) -> Iterator[Drills]:
    """Everything that a drill needs; afterwards nothing may run, and nothing may lie in the scratch folder."""
    generator = np.random.default_rng(0)
    points = Points(
        generator.uniform(-33.5, -33.4, N),
        generator.uniform(-70.7, -70.6, N),
        None,
        "fingerprint",
        Provenance("drill", "drill", "1", N, N),
    )
    drills = Drills(tmp_path, f"drill-{uuid.uuid4().hex}", tmp_path / "pids", wait_until)
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
def forked(fresh: Drills) -> Iterator[Drills]:
    """Drills whose trials are forks of templates."""
    refusals: list[tuple[str, str]] = []
    with Templates(fresh.run_id, on_refusal=lambda *refusal: refusals.append(refusal)) as templates:
        yield replace(fresh, templates=templates, refusals=refusals)


@pytest.fixture(params=["fresh", "forked"])
def drills(request: pytest.FixtureRequest) -> Drills:
    """Drills in fresh processes, and in forks of templates: each failure has the same row."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def n_points() -> int:
    return N
