"""Loki, which stores log records, and receives them by OTLP."""

from __future__ import annotations

from taxi_mlops.stack.configuration import configuration
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.service import HttpService, InstalledService, Program


class Loki(InstalledService, HttpService):
    name = "loki"
    programs = ("loki",)
    how_to_get = "deploy/native/build-go-program.sh loki builds it"
    health = "/ready"
    start_seconds = 120.0

    def program(self, stack: StackFolder) -> Program:
        folder = stack.data(self.name)
        return Program(
            command=(
                self.executable,
                f"-config.file={folder / 'loki.yaml'}",
                "-config.expand-env=true",
                "-server.http-listen-address=127.0.0.1",
                f"-server.http-listen-port={stack.port(self.name)}",
                "-server.grpc-listen-address=127.0.0.1",
                f"-server.grpc-listen-port={stack.port(self.name, 'grpc')}",
            ),
            environment={"LOKI_DATA": str(folder / "data"), "LOKI_ADDRESS": "127.0.0.1"},
            files={"loki.yaml": configuration("loki/loki.yaml")},
            stop_seconds=30,
        )

    def settings(self, stack: StackFolder) -> dict[str, object]:
        return {"otlp_logs_endpoint": f"{self.address(stack)}/otlp"}
