"""Real services for tests, by the very code of `taxi stack up --native`; comparisons of adapters that start fast."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from pydantic import SecretStr

from taxi_mlops.pipeline.compare import compare
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.settings import Settings
from taxi_mlops.specification import Specification
from taxi_mlops.trials.processes import marked_processes

StartServices = Callable[..., "Services"]
LIGHT = {"postgresql", "redis", "object-store"}
"""Services that take next to no CPU time while they wait."""
KILLED_SECONDS = 20.0
"""How long a guardian may take on a busy host to end a trial whose run was killed."""


class Services:
    """A running stack of the tests' own.

    `stack.folder.port("redis")` and `.secret(name)` tell of a service, `settings` are what points at it, and
    `TAXI_SETTINGS=stack.folder.settings_file taxi …` runs the command on it.
    """

    def __init__(self, path: Path) -> None:
        from taxi_mlops.stack.native import Stack

        self.stack = Stack.at(path)

    @property
    def settings(self) -> Settings:
        """The settings that point at the services, whatever the environment says."""
        return Settings(**tomllib.loads(self.stack.folder.settings_file.read_text(encoding="utf-8")))

    def up(self, *names: str) -> None:
        """Start more of them; skips the test where a program is missing."""
        from taxi_mlops.stack.native import missing

        if not names:
            return  # and not all of them
        if reasons := missing(names):
            pytest.skip("; ".join(reasons))
        # They end too where the tests are killed.
        self.stack.up(names, launcher=["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else [])
        if "postgresql" in self.stack.folder.services():
            self._forget_disk()

    @contextmanager
    def for_now(self, *names: str) -> Iterator[Services]:
        """Start more of them, and stop them at the end, since they take CPU time while they wait.

        Those that ran before stay, and so do those of `LIGHT`; `up` starts the others again.
        """
        from taxi_mlops.stack.supervision import Supervisor

        folder = self.stack.folder
        kept = {*LIGHT, *folder.services()}
        self.up(*names)
        yield self
        supervisor = Supervisor(folder)
        for name in reversed(folder.services()):
            if name not in kept:
                supervisor.stop(name)
        folder.write_services(tuple(name for name in folder.services() if name in kept))

    def kill(self, name: str) -> None:
        """End a service for good: first who would start it again, then itself, without a chance to clean up."""
        (status,) = [status for status in self.stack.status() if status.name == name]
        os.kill(int((self.stack.folder.runtime / "session").read_text()), signal.SIGKILL)
        process = psutil.Process(status.pid)
        process.kill()
        process.wait(timeout=10)

    def administrator(self, database: str = "postgres") -> str:
        """The URL of a database for PostgreSQL's administrator."""
        folder = self.stack.folder
        place = f"postgres:{folder.secret('postgres_password')}@127.0.0.1:{folder.port('postgresql')}"
        return f"postgresql://{place}/{database}"

    def _forget_disk(self) -> None:
        """What tests store need not outlast the machine."""
        import psycopg

        with psycopg.connect(self.administrator(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")


@contextmanager
def _temporary_services() -> Iterator[Services]:
    pytest.importorskip("supervisor", reason="supervisor is in the extra stack")
    # Not below pytest's own folder: sockets want short paths, and the user postgres must be able to enter.
    with tempfile.TemporaryDirectory(prefix="taxi-stack-") as folder:
        Path(folder).chmod(0o711)
        services = Services(Path(folder) / "stack")
        try:
            yield services
        finally:
            services.stack.down()


@pytest.fixture(scope="session")
def _shared_services() -> Iterator[Services]:
    with _temporary_services() as services:
        yield services


@pytest.fixture(scope="session")
def start_services(request: pytest.FixtureRequest) -> StartServices:
    """`start_services("redis", "object-store")` starts these and what they need, and gives `Services`.

    One stack serves the whole session: keep data of your own apart (buckets' prefixes, keys, databases), and break
    nothing; `own_services` is for that. Skips where a program is missing.
    """

    def start(*names: str) -> Services:
        services = request.getfixturevalue("_shared_services")
        services.up(*names)
        return services

    return start


@pytest.fixture
def own_services() -> Iterator[StartServices]:
    """As `start_services`, but a stack of this test's own, which it may break. It takes seconds to start."""
    with _temporary_services() as services:

        def start(*names: str) -> Services:
            services.up(*names)
            return services

        yield start


@pytest.fixture(scope="module")
def module_services() -> Iterator[StartServices]:
    """As `own_services`, but one stack for all tests of a module."""
    with _temporary_services() as services:

        def start(*names: str) -> Services:
            services.up(*names)
            return services

        yield start


@pytest.fixture
def traced(tmp_path: Path) -> Callable[[], AbstractContextManager[list[dict[str, Any]]]]:
    """`with traced() as spans:` traces as a run is; `spans` are there, as OTLP's JSON, once the context is left."""
    from taxi_mlops.monitoring.tracing import run_trace

    @contextmanager
    def trace() -> Iterator[list[dict[str, Any]]]:
        spans: list[dict[str, Any]] = []
        path = tmp_path / "trace.jsonl"
        with run_trace(path, "run-1", None, print) as tracer, tracer.start_as_current_span("step"):
            yield spans
        for line in path.read_text(encoding="utf-8").splitlines():
            [span] = json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
            attributes = {pair["key"]: next(iter(pair["value"].values())) for pair in span.get("attributes", [])}
            spans.append({"status": {}, **span, "attributes": attributes})
        [*_, step] = spans
        assert {span["parentSpanId"] for span in spans[:-1]} <= {step["spanId"]}

    return trace


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    return until


def until(condition: Callable[[], Any], what: str, within_seconds: float = 30.0) -> Any:
    """What the condition gives, once that is true."""
    deadline = time.monotonic() + within_seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {within_seconds:g} s"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="session")
def light_adapters_folder() -> Path:
    """An installed package that declares adapters which start fast."""
    return Path(__file__).parent / "light_adapters"


@pytest.fixture
def light_adapters(light_adapters_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Make the package's adapters known to this process and to those that it starts; nothing may be left running."""
    monkeypatch.syspath_prepend(light_adapters_folder)
    path = os.pathsep.join(filter(None, [str(light_adapters_folder), os.environ.get("PYTHONPATH")]))
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
