"""A header of a run, for the tests of its files."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from taxi_mlops.domain import Provenance
from taxi_mlops.results.journal import RunHeader
from taxi_mlops.specification import Specification
from taxi_mlops.trials.machine import describe_machine


@pytest.fixture
def header() -> RunHeader:
    return RunHeader(
        run_id="run",
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        specification=Specification.model_validate({"trials": {"adapters": ["sklearn", "dbscan"], "repeats": 2}}),
        fingerprint="0" * 64,
        threads=2,
        n_points=3,
        weighted=False,
        provenance=Provenance("file.csv", "chicago", "v", 4, 3, {"missing": 1}, ("a note",)),
        machine=describe_machine(),
    )
