"""A PostgreSQL server of the tests' own, on loopback, with a password."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from taxi_mlops.storage.urls import ServiceUrl

PASSWORD = "sl/ash@t"
QUOTED = "sl%2Fash%40t"


def _binaries() -> Path:
    """The folder of PostgreSQL's programs, the newest where there are several."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not installed:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return installed[-1].parent


def _other_user() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL refuses root, and there is no user postgres to run it as")
    return ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"]


def _dying_with_us() -> list[str]:
    """The server ends too where the tests are killed."""
    return ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """`user:password@host:port` of a running server."""
    pytest.importorskip("psycopg", reason="psycopg is in the extra postgresql")
    binaries, other_user = _binaries(), _other_user()
    folder = Path(tempfile.mkdtemp(prefix="taxi-postgresql-"))
    (folder / "password").write_text(PASSWORD, encoding="utf-8")
    if other_user:
        for path in (folder, folder / "password"):
            shutil.chown(path, "postgres", "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    initialise = [binaries / "initdb", "-D", folder / "data", "-U", "lab", "--pwfile", folder / "password"]
    options = ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    subprocess.run([*other_user, *initialise, *options], check=True, cwd="/", stdout=subprocess.DEVNULL)
    configuration = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
    settings = [word for setting in configuration for word in ("-c", setting)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*other_user, *_dying_with_us(), binaries / "postgres", "-D", folder / "data", "-p", str(port), *settings],
            cwd="/",
            stdout=log,
            stderr=log,
        )
        try:
            _wait_for(server, port, folder / "log")
            yield f"lab:{QUOTED}@127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=30)
            shutil.rmtree(folder)


def _wait_for(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    import psycopg

    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="lab", password=PASSWORD, dbname="postgres").close()
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.1)
        else:
            return


@pytest.fixture(scope="session")
def new_database(postgresql_server: str) -> Callable[[], ServiceUrl]:
    """Makes an empty database and gives its URL, as a user would write it."""
    import psycopg

    numbers = count()

    def new_database() -> ServiceUrl:
        name = f"taxi{next(numbers)}"
        with psycopg.connect(f"postgresql://{postgresql_server}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return ServiceUrl(f"postgresql://{postgresql_server}/{name}")

    return new_database


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> ServiceUrl:
    """An experiment store that is not there yet, of either kind."""
    if request.param == "sqlite":
        return ServiceUrl(f"sqlite:///{tmp_path / 'deep' / 'experiments.db'}")
    return request.getfixturevalue("new_database")()
