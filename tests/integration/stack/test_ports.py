"""Every port of a running stack, asked without credentials: what is answered, and that there is no other port."""

from __future__ import annotations

import json

import httpx
import psutil
import pytest

pytestmark = pytest.mark.timeout(900)  # many services start on a loaded machine

NO_ACCESS, OPEN, NOTHING = "refused", "open", "nothing to change"
PORTS = {
    # port: (to read, to change)
    "postgresql/main": (NO_ACCESS, NO_ACCESS),
    "redis/main": (NO_ACCESS, NO_ACCESS),
    "object-store/main": (NO_ACCESS, NO_ACCESS),
    "prefect-server/main": (NO_ACCESS, NO_ACCESS),
    "mlflow/main": (NO_ACCESS, NO_ACCESS),
    "mlflow/metrics": (OPEN, NOTHING),
    "pushgateway/main": (OPEN, OPEN),
    "prometheus/main": (OPEN, NO_ACCESS),
    "alertmanager/main": (OPEN, OPEN),
    "node-exporter/main": (OPEN, NOTHING),
    "process-exporter/main": (OPEN, NOTHING),
    "postgres-exporter/main": (OPEN, NOTHING),
    "redis-exporter/main": (OPEN, NOTHING),
    "exporter/main": (OPEN, NOTHING),
}
"""The table of docs/explanation/security.md: what a process of this machine may do that has no credentials."""
REQUESTS = {
    # service: a request that reads, one that changes something; None where there is nothing to change
    "object-store/main": (("GET", "/taxi-data"), ("PUT", "/taxi-data/intruder")),
    "prefect-server/main": (("GET", "/api/admin/version"), ("POST", "/api/flows/")),
    "mlflow/main": (
        ("GET", "/api/2.0/mlflow/experiments/search?max_results=1"),
        ("POST", "/api/2.0/mlflow/experiments/create"),
    ),
    "pushgateway/main": (("GET", "/metrics"), ("DELETE", "/metrics/job/nobody-has-this-name")),
    "prometheus/main": (("GET", "/api/v1/query?query=up"), ("POST", "/-/reload")),
    "alertmanager/main": (("GET", "/api/v2/alerts"), ("POST", "/api/v2/alerts")),
}
METRICS = (("GET", "/metrics"), None)
_SERVICES = {port.partition("/")[0] for port in PORTS}


@pytest.fixture(scope="module")
def services(start_services):
    from taxi_mlops.stack.programs import find_program

    if find_program("minio") is None:
        pytest.skip("SeaweedFS's ports of its own ask for no password, as the page on security says")
    with start_services().for_now(*sorted(_SERVICES)) as services:
        yield services


def listening(services) -> dict[str, str]:
    """The name and the address of each port that a process of the stack listens on."""
    named = json.loads((services.stack.folder.path / "ports.json").read_text(encoding="utf-8"))
    names = {port: name for name, port in named.items()}
    started = [psutil.Process(status.pid) for status in services.stack.status() if status.name in _SERVICES]
    family = [process for root in started for process in (root, *root.children(recursive=True))]
    found = [each.laddr for process in family for each in process.net_connections() if each.status == "LISTEN"]
    return {names.get(address.port, str(address)): f"{address.ip}:{address.port}" for address in found}


def test_there_is_no_port_that_the_table_does_not_have(services):
    ports = listening(services)
    assert set(ports) == set(PORTS)
    assert {address.rpartition(":")[0] for address in ports.values()} <= {"127.0.0.1", "::1"}


@pytest.mark.parametrize("port", sorted(PORTS))
def test_what_a_port_answers_without_credentials(services, port):
    address = services.stack.folder.listens_at(*port.split("/"))
    if port == "postgresql/main":
        found = _postgresql(address)
    elif port == "redis/main":
        found = _redis(address)
    else:
        reads, changes = REQUESTS.get(port, METRICS)
        found = (_answer(address, *reads), _answer(address, *changes) if changes else NOTHING)
    assert found == PORTS[port]


def _answer(address: str, method: str, path: str) -> str:
    content = {"POST": [] if "alerts" in path else {"name": "intruder"}}.get(method)
    answer = httpx.request(method, f"http://{address}{path}", json=content, timeout=60, trust_env=False)
    assert answer.is_success or answer.status_code in (401, 403), (
        f"{method} {path}: {answer.status_code} {answer.text[:200]}"
    )
    return OPEN if answer.is_success else NO_ACCESS


def _postgresql(address: str) -> tuple[str, str]:
    import psycopg

    host, _, port = address.partition(":")
    for user in ("postgres", "experiments", "mlflow", "prefect"):
        with pytest.raises(psycopg.OperationalError, match=r"no password supplied|password authentication failed"):
            psycopg.connect(host=host, port=port, user=user, dbname="postgres", password="", connect_timeout=30)
    return NO_ACCESS, NO_ACCESS


def _redis(address: str) -> tuple[str, str]:
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import AuthenticationError
    from redis.retry import Retry

    host, _, port = address.partition(":")
    at_once = Retry(NoBackoff(), 0)  # its client takes a refusal for a broken connection, and tries again for seconds
    with Redis(host=host, port=int(port), socket_timeout=30, retry=at_once) as client:
        for ask in (lambda: client.get("key"), lambda: client.set("key", "intruder"), lambda: client.config_get("*")):
            with pytest.raises(AuthenticationError):
                ask()
    return NO_ACCESS, NO_ACCESS
