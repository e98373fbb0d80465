"""Two servers each of Prefect's and MLflow's interface behind HAProxy, and Prefect's background services apart."""

from __future__ import annotations

from dataclasses import replace

from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.service import Program
from taxi_mlops.stack.services.haproxy import balancer, missing_haproxy
from taxi_mlops.stack.services.mlflow import Mlflow
from taxi_mlops.stack.services.prefect import PREFECT, PrefectProcess, PrefectServer, server_environment

PREFECT_SERVERS = ("prefect-server-1", "prefect-server-2")
MLFLOW_SERVERS = ("mlflow-1", "mlflow-2")
_NO_MIGRATION = {"PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "false"}


class PrefectServerReplica(PrefectServer):
    """One of the servers of Prefect's interface. The first migrates the tables."""

    def __init__(self, name: str) -> None:
        self.name = name
        if name != PREFECT_SERVERS[0]:
            self.depends_on = (*PrefectServer.depends_on, PREFECT_SERVERS[0])

    def program(self, stack: StackFolder) -> Program:
        made = super().program(stack)
        more = {} if self.name == PREFECT_SERVERS[0] else _NO_MIGRATION
        return replace(made, command=(*made.command, "--no-services"), environment={**made.environment, **more})

    def settings(self, stack: StackFolder) -> dict[str, object]:  # noqa: ARG002 - those of the balancer are used
        return {}


class PrefectBackground(PrefectProcess):
    """The scheduler, the detection of late runs, automations: Prefect's services without its interface."""

    name = "prefect-background"
    depends_on = (PREFECT_SERVERS[0],)
    start_seconds = 180.0

    def program(self, stack: StackFolder) -> Program:
        return Program(
            command=(*PREFECT, "server", "services", "start"),
            environment={**server_environment(stack, self.name), **_NO_MIGRATION},
            stop_signal="INT",
        )

    def address(self, stack: StackFolder) -> str:  # noqa: ARG002 - it listens nowhere
        return "-"

    def probe(self, stack: StackFolder) -> None:
        """Ask nothing: it has no interface, so that its process runs is all that can be seen."""


class BalancedPrefectServer(PrefectServer):
    """The address of Prefect's servers."""

    depends_on = (*PREFECT_SERVERS, PrefectBackground.name)

    def missing(self) -> str | None:
        return super().missing() or missing_haproxy()

    def program(self, stack: StackFolder) -> Program:
        servers = [(name, stack.listens_at(name)) for name in PREFECT_SERVERS]
        check = (f"option httpchk GET {self.health}", "http-check expect status 200")
        return balancer(stack, self.name, check, servers, http=True)


class MlflowReplica(Mlflow):
    """One of MLflow's servers. The first migrates the tables."""

    def __init__(self, name: str) -> None:
        self.name = name
        if name != MLFLOW_SERVERS[0]:
            self.depends_on = (*Mlflow.depends_on, MLFLOW_SERVERS[0])

    def bootstrap(self, stack: StackFolder) -> None:
        """Create nothing: that is done through the balancer."""

    def settings(self, stack: StackFolder) -> dict[str, object]:  # noqa: ARG002 - those of the balancer are used
        return {}


class BalancedMlflow(Mlflow):
    """The address of MLflow's servers."""

    depends_on = MLFLOW_SERVERS

    def missing(self) -> str | None:
        return super().missing() or missing_haproxy()

    def prepare(self, stack: StackFolder) -> None:
        """Create nothing: its servers have the metrics."""

    def program(self, stack: StackFolder) -> Program:
        servers = [(name, stack.listens_at(name)) for name in MLFLOW_SERVERS]
        check = (
            "option httpchk",
            f"http-check send meth GET uri {self.health} ver HTTP/1.1 hdr Host {stack.listens_at(self.name)}",
            "http-check expect status 200",
        )
        return balancer(stack, self.name, check, servers, http=True)
