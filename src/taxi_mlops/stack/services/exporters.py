"""Exporters: of the host, its processes, PostgreSQL, Redis, and the platform's own."""

from __future__ import annotations

import os
import sys

from taxi_mlops.stack.configuration import configuration
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.service import HttpService, InstalledService, Program
from taxi_mlops.stack.services.postgresql import ADMINISTRATOR, Postgresql, database_password
from taxi_mlops.stack.services.redis import MESSAGES, Redis


class _Exporter(InstalledService, HttpService):
    health = "/metrics"


class NodeExporter(_Exporter):
    name = "node-exporter"
    programs = ("prometheus-node-exporter", "node_exporter")

    def program(self, stack: StackFolder) -> Program:
        return Program(command=(self.executable, f"--web.listen-address={stack.listens_at(self.name)}"))


class ProcessExporter(_Exporter):
    name = "process-exporter"
    programs = ("prometheus-process-exporter", "process-exporter")

    def program(self, stack: StackFolder) -> Program:
        # Metrics by thread, and exact shared memory, would cost more than they are worth.
        options = ("-threads=false", "-gather-smaps=false", "-web.listen-address", stack.listens_at(self.name))
        file = stack.data(self.name) / "process-exporter.yml"
        return Program(
            command=(self.executable, "-config.path", str(file), *options),
            files={"process-exporter.yml": configuration("prometheus/process-exporter.yml")},
        )


class PostgresExporter(_Exporter):
    name = "postgres-exporter"
    depends_on = (Postgresql.name,)
    programs = ("prometheus-postgres-exporter", "postgres_exporter")

    def program(self, stack: StackFolder) -> Program:
        password = database_password(stack, ADMINISTRATOR)
        server = stack.listens_at(Postgresql.name)
        return Program(
            command=(self.executable, f"--web.listen-address={stack.listens_at(self.name)}"),
            environment={
                "DATA_SOURCE_NAME": f"postgresql://{ADMINISTRATOR}:{password}@{server}/postgres?sslmode=disable"
            },
        )


class RedisExporter(_Exporter):
    name = "redis-exporter"
    depends_on = (Redis.name,)
    programs = ("prometheus-redis-exporter", "redis_exporter")

    def program(self, stack: StackFolder) -> Program:
        server = f"redis://{stack.listens_at(Redis.name)}/{MESSAGES}"
        return Program(
            command=(self.executable, "-web.listen-address", stack.listens_at(self.name), "-redis.addr", server),
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
