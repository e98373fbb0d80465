"""A trial of every installed adapter that imports ahead is the same in a fork of a template as in a fresh process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from taxi_mlops.adapters.base import ImportsAhead
from taxi_mlops.adapters.registry import list_adapters, load_adapter
from taxi_mlops.domain import Parameters, Points, Provenance, Resources, Trial, TrialKind, TrialOutcome, TrialStatus
from taxi_mlops.trials.runner import run_trial
from taxi_mlops.trials.templates import Templates
from taxi_mlops.trials.workload_folder import write_workload

AVAILABLE = [listing.name for listing in list_adapters() if listing.available]
N = 5000
PEAK_TOLERANCE = 0.1
"""Of the peak: what it differs by from one fresh process to the next."""
POOL_TOLERANCE = 0.6
"""The same for an adapter with worker processes: whether all of them are at their peaks at once is chance."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trials")
    generator = np.random.default_rng(0)
    latitude, longitude = (generator.normal(middle, 0.02, N) for middle in (-33.4, -70.6))
    points = Points(latitude, longitude, None, "fingerprint", Provenance("test", "test", "1", N, N))
    write_workload(points, Parameters(200.0, 10), folder / "workload")
    return folder


def run(folder: Path, adapter: str, kind: TrialKind, templates: Templates | None) -> TrialOutcome:
    outcome = run_trial(
        Trial(adapter, kind, 1),
        run_id="adapters-in-forks",
        workload=folder / "workload",
        resources=Resources(threads=2, timeout_seconds=200.0),
        scratch=folder / "scratch",
        labels=folder / "labels",
        templates=templates,
    )
    assert (outcome.status, outcome.cause) == (TrialStatus.OK, None), outcome.stderr_tail
    return outcome


@pytest.mark.parametrize("adapter", [name for name in AVAILABLE if isinstance(load_adapter(name), ImportsAhead)])
def test_a_fork_answers_and_takes_memory_as_a_fresh_process(folder, adapter):
    refusals: list[tuple[str, str]] = []
    run(folder, adapter, TrialKind.TIMING, None)  # what is compiled is on disk from here on
    alone = run(folder, adapter, TrialKind.MEMORY, None)
    with Templates("adapters-in-forks", lambda *refusal: refusals.append(refusal)) as templates:
        timed, measured = (run(folder, adapter, kind, templates) for kind in (TrialKind.TIMING, TrialKind.MEMORY))
    assert refusals == []
    assert timed.labels_digest == measured.labels_digest == alone.labels_digest
    assert timed.template_seconds is not None
    tolerance = POOL_TOLERANCE if adapter == "sklearn-parallel" else PEAK_TOLERANCE
    assert measured.peak_memory_bytes == pytest.approx(alone.peak_memory_bytes, rel=tolerance)
