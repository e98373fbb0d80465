"""A Prefect server with workers, and adapters of an outside package, which start fast."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from functools import partial

import httpx
import psutil
import pytest


@pytest.fixture(autouse=True)
def _light_adapters(light_adapters):
    """All tests of this folder may name them."""


ANSWERS = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from taxi_mlops.cli.main import main

for line in sys.stdin:
    said, complained, code = io.StringIO(), io.StringIO(), 0
    sys.argv = ["taxi", *json.loads(line)]
    with redirect_stdout(said), redirect_stderr(complained):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    print(json.dumps([code, said.getvalue(), complained.getvalue()]), flush=True)
"""
"""One process that runs the commands of lines, one after the other: each of its own would import Prefect again."""


class Prefect:
    """A server on PostgreSQL and Redis, and workers of a pool of the tests' own."""

    patience_seconds = 240
    pool = "taxi-tests-of-deployments"
    zone = "America/Santiago"

    def __init__(self, services, adapters, folder, wait_until):
        self.folder = folder
        self.wait_for = partial(wait_until, within_seconds=self.patience_seconds)
        self.stack = services.stack
        self.url = str(services.settings.prefect_api_url)
        password = services.settings.prefect_api_auth.get_secret_value()
        self.client = httpx.Client(auth=tuple(password.split(":", 1)), timeout=60)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | {
            "PREFECT_HOME": str(folder / "home"),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "true",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(adapters), os.environ.get("PYTHONPATH")])),
            "TAXI_PREFECT_API_URL": self.url,
            "TAXI_PREFECT_API_AUTH": password,
            "TAXI_PREFECT_WORK_POOL": self.pool,
            "TAXI_SCHEDULE_TIMEZONE": self.zone,
            "TAXI_CACHE_DIR": str(folder / "cache"),
            "TAXI_RUNS_DIR": str(folder / "runs"),
            "TAXI_MLFLOW_URI": "off",
        }
        self.settings = services.settings
        for name in ("object_store_url", "object_store_access_key", "object_store_secret_key", "object_store_region"):
            value = getattr(self.settings, name)
            self.environment[f"TAXI_{name.upper()}"] = str(getattr(value, "get_secret_value", lambda v=value: v)())
        self.worker_environment = {"PREFECT_API_URL": self.url, "PREFECT_API_AUTH_STRING": password}
        self.processes = []
        self.answering = None

    def start(self, *words, **environment):
        with (self.folder / f"{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *map(str, words)],
                env=self.environment | environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def ends_well(self, process):
        """Wait for a process that was started here, and let a failure tell what it printed."""
        code = process.wait(timeout=self.patience_seconds)
        assert code == 0, (self.folder / f"{self.processes.index(process)}.log").read_text(encoding="utf-8")

    def restart(self, name):
        """Kill a service; its supervisor starts it again."""
        [service] = [status for status in self.stack.status() if status.name == name]
        psutil.Process(service.pid).kill()

        def is_back():
            return [
                status
                for status in self.stack.status()
                if status.name == name and status.pid != service.pid and status.up
            ]

        self.wait_for(is_back, f"{name} to be back")

    def start_worker(self, name):
        options = ("--pool", self.pool, "--type", "process", "--name", name)
        return self.start("-m", "prefect", "worker", "start", *options, **self.worker_environment)

    def taxi(self, *words):
        return self.python("-m", "taxi_mlops.cli", *map(str, words))

    def answered(self, *words):
        """As `taxi`, with the same commands, but in a process that has imported Prefect already."""
        if self.answering is None:
            self.answering = subprocess.Popen(
                [sys.executable, "-c", ANSWERS],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            self.processes.append(self.answering)
        print(json.dumps([*map(str, words)]), file=self.answering.stdin, flush=True)
        line = self.answering.stdout.readline()
        assert line, f"the process ended with {self.answering.wait()} on {words}"
        code, stdout, stderr = json.loads(line)
        return subprocess.CompletedProcess(words, code, stdout, stderr)

    def python(self, *words):
        return subprocess.run(
            [sys.executable, *words],
            check=False,
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=self.patience_seconds,
        )

    def ask(self, what, **body):
        return self.client.post(f"{self.url}/{what}/filter", json=body).json()

    def run(self, flow_run_id):
        return self.client.get(f"{self.url}/flow_runs/{flow_run_id}").json()

    def started(self, *words):
        """The id of a flow run that `taxi run` asked for."""
        finished = self.answered("run", *words)
        assert finished.returncode == 0, finished.stderr
        return re.search(r"flow-run/([0-9a-f-]{36})", finished.stdout)[1]

    def wait_until(self, flow_run_id, *states):
        return self.wait_for(
            lambda: (run := self.run(flow_run_id)) and run["state"]["type"] in states and run, f"{states} of a run"
        )

    def processes_of(self, flow_run_id):
        """The process that a worker runs the flow in."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("PREFECT__FLOW_RUN_ID") == flow_run_id and "prefect" in process.cmdline()[2]:
                    found.append(process)
            except (psutil.Error, IndexError):
                continue
        return found

    def stop(self):
        """End everything that was started here, flow runs of workers too, which have sessions of their own."""
        ours = str(self.folder / "home")
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("PREFECT_HOME") == ours:
                    process.kill()
        for process in self.processes:
            process.wait()
        if self.answering is not None:
            self.answering.stdin.close()
            self.answering.stdout.close()
        self.client.close()


@pytest.fixture(scope="module")
def prefect(start_services, light_adapters_folder, tmp_path_factory, wait_until):
    with start_services().for_now("prefect-server", "object-store") as services:
        prefect = Prefect(services, light_adapters_folder, tmp_path_factory.mktemp("prefect"), wait_until)
        yield prefect
        prefect.stop()
