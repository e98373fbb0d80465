"""The profile `production`: the standby takes over, and nothing that was confirmed is lost."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from contextlib import suppress

import httpx
import psutil
import pytest

from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.native import Stack, missing
from taxi_mlops.stack.programs import find_program
from taxi_mlops.stack.services import PROFILES
from taxi_mlops.stack.services.patroni import NODES
from taxi_mlops.stack.supervision import Supervisor

psycopg = pytest.importorskip("psycopg", reason="psycopg is in the extra postgresql")

LIMIT_SECONDS = 240


def databases(stack: Stack, service: str = "") -> list[psutil.Process]:
    """PostgreSQL's processes in the stack's folder, or in that of a service."""
    folder = str(stack.folder.path / service)
    found = []
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error):
            if process.info["name"] == "postgres" and process.cwd().startswith(folder):
                found.append(process)
    return found


def node(stack: Stack, role: str) -> str | None:
    """The node that says it has the role: primary, or sync, the standby that has all that was confirmed."""
    for name in NODES:
        with suppress(httpx.HTTPError):
            if httpx.get(f"http://{stack.folder.listens_at(name)}/{role}", timeout=10).is_success:
                return name
    return None


def insert(url: str, number: int) -> bool:
    try:
        with psycopg.connect(f"{url}?connect_timeout=5", autocommit=True) as connection:
            connection.execute("INSERT INTO kept VALUES (%s)", (number,))
    except psycopg.Error:
        return False
    return True


def lose(stack: Stack, service: str) -> None:
    """Kill a node, as if its host were gone: its processes notice nothing, and are not started again."""
    pids = [status.pid for status in stack.status() if status.name == service]
    doomed = [*map(psutil.Process, pids), *databases(stack, service)]
    for process in doomed:
        process.suspend()
    supervisor = Supervisor(stack.folder)
    stopping = threading.Thread(target=supervisor.stop, args=(service,))
    stopping.start()
    while supervisor.processes()[service].running:
        time.sleep(0.05)
    for process in doomed:
        process.kill()
    stopping.join()


@pytest.mark.timeout(900)
def test_the_standby_takes_over_with_all_that_was_confirmed(own_services, wait_until):
    if reasons := missing(["postgresql"], "production"):
        pytest.skip("; ".join(reasons))
    services = own_services()
    stack = services.stack
    launcher = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    stack.up(["postgresql"], launcher=launcher, profile="production")
    assert all(status.up for status in stack.status())
    url = services.settings.experiments_url.get_secret_value()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (number int PRIMARY KEY)")
    wait_until(lambda: node(stack, "sync"), "the standby has all", within_seconds=LIMIT_SECONDS)
    before = node(stack, "primary")
    confirmed = [number for number in range(20) if insert(url, number)]
    assert len(confirmed) == 20

    lose(stack, before)
    numbers = iter(range(20, 10_000))

    def written() -> bool:
        number = next(numbers)
        if insert(url, number):
            confirmed.append(number)
            return True
        time.sleep(0.2)
        return False

    wait_until(written, "the standby has taken over", within_seconds=LIMIT_SECONDS)
    assert node(stack, "primary") not in (before, None)
    with psycopg.connect(url) as connection:
        found = {number for (number,) in connection.execute("SELECT number FROM kept")}
    assert set(confirmed) <= found

    # It comes back as the standby.
    stack.up(["postgresql"], launcher=launcher)
    wait_until(lambda: node(stack, "sync") == before, "it is the standby", within_seconds=LIMIT_SECONDS)
    assert stack.folder.profile == "production"
    stack.down()
    assert databases(stack) == []


def test_haproxy_takes_the_files_that_are_written(tmp_path):
    haproxy = find_program("haproxy")
    if haproxy is None:
        pytest.skip("haproxy is not installed; deploy/native/install.sh --production gets it")
    folder = StackFolder(tmp_path)
    folder.make()
    found = 0
    for service in PROFILES["production"]:
        if service.name in ("postgresql", "prefect-server", "mlflow"):
            made = service.program(folder)
            path = tmp_path / f"{service.name}.cfg"
            path.write_text(made.files["haproxy.cfg"], encoding="utf-8")
            done = subprocess.run([haproxy, "-c", "-f", path], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert "WARNING" not in done.stderr
            found += 1
    assert found == 3
