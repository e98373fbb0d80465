"""`taxi serve` as a process: it takes up a new champion, and finishes what is under way when it is ended."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner

from taxi_mlops.cli.main import app
from taxi_mlops.errors import UsageError

pytest.importorskip("uvicorn", reason="uvicorn is in the extra serve")


@pytest.fixture
def versions(registry, register_copy):
    """Registers two versions under a name; the first is champion."""

    def registered(name: str):
        made = [register_copy(name) for _ in range(2)]
        registry.crown(made[0], None)
        return made

    return registered


@contextmanager
def served(settings, *options: str):
    """Start the service on a free port; gives its process and the port."""
    environment = {**os.environ, "TAXI_RUNS_DIR": str(settings.runs_dir)}
    command = [sys.executable, "-m", "taxi_mlops.cli", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stderr.readline()
        found = re.search(r":(\d+)/$", line)
        assert found, line + process.stderr.read()
        yield process, int(found[1])
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def asked(port: int, path: str) -> dict:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_new_champion_is_taken_up_and_work_under_way_is_finished(registry, versions, settings):
    one, two = versions("served")
    with served(settings, "--model", "served") as (process, port):
        assert asked(port, "/readyz")["version"] == "1"
        registry.crown(two, one)
        until = time.monotonic() + 60
        while asked(port, "/readyz")["version"] != "2":
            assert time.monotonic() < until, "the new champion was not taken up"
            time.sleep(0.2)
        body = json.dumps({"points": [{"latitude": 45.0, "longitude": -30.0}]}).encode()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.putrequest("POST", "/v1/locate")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        assert connection.sock.recv(100).startswith(b"HTTP/1.1 100 ")  # the service waits for the body
        process.send_signal(signal.SIGTERM)
        until = time.monotonic() + 60
        while is_listening(port):
            assert time.monotonic() < until, "the service still takes connections"
            time.sleep(0.1)
        connection.send(body)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["version"]) == (200, "2")
        connection.close()
        assert process.wait(timeout=60) in (0, -signal.SIGTERM)


def test_what_cannot_be_served_is_said(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("TAXI_RUNS_DIR", str(settings.runs_dir))
    run = CliRunner()
    with pytest.raises(UsageError, match="there is no model 'nobody'"):
        run.invoke(app, ["serve", "--model", "nobody"], catch_exceptions=False)
    with pytest.raises(UsageError, match="API keys are needed"):
        run.invoke(app, ["serve", "--host", "0.0.0.0"], catch_exceptions=False)
    with pytest.raises(UsageError, match="--new-key needs the file"):
        run.invoke(app, ["serve", "--new-key", "lab"], catch_exceptions=False)
    token = run.invoke(app, ["serve", "--new-key", "lab", "--keys", str(tmp_path / "keys")]).stdout.strip()
    assert len(token) >= 43
