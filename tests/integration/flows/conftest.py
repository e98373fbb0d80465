"""Comparisons of an outside package's adapters, which start fast, on a few points."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from pydantic import SecretStr

from taxi_mlops.flows.compare import compare
from taxi_mlops.flows.observer import Observer
from taxi_mlops.recording.comparison import Comparison
from taxi_mlops.recording.run_folder import RunFolder
from taxi_mlops.settings import Settings
from taxi_mlops.specification import Specification
from taxi_mlops.trials.processes import marked_processes

KILLED_SECONDS = 20.0
"""How long a guardian may take on a busy host to end a trial whose run was killed."""
OUTSIDE_PACKAGE = Path(__file__).parent / "outside_package"


@pytest.fixture(autouse=True)
def outside_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Make the package's adapters known to this process and to those that it starts; nothing may be left running."""
    monkeypatch.syspath_prepend(OUTSIDE_PACKAGE)
    path = os.pathsep.join(filter(None, [str(OUTSIDE_PACKAGE), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("TAXI_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TAXI_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("TAXI_MLFLOW_URI", "off")  # it takes seconds to import
    yield
    deadline = time.monotonic() + KILLED_SECONDS
    while (left := [process for process in marked_processes("") if works_in(tmp_path, process)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.05)
    assert left == []
    sys.modules.pop("light_adapters", None)


def works_in(folder: Path, process: psutil.Process) -> bool:
    """Whether it is of a trial whose scratch lies in the folder; other runs of this host are no concern of a test."""
    try:
        return process.environ().get("JOBLIB_TEMP_FOLDER", "").startswith(str(folder))
    except psutil.Error:
        return False


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "cache", runs_dir=tmp_path / "runs", mlflow_uri=SecretStr("off"))


@pytest.fixture(scope="session")
def trips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 trips around three stands, as a file of no known schema."""
    generator = np.random.default_rng(0)
    stands = np.repeat([[-33.44, -70.65], [-33.45, -70.66], [-33.46, -70.64]], 100, axis=0)
    trips = stands + generator.normal(0.0, 8e-4, stands.shape)
    path = tmp_path_factory.mktemp("trips") / "trips.csv"
    lines = [f"{latitude:.6f},{longitude:.6f}" for latitude, longitude in trips]
    path.write_text("\n".join(["north,east", *lines]), encoding="utf-8")
    return path


@pytest.fixture
def specify(trips: Path) -> Callable[..., Specification]:
    """A specification of these trips: adapters, then any key of the section on trials."""

    def specify(*adapters: str, repeats: int = 2, **plan: object) -> Specification:
        dataset = {"source": str(trips), "latitude_column": "north", "longitude_column": "east"}
        parameters = {"eps_metres": 60.0, "min_samples": 5}
        trials = {"adapters": adapters, "repeats": repeats, "timeout_seconds": 60.0, **plan}
        return Specification.model_validate({"dataset": dataset, "parameters": parameters, "trials": trials})

    return specify


@pytest.fixture
def run(settings: Settings) -> Callable[[Specification, Path], Comparison]:
    """Run a specification into a folder."""

    def run(specification: Specification, folder: Path) -> Comparison:
        return compare(specification, RunFolder(folder), settings, Observer())

    return run
