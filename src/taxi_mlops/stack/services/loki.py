"""Loki, which keeps log records, and takes them by OTLP."""

from __future__ import annotations

from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.probes import get
from taxi_mlops.stack.programs import find_program, program, program_version
from taxi_mlops.stack.service import Program, Service

_BUILD = "deploy/native/build-go-program.sh loki"


class Loki(Service):
    name = "loki"
    start_seconds = 120.0

    def missing(self) -> str | None:
        return None if find_program("loki") else f"Loki is not installed; {_BUILD} builds it"

    def version(self, stack: StackFolder) -> str:  # noqa: ARG002
        return program_version(program("loki"))

    def program(self, stack: StackFolder) -> Program:
        folder = stack.data(self.name)
        return Program(
            command=(
                program("loki"),
                f"-config.file={folder / 'loki.yaml'}",
                "-config.expand-env=true",
                "-server.http-listen-address=127.0.0.1",
                f"-server.http-listen-port={stack.port(self.name)}",
                "-server.grpc-listen-address=127.0.0.1",
                f"-server.grpc-listen-port={stack.port(self.name, 'grpc')}",
            ),
            environment={"LOKI_DATA": str(folder / "data"), "LOKI_ADDRESS": "127.0.0.1"},
            files={"loki.yaml": stack.configuration("loki/loki.yaml")},
            stop_seconds=30,
        )

    def address(self, stack: StackFolder) -> str:
        return f"http://127.0.0.1:{stack.port(self.name)}"

    def probe(self, stack: StackFolder) -> None:
        get(f"{self.address(stack)}/ready")

    def settings(self, stack: StackFolder) -> dict[str, object]:
        return {"otlp_logs_endpoint": f"{self.address(stack)}/otlp"}
