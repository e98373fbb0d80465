"""Kill each process of a production stack, and measure what its clients see.

    taxi stack up --native --profile production --dir STACK
    python benchmarks/outages.py --dir STACK [--only patroni-1,etcd-1] [--json FILE]

Clients write to PostgreSQL, and ask Prefect and MLflow, every 0.1 s, each over one address. Every service is killed
with -9 in turn, the processes that it started too. With --away, the supervisor is once more kept from starting it again
for a minute, as if its host were gone. Reported: how long no request of a client succeeded, and whether all rows that
PostgreSQL confirmed are there, once each.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import threading
import time
import tomllib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
import psutil
import psycopg

from taxi_mlops.stack.native import Stack
from taxi_mlops.stack.services.patroni import NODES
from taxi_mlops.stack.supervision import Supervisor

INTERVAL_SECONDS = 0.1
TIMEOUT_SECONDS = 2.0
CALM_SECONDS = 5.0
AWAY_SECONDS = 60.0
RECOVERY_SECONDS = 180.0
ALONE = {"redis", "object-store", "prefect-worker"}
"""Services of which there is one."""
BALANCERS = {"postgresql", "prefect-server", "mlflow"}
"""HAProxy. On several hosts each has its own; here there is one, which the supervisor starts again."""


@dataclass
class Client:
    """Sends a request again and again, and notes when one succeeded."""

    name: str
    ask: Callable[[], None]
    succeeded: list[float] = field(default_factory=list)
    failed: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self._stop.wait(INTERVAL_SECONDS):
            try:
                self.ask()
            except (psycopg.Error, httpx.HTTPError):
                self.failed += 1
            else:
                self.succeeded.append(time.monotonic())

    def stop(self) -> None:
        self._stop.set()

    def outage(self, begin: float, end: float) -> float:
        """Return the longest time between two requests that succeeded, in seconds."""
        inside = [moment for moment in self.succeeded if begin <= moment <= end]
        moments = [begin, *inside, end]
        return max(after - before for before, after in itertools.pairwise(moments))


@dataclass(frozen=True)
class Kill:
    """What clients saw of one kill: seconds without a success, by client."""

    service: str
    stays_away: bool
    outages: dict[str, float]
    all_up_after: float | None


class Rows:
    """Writes numbered rows, each in a transaction of its own, and remembers those that were confirmed."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}?connect_timeout=2"
        self._connection: psycopg.Connection | None = None
        self.confirmed: list[int] = []
        self._next = 0
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS outages")
            connection.execute("CREATE TABLE outages (number bigint)")

    def write(self) -> None:
        number, self._next = self._next, self._next + 1
        try:
            if self._connection is None:
                self._connection = psycopg.connect(self._url, autocommit=True, options="-c statement_timeout=2000")
            self._connection.execute("INSERT INTO outages VALUES (%s)", (number,))
        except psycopg.Error:
            if self._connection is not None:
                with suppress(psycopg.Error):
                    self._connection.close()
            self._connection = None
            raise
        self.confirmed.append(number)

    def lost_and_doubled(self) -> tuple[int, int]:
        """Return how many confirmed rows are not there, and how many numbers are there more than once."""
        with psycopg.connect(self._url) as connection:
            found = [number for (number,) in connection.execute("SELECT number FROM outages")]
            connection.execute("DROP TABLE outages")
        return len(set(self.confirmed) - set(found)), len(found) - len(set(found))


def family(pid: int) -> list[psutil.Process]:
    """Return the process and those that it started."""
    main = psutil.Process(pid)
    return [main, *main.children(recursive=True)]


def database_of(stack: Stack, service: str) -> list[psutil.Process]:
    """Return PostgreSQL's processes of a Patroni, which have a session of their own."""
    folder = str(stack.folder.path / service) + os.sep
    found = []
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error):
            if process.info["name"] == "postgres" and process.cwd().startswith(folder):
                found.append(process)
    return found


