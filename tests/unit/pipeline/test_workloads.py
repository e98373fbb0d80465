"""Which workloads a specification asks for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from taxi_mlops.domain import MAIN, Points, Provenance
from taxi_mlops.errors import UsageError
from taxi_mlops.pipeline.workloads import wanted_points, write_further
from taxi_mlops.results.journal import RunHeader
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.specification import Specification
from taxi_mlops.trials.machine import describe_machine
from taxi_mlops.trials.workload_folder import open_workload

POINTS = Points(np.linspace(0.0, 1.0, 500), np.zeros(500), None, "f", Provenance("file.csv", "columns", "1", 500, 500))
PAIRS = [{"eps_metres": 50, "min_samples": 5}, {"eps_metres": 100, "min_samples": 10}]


def specify(**workloads: object) -> Specification:
    return Specification.model_validate({"workloads": workloads})


def test_the_largest_size_is_the_main_workload() -> None:
    assert wanted_points(specify(sizes=[1000, 100])).sample == 1000
    assert wanted_points(specify(sizes=[1000, "all"])).sample is None
    assert wanted_points(specify()).sample is None
    with pytest.raises(UsageError, match="--sample 7"):
        wanted_points(Specification.model_validate({"dataset": {"sample": 7}, "workloads": {"sizes": [5]}}))


def test_samples_and_other_parameters_are_written_for_the_trials(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    specification = specify(sizes=[200, 100, 200, 500, 9000], parameters=PAIRS)
    further = write_further(POINTS, specification, folder)
    assert [(one.key, one.n_points) for one in further] == [("n100", 100), ("n200", 200), ("eps50-min5", 500)]
    for one in further:
        workload = open_workload(folder.workload(one.key))
        assert len(workload.points) == one.n_points
        assert workload.points.fingerprint == one.fingerprint
        assert (workload.parameters.eps_metres, workload.parameters.min_samples) == (one.eps_metres, one.min_samples)


def test_a_header_has_each_workload(tmp_path: Path) -> None:
    specification = specify(sizes=[100, 200], parameters=PAIRS)
    header = RunHeader(
        run_id="run",
        created_at="2026-01-02T03:04:05Z",
        specification=specification,
        fingerprint="f",
        threads=1,
        n_points=500,
        weighted=False,
        provenance=POINTS.provenance,
        machine=describe_machine(),
        further=write_further(POINTS, specification, RunFolder(tmp_path)),
    )
    assert header.workloads == ("n100", "n200", MAIN, "eps50-min5")
    assert [header.of(key).n_points for key in header.workloads] == [100, 200, 500, 500]
    assert header.of("eps50-min5").specification.parameters.to_domain().eps_metres == 50.0
    assert header.of(MAIN).specification.parameters == specification.parameters
    assert header.smaller_than(MAIN) == ("n100", "n200")
    assert header.smaller_than("n100") == header.smaller_than("eps50-min5") == ()
    assert RunHeader.model_validate_json(header.model_dump_json()) == header
