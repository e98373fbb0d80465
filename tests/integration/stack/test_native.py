"""A stack of real processes: brought up, asked, broken, brought down."""

from __future__ import annotations

import json
import os
import signal
import stat

import httpx
import psutil
import pytest
from typer.testing import CliRunner

from taxi_mlops.errors import ServiceError, UsageError
from taxi_mlops.stack.native import Stack
from taxi_mlops.stack.supervision import MARKER


def processes_of(stack):
    """All processes that work in the stack's folder, or bear its mark."""
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            marked = process.environ().get(MARKER) == stack.folder.identifier
            if marked or process.cwd().startswith(str(stack.folder.path)):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def test_up_again_changes_nothing_and_down_leaves_nothing(own_services):
    stack = own_services("postgresql", "redis").stack
    before = {status.name: (status.pid, status.address) for status in stack.status()}
    settings = stack.folder.settings_file.read_bytes()
    lines = []
    stack.up(["redis"], lines.append)
    assert {status.name: (status.pid, status.address) for status in stack.status()} == before
    assert stack.folder.settings_file.read_bytes() == settings
    assert [line.split()[0] for line in lines] == ["postgresql", "redis"]
    assert processes_of(stack)
    stack.down()
    assert processes_of(stack) == []
    assert all(not status.up and status.problem == "not running" for status in stack.status())
    stack.down()


def test_what_a_killed_supervisor_left_is_ended(own_services):
    services = own_services("postgresql", "redis")
    stack = services.stack
    os.kill(int((stack.folder.runtime / "session").read_text()), signal.SIGKILL)
    assert {process.info["name"] for process in processes_of(stack)} >= {"postgres", "redis-server"}
    services.up("redis")
    assert all(status.up for status in stack.status())
    os.kill(int((stack.folder.runtime / "session").read_text()), signal.SIGKILL)
    stack.down()
    assert processes_of(stack) == []


def test_a_service_that_dies_is_started_again(own_services):
    stack = own_services("redis").stack
    killed = psutil.Process(stack.status()[0].pid)
    killed.kill()
    killed.wait()
    stack.up(["redis"])
    (status,) = stack.status()
    assert status.up
    assert status.pid != killed.pid


def test_prometheus_scrapes_what_is_brought_up_later(own_services, wait_until):
    stack = own_services("prometheus").stack
    [before] = stack.status()

    def jobs():
        found = httpx.get(f"{before.address}/api/v1/targets", timeout=30).json()
        return {target["scrapePool"] for target in found["data"]["activeTargets"]}

    assert "pushgateway" not in jobs()
    stack.up(["pushgateway"])
    wait_until(lambda: "pushgateway" in jobs(), "the Pushgateway is scraped", within_seconds=60)
    assert before.pid in {status.pid for status in stack.status()}


def test_secrets_are_nobody_elses(own_services):
    stack = own_services("redis").stack
    files = [path for path in stack.folder.path.rglob("*") if path.is_file()]
    password = stack.folder.secret("redis_password")
    holding = [path for path in files if password.encode() in path.read_bytes()]
    assert holding
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in holding)
    commands = [" ".join(process.as_dict(["cmdline"])["cmdline"] or []) for process in processes_of(stack)]
    assert commands
    assert all(password not in command for command in commands)


def test_status_and_logs_on_the_command_line(start_services):
    from taxi_mlops.cli.stack import app

    folder = start_services("redis").stack.folder
    result = CliRunner().invoke(app, ["status", "--dir", str(folder.path), "--json"])
    statuses = {status["name"]: status for status in json.loads(result.stdout)}
    assert statuses["redis"]["up"]
    assert statuses["redis"]["latency_seconds"] > 0
    table = CliRunner().invoke(app, ["status", "--dir", str(folder.path)]).stdout
    assert f"127.0.0.1:{folder.port('redis')}" in table
    assert [path.name for path in Stack(folder).logs(["redis"])] == ["redis.log"]


@pytest.mark.parametrize(
    ("names", "said"),
    [(["mongodb"], "no service 'mongodb'; there are postgresql, redis"), (["redis", ""], "no service ''")],
)
def test_an_unknown_service_is_a_mistake(tmp_path, names, said):
    with pytest.raises(UsageError, match=said):
        Stack.at(tmp_path / "stack").up(names)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="not empty, and no stack's"):
        Stack.at(tmp_path).up(["redis"])
    Stack.at(tmp_path).down()
    assert Stack.at(tmp_path).status() == ()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_service_that_cannot_start_says_what_its_log_says(own_services):
    services = own_services("redis")
    stack = services.stack
    stack.down()
    (stack.folder.data("redis") / "appendonlydir" / "appendonly.aof.manifest").write_text("rubbish")
    with pytest.raises(ServiceError, match=r"redis ended as it started.*manifest"):
        stack.up(["redis"])