def kill(stack: Stack, service: str, clients: list[Client], *, stays_away: bool) -> Kill:
    """Kill a service with -9, wait until all is well again, and return what clients saw."""
    [status] = [one for one in stack.status() if one.name == service]
    assert status.pid is not None, f"{service} is down"
    doomed = [*family(status.pid), *(database_of(stack, service) if service in NODES else ())]
    begin = time.monotonic()
    if stays_away:
        lose(stack, service, doomed)
        time.sleep(AWAY_SECONDS)
        Supervisor(stack.folder).start(service)
    else:
        end(doomed)
    up = _await_up(stack, begin)
    time.sleep(CALM_SECONDS)
    until = time.monotonic()
    return Kill(service, stays_away, {client.name: round(client.outage(begin, until), 1) for client in clients}, up)


def end(doomed: list[psutil.Process]) -> None:
    for process in doomed:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def lose(stack: Stack, service: str, doomed: list[psutil.Process]) -> None:
    """Kill these processes of a service, as if its host were gone: they notice nothing, and are not started again."""
    for process in doomed:
        process.suspend()
    supervisor = Supervisor(stack.folder)
    stopping = threading.Thread(target=supervisor.stop, args=(service,))
    stopping.start()
    while supervisor.processes()[service].running:
        time.sleep(0.05)
    end(doomed)
    stopping.join()


def _await_up(stack: Stack, begin: float) -> float | None:
    deadline = time.monotonic() + RECOVERY_SECONDS
    while time.monotonic() < deadline:
        if all(one.up for one in stack.status()) and _is_replicated(stack):
            return round(time.monotonic() - begin, 1)
        time.sleep(0.5)
    return None


def _is_replicated(stack: Stack) -> bool:
    """Return whether PostgreSQL has a standby with all that was confirmed: only such a one may take over."""
    answers = []
    for name in NODES:
        with suppress(httpx.HTTPError):
            url = f"http://{stack.folder.listens_at(name)}/sync"
            answers.append(httpx.get(url, timeout=TIMEOUT_SECONDS, trust_env=False).is_success)
    return any(answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, default=Path("stack"))
    parser.add_argument("--only", default="", help="services, separated by commas; default: all that are replicated")
    parser.add_argument("--away", action="store_true", help="also keep each away for a minute")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    stack = Stack.at(given.dir)
    settings = tomllib.loads(stack.folder.settings_file.read_text(encoding="utf-8"))
    rows = Rows(settings["experiments_url"])
    clients = [Client("PostgreSQL", rows.write)]
    http = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False)
    if "prefect_api_url" in settings:
        user, password = settings["prefect_api_auth"].split(":")
        url = f"{settings['prefect_api_url']}/flow_runs/count"
        clients.append(
            Client("Prefect", lambda: http.post(url, json={}, auth=(user, password)).raise_for_status() and None)
        )
    if "mlflow_uri" in settings:
        login = settings["mlflow_username"], settings["mlflow_password"]
        address = f"{settings['mlflow_uri']}/api/2.0/mlflow/experiments/search?max_results=1"
        clients.append(Client("MLflow", lambda: http.get(address, auth=login).raise_for_status() and None))
    threads = [threading.Thread(target=client.run, daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    time.sleep(CALM_SECONDS)
    names = given.only.split(",") if given.only else [one.name for one in stack.status() if one.name not in ALONE]
    kills = []
    print(f"{'killed':28}" + "".join(f"{client.name:>12}" for client in clients) + f"{'all up':>10}")
    for name in names:
        for away in (False, True) if given.away and name not in BALANCERS else (False,):
            made = kill(stack, name, clients, stays_away=away)
            kills.append(made)
            label = f"{name}, away for {AWAY_SECONDS:.0f} s" if away else name
            print(
                f"{label:28}" + "".join(f"{s:10.1f} s" for s in made.outages.values()) + f"{made.all_up_after!s:>8} s"
            )
    for client in clients:
        client.stop()
    for thread in threads:
        thread.join(timeout=30)
    lost, doubled = rows.lost_and_doubled()
    print(f"rows confirmed: {len(rows.confirmed)}, lost: {lost}, doubled: {doubled}")
    if given.json:
        document = {"kills": [asdict(one) for one in kills], "confirmed": len(rows.confirmed), "lost": lost}
        given.json.write_text(json.dumps(document | {"doubled": doubled}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
