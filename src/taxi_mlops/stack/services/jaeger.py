"""Jaeger, which keeps traces, and takes spans by OTLP."""

from __future__ import annotations

from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.probes import get
from taxi_mlops.stack.programs import find_program, program, program_version
from taxi_mlops.stack.service import Program, Service

_BUILD = "deploy/native/build-go-program.sh jaeger"


class Jaeger(Service):
    name = "jaeger"

    def missing(self) -> str | None:
        return None if find_program("jaeger") else f"Jaeger is not installed; {_BUILD} builds it"

    def version(self, stack: StackFolder) -> str:  # noqa: ARG002
        return program_version(program("jaeger"), "version")

    def program(self, stack: StackFolder) -> Program:
        folder = stack.data(self.name)
        ports = {name: stack.port(self.name, name) for name in ("grpc", "query-grpc", "health", "metrics", "query")}
        return Program(
            command=(program("jaeger"), "--config", str(folder / "config.yaml")),
            environment={
                "JAEGER_DATA": str(folder / "data"),
                "JAEGER_OTLP_HTTP": self._listening(stack.port(self.name)),
                "JAEGER_OTLP_GRPC": self._listening(ports["grpc"]),
                "JAEGER_QUERY_HTTP": self._listening(ports["query"]),
                "JAEGER_QUERY_GRPC": self._listening(ports["query-grpc"]),
                "JAEGER_HEALTH": self._listening(ports["health"]),
                "JAEGER_METRICS_HOST": "127.0.0.1",
                "JAEGER_METRICS_PORT": str(ports["metrics"]),
            },
            files={"config.yaml": stack.configuration("jaeger/config.yaml")},
        )

    @staticmethod
    def _listening(port: int) -> str:
        return f"127.0.0.1:{port}"

    def probe(self, stack: StackFolder) -> None:
        get(f"http://127.0.0.1:{stack.port(self.name, 'health')}/status")

    def settings(self, stack: StackFolder) -> dict[str, object]:
        return {"otlp_endpoint": f"http://{self.address(stack)}"}
