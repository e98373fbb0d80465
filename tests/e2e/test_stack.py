"""`taxi stack` as a user calls it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def taxi(tmp_path):
    pytest.importorskip("supervisor", reason="supervisor is in the extra stack")
    pytest.importorskip("redis", reason="redis is in the extra redis")
    with tempfile.TemporaryDirectory(prefix="taxi-stack-") as place:  # sockets want short paths
        folder = Path(place) / "stack"

        def taxi(*arguments, **environment):
            command = [sys.executable, "-m", "taxi_mlops.cli", *arguments]
            if arguments[0] == "stack":
                command += ["--dir", str(folder)]
            return subprocess.run(
                command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | environment, check=False
            )

        taxi.folder = folder
        try:
            yield taxi
        finally:
            taxi("stack", "down")


def test_up_status_logs_down(taxi):
    from taxi_mlops.stack.native import missing

    if reasons := missing(["redis"]):
        pytest.skip("; ".join(reasons))
    up = taxi("stack", "up", "--native", "--services", "redis")
    assert up.returncode == 0, up.stderr
    settings = taxi.folder / "settings.toml"
    assert up.stdout.splitlines()[-1] == f"settings: export TAXI_SETTINGS={settings}"
    status = taxi("stack", "status")
    assert status.returncode == 0
    assert status.stdout.splitlines()[1].split()[:2] == ["redis", "up"]
    assert "Ready to accept connections" in taxi("stack", "logs", "redis").stdout
    doctor = taxi("doctor", TAXI_SETTINGS=str(settings))
    assert "connection: Redis" in doctor.stdout
    down = taxi("stack", "down")
    assert (down.returncode, down.stdout, down.stderr) == (0, "", "")
    status = taxi("stack", "status")
    assert status.returncode == 1
    assert "not running" in status.stdout


def test_mistakes_are_one_line(taxi):
    assert taxi("stack", "up").stderr == (
        "error: use --native for processes of this machine; for containers: make stack-up\n"
    )
    unknown = taxi("stack", "up", "--native", "--services", "mongodb")
    assert unknown.returncode == 2
    assert unknown.stderr.startswith("error: no service 'mongodb'; there are postgresql, redis, ")
    assert unknown.stderr.count("\n") == 1
    nowhere = taxi("doctor", TAXI_SETTINGS="nowhere.toml")
    assert nowhere.stderr == "error: TAXI_SETTINGS = 'nowhere.toml': there is no such file\n"
