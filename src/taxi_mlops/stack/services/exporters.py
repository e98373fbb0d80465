"""Exporters: of the host, its processes, PostgreSQL, Redis, and our own of flow runs, workers and what waits."""

from __future__ import annotations

import os
import sys
from typing import ClassVar

from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.probes import get
from taxi_mlops.stack.programs import INSTALL, find_program, program, program_version
from taxi_mlops.stack.service import Program, Service
from taxi_mlops.stack.services.postgresql import ADMINISTRATOR, Postgresql, database_password
from taxi_mlops.stack.services.redis import MESSAGES, Redis


class _Exporter(Service):
    """What all have in common: metrics at /metrics. programs: as Debian calls it, and as its publisher does."""

    programs: ClassVar[tuple[str, ...]]

    def missing(self) -> str | None:
        if any(map(find_program, self.programs)):
            return None
        return f"{self.programs[0]} is not installed; {INSTALL} gets it"

    def version(self, stack: StackFolder) -> str:  # noqa: ARG002
        return program_version(program(*self.programs))

    def probe(self, stack: StackFolder) -> None:
        get(f"http://{self.address(stack)}/metrics")


class NodeExporter(_Exporter):
    name = "node-exporter"
    programs = ("prometheus-node-exporter", "node_exporter")

    def program(self, stack: StackFolder) -> Program:
        return Program(command=(program(*self.programs), f"--web.listen-address={self.address(stack)}"))


class ProcessExporter(_Exporter):
    name = "process-exporter"
    programs = ("prometheus-process-exporter", "process-exporter")

    def program(self, stack: StackFolder) -> Program:
        # Threads apart, and shared memory to the page, would cost more than they tell.
        options = ("-threads=false", "-gather-smaps=false", "-web.listen-address", self.address(stack))
        configuration = stack.data(self.name) / "process-exporter.yml"
        return Program(
            command=(program(*self.programs), "-config.path", str(configuration), *options),
            files={"process-exporter.yml": stack.configuration("prometheus/process-exporter.yml")},
        )


class PostgresExporter(_Exporter):
    name = "postgres-exporter"
    depends_on = (Postgresql.name,)
    programs = ("prometheus-postgres-exporter", "postgres_exporter")

    def program(self, stack: StackFolder) -> Program:
        password = database_password(stack, ADMINISTRATOR)
        server = f"127.0.0.1:{stack.port(Postgresql.name)}"
        return Program(
            command=(program(*self.programs), f"--web.listen-address={self.address(stack)}"),
            environment={
                "DATA_SOURCE_NAME": f"postgresql://{ADMINISTRATOR}:{password}@{server}/postgres?sslmode=disable"
            },
        )


class RedisExporter(_Exporter):
    name = "redis-exporter"
    depends_on = (Redis.name,)
    programs = ("prometheus-redis-exporter", "redis_exporter")

    def program(self, stack: StackFolder) -> Program:
        server = f"redis://127.0.0.1:{stack.port(Redis.name)}/{MESSAGES}"
        return Program(
            command=(program(*self.programs), "-web.listen-address", self.address(stack), "-redis.addr", server),
            environment={"REDIS_PASSWORD": stack.secret("redis_password")},
        )


class PlatformExporter(_Exporter):
    name = "exporter"
    programs = ("taxi",)
    start_seconds = 120.0

    def program(self, stack: StackFolder) -> Program:
        return Program(
            command=(sys.executable, "-m", "taxi_mlops.cli", "exporter", "--port", str(stack.port(self.name))),
            environment={
                "TAXI_SETTINGS": str(stack.settings_file),
                "TAXI_RUNS_DIR": os.environ.get("TAXI_RUNS_DIR", str(stack.data("runs"))),
            },
        )
