"""Programs in other languages: as trials that are limited like all others, and those that come with the package."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import tomli_w

from taxi_mlops.adapters import programs
from taxi_mlops.adapters.program import ProgramAdapter
from taxi_mlops.adapters.programs import install_program, is_installed, load_program, program_path
from taxi_mlops.domain import NOISE, Parameters, Resources, Trial, TrialKind, TrialOutcome, TrialStatus
from taxi_mlops.errors import TaxiError
from taxi_mlops.evaluation.equivalence import Verdict, check_equivalence
from taxi_mlops.testing.cases import Case, around, make_points, unweighted_cases
from taxi_mlops.testing.conformance import AdapterConformance, oracle
from taxi_mlops.trials.clusterings import checked_clustering
from taxi_mlops.trials.processes import marked_processes
from taxi_mlops.trials.runner import run_trial
from taxi_mlops.trials.workload_folder import write_workload

FAKE = Path(__file__).parents[2] / "unit" / "adapters" / "fake_program.py"
RUN_ID = "20261129T000000Z-0f0f0f"


@pytest.fixture
def trial(tmp_path: Path):
    """Run a trial of the fake program that fails in some way, on twenty points."""
    write_workload(around(np.arange(20) * 40.0, np.zeros(20)), Parameters(50.0, 3), tmp_path / "workload")

    def run(way: str, kind: TrialKind = TrialKind.TIMING, seconds: float = 60.0, **values: object) -> TrialOutcome:
        file = tmp_path / "fake.toml"
        described = {"name": "fake", "summary": "a fake", "install": "get it", "exact": True}
        file.write_text(tomli_w.dumps(described | {"command": [sys.executable, str(FAKE), way]} | values))
        outcome = run_trial(
            Trial("fake", kind, 1),
            run_id=RUN_ID,
            workload=tmp_path / "workload",
            resources=Resources(threads=1, timeout_seconds=seconds),
            scratch=tmp_path / "scratch",
            labels=tmp_path / "labels",
            adapter_file=file,
        )
        assert not marked_processes(f"{RUN_ID}/"), "the program has outlived its trial"
        assert not list((tmp_path / "scratch").iterdir()), "files of the trial are left"
        return outcome

    return run


def test_a_program_is_timed_and_its_memory_is_that_of_both_processes(trial) -> None:
    timed = trial("right")
    assert (timed.status, timed.adapter_version, timed.n_clusters, timed.n_noise) == (TrialStatus.OK, "1.5", 1, 0)
    assert timed.fit_seconds is not None
    assert timed.prepare_seconds is not None
    assert timed.about == {"points": 20}
    measured = trial("right", TrialKind.MEMORY)
    assert measured.labels_digest == timed.labels_digest
    assert measured.peak_memory_bytes is not None


def test_a_crash_keeps_what_the_program_printed(trial) -> None:
    outcome = trial("crash")
    assert outcome.status is TrialStatus.ERROR
    assert "exited with code 3" in str(outcome.cause)
    assert "a word about the crash" in outcome.stderr_tail


def test_a_program_that_hangs_is_killed_at_the_limit_of_its_trial(trial) -> None:
    assert trial("hang", seconds=10.0).status in (TrialStatus.TIMEOUT, TrialStatus.ERROR)


def test_other_failures_are_outcomes_too(trial) -> None:
    assert trial("short").status is TrialStatus.INVALID
    assert trial("killed").status is TrialStatus.OUT_OF_MEMORY
    missing = trial("right", command=["no-such-program"])
    assert missing.status is TrialStatus.SKIPPED
    assert missing.cause == "program no-such-program is not installed; install it with: get it"


def installed(name: str, cache: Path, *tools: str) -> ProgramAdapter:
    """Install a program that comes with the package; skip where its tools or the registry are absent."""
    absent = [tool for tool in tools if shutil.which(tool) is None]
    if absent:
        pytest.skip(f"{' and '.join(absent)} is not installed")
    try:
        with patch.object(programs, "BUILD_SECONDS", 100.0):
            install_program(name, cache)
    except TaxiError as error:
        pytest.skip(f"{name} cannot be built here: {error}")
    assert is_installed(name, cache)
    return load_program(program_path(name, cache))


def prepared(name: str) -> ProgramAdapter:
    """Return a program that takes minutes to build, from a cache where it is installed; skip without one."""
    cache = Path(os.environ.get("TAXI_TEST_PROGRAMS", "no-such-folder"))
    if not is_installed(name, cache):
        pytest.skip(f"TAXI_TEST_PROGRAMS names no cache in which `taxi adapters install {name}` has built it")
    return load_program(program_path(name, cache))


class TestTurf(AdapterConformance):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _install(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        cls.adapter = installed("turf", tmp_path_factory.mktemp("turf"), "node", "npm")

    def _labels(self, latitude: list[float], longitude: list[float], eps: float) -> list[int]:
        problem = self.adapter.prepare(make_points(latitude, longitude), Parameters(eps, 2), Resources(1))
        return self.adapter.fit(problem).labels.tolist()

    def test_it_is_turf_of_the_lock_file(self) -> None:
        assert self.adapter.info.version == "7.2.0"

    def test_it_finds_no_neighbours_across_the_antimeridian(self) -> None:
        assert self._labels([10.0, 10.0], [180.0, 180.0], 50.0) == [0, 0]
        assert self._labels([10.0, 10.0], [180.0, -180.0], 50.0) == [NOISE, NOISE]

    def test_its_box_is_too_narrow_at_the_equator(self) -> None:
        """They are 4,978 km apart."""
        assert self._labels([10.0, 10.0], [0.0, 45.5], 5_000_000.0) == [NOISE, NOISE]


class TestCommonsMath(AdapterConformance):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _install(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        cls.adapter = installed("commons-math", tmp_path_factory.mktemp("commons-math"), "java", "javac", "mvn")

    def test_its_version_is_that_of_its_jar(self) -> None:
        assert self.adapter.info.version == "3.6.1"


class TestRDbscan(AdapterConformance):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _install(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        cls.adapter = installed("r-dbscan", tmp_path_factory.mktemp("r-dbscan"), "Rscript")


class TestDensityClustering(AdapterConformance):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _install(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        cls.adapter = installed("density-clustering", tmp_path_factory.mktemp("density"), "node", "npm")

    def test_it_is_that_of_the_lock_file(self) -> None:
        assert self.adapter.info.version == "1.3.0"


class TestSmile(AdapterConformance):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _install(cls) -> None:
        cls.adapter = prepared("smile")


class TestElki(AdapterConformance):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _install(cls) -> None:
        cls.adapter = prepared("elki")


class TestLinfa(AdapterConformance):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _install(cls) -> None:
        cls.adapter = prepared("linfa")


class InThePlane(AdapterConformance):
    """Of those that know the plane alone: right in a city, at a pole, across the antimeridian; wrong on the globe."""

    WRONG = frozenset({"towns all over the earth"})

    @pytest.mark.parametrize("case", unweighted_cases(), ids=str)
    def test_only_what_its_note_says_is_wrong(self, case: Case) -> None:
        points, parameters = case.workload.points, case.workload.parameters
        found = checked_clustering(self._cluster(case.workload), len(points))
        verdict = check_equivalence(points, parameters, oracle(case), found).verdict
        assert (verdict is Verdict.DIFFERENT) == (case.name in self.WRONG)

    def test_the_error_of_the_projection_is_reported(self) -> None:
        east = np.linspace(-30_000.0, 30_000.0, 200)
        problem = self.adapter.prepare(around(east, np.zeros(200)), Parameters(50.0, 3), Resources(1))
        error = self.adapter.fit(problem).about["projection_error_metres"]
        assert 2.5e-4 < float(error) < 3.0e-4


class TestGeo(InThePlane):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _install(cls) -> None:
        cls.adapter = prepared("geo")


class TestPostgis(InThePlane):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _install(cls) -> None:
        cls.adapter = prepared("postgis")
