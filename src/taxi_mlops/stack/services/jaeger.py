"""Jaeger, which stores traces, and receives spans by OTLP."""

from __future__ import annotations

from taxi_mlops.stack.configuration import configuration
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.probes import get
from taxi_mlops.stack.service import InstalledService, Program


class Jaeger(InstalledService):
    name = "jaeger"
    programs = ("jaeger",)
    how_to_get = "deploy/native/build-go-program.sh jaeger builds it"
    version_option = "version"

    def program(self, stack: StackFolder) -> Program:
        folder = stack.data(self.name)
        return Program(
            command=(self.executable, "--config", str(folder / "config.yaml")),
            environment={
                "JAEGER_DATA": str(folder / "data"),
                "JAEGER_OTLP_HTTP": stack.listens_at(self.name),
                "JAEGER_OTLP_GRPC": stack.listens_at(self.name, "grpc"),
                "JAEGER_QUERY_HTTP": stack.listens_at(self.name, "query"),
                "JAEGER_QUERY_GRPC": stack.listens_at(self.name, "query-grpc"),
                "JAEGER_HEALTH": stack.listens_at(self.name, "health"),
                "JAEGER_METRICS_HOST": "127.0.0.1",
                "JAEGER_METRICS_PORT": str(stack.port(self.name, "metrics")),
            },
            files={"config.yaml": configuration("jaeger/config.yaml")},
        )

    def probe(self, stack: StackFolder) -> None:
        get(f"http://{stack.listens_at(self.name, 'health')}/status")

    def settings(self, stack: StackFolder) -> dict[str, object]:
        return {"otlp_endpoint": f"http://{self.address(stack)}"}
