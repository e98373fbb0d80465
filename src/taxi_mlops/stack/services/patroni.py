"""PostgreSQL as a primary and a standby by Patroni, with HAProxy in front, which sends clients to the primary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from taxi_mlops.errors import ServiceError
from taxi_mlops.stack.configuration import configuration
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.programs import INSTALL, program
from taxi_mlops.stack.service import HttpService, InstalledService, Program
from taxi_mlops.stack.services.etcd import MEMBERS, client_addresses
from taxi_mlops.stack.services.haproxy import balancer, missing_haproxy
from taxi_mlops.stack.services.postgresql import (
    ACCOUNT,
    ADMINISTRATOR,
    Postgresql,
    database_password,
    give_to_account,
    missing_postgresql,
)

NODES = ("patroni-1", "patroni-2")
_SCOPE = "taxi"
_LEADER_SECONDS = 20
"""After which the standby takes over from a primary that is not heard of: the shortest that Patroni accepts."""


class Patroni(InstalledService, HttpService):
    """One node: Patroni, and the PostgreSQL that it starts. Its address is that of Patroni's interface."""

    programs = ("patroni",)
    how_to_get = f"{INSTALL} --production gets it"
    health = "/health"
    start_seconds = 120.0

    def __init__(self, name: str) -> None:
        self.name = name
        # The first makes the database, and the others copy it.
        self.depends_on = MEMBERS if name == NODES[0] else (*MEMBERS, NODES[0])

    def missing(self) -> str | None:
        return missing_postgresql() or super().missing()

    def prepare(self, stack: StackFolder) -> None:
        give_to_account(stack.data(self.name))

    def program(self, stack: StackFolder) -> Program:
        folder = stack.data(self.name)
        return Program(
            command=(self.executable, str(folder / "patroni.yml")),
            files={
                "patroni.yml": yaml.safe_dump(self._document(stack, folder), sort_keys=False),
                "postgresql.conf": configuration("postgres/postgresql.conf"),
            },
            user=ACCOUNT,
            stop_seconds=60,
        )

    def _document(self, stack: StackFolder, folder: Path) -> dict[str, Any]:
        rest = stack.listens_at(self.name)
        postgresql = stack.listens_at(self.name, "postgresql")
        login = {"username": ADMINISTRATOR, "password": database_password(stack, ADMINISTRATOR)}
        return {
            "scope": _SCOPE,
            "name": self.name,
            "etcd3": {"hosts": client_addresses(stack)},
            "restapi": {
                "listen": rest,
                "connect_address": rest,
                "authentication": {"username": _SCOPE, "password": stack.secret("patroni_password")},
            },
            "bootstrap": {
                "dcs": {
                    "ttl": _LEADER_SECONDS,
                    "loop_wait": 5,
                    "retry_timeout": 5,
                    "maximum_lag_on_failover": 1_048_576,
                    "master_start_timeout": 10,
                    # What was committed is on both, as long as both are there.
                    "synchronous_mode": True,
                    "postgresql": {"use_pg_rewind": True, "parameters": {"max_connections": 200}},
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"],
            },
            "postgresql": {
                "listen": postgresql,
                "connect_address": postgresql,
                "data_dir": str(folder / "data"),
                "bin_dir": str(Path(program("postgres")).resolve().parent),
                "custom_conf": str(folder / "postgresql.conf"),
                "pgpass": str(folder / "pgpass"),
                "authentication": {
                    "superuser": login,
                    "rewind": login,
                    "replication": {"username": "replicator", "password": stack.secret("replication_password")},
                },
                "parameters": {"unix_socket_directories": ""},
                "pg_hba": [
                    "host all all 127.0.0.1/32 scram-sha-256",
                    "host replication replicator 127.0.0.1/32 scram-sha-256",
                ],
            },
        }


class ReplicatedPostgresql(Postgresql):
    """The address of the primary, whichever it is."""

    depends_on = NODES
    start_seconds = 120.0

    def missing(self) -> str | None:
        return missing_postgresql() or missing_haproxy()

    def prepare(self, stack: StackFolder) -> None:
        """Create nothing: the nodes do."""

    def probe(self, stack: StackFolder) -> None:
        """Ask as often as there are nodes: until HAProxy has checked them, it sends each client to another."""
        for _ in NODES:
            if self.query(stack, "SELECT pg_is_in_recovery()"):
                raise ServiceError("HAProxy has not found the primary yet")

    def program(self, stack: StackFolder) -> Program:
        check = ("option httpchk OPTIONS /primary", "http-check expect status 200")
        servers = [(name, f"{stack.listens_at(name, 'postgresql')} port {stack.port(name)}") for name in NODES]
        return balancer(stack, self.name, check, servers)
