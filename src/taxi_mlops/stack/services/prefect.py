"""Prefect's server, on PostgreSQL and Redis, and a worker."""

from __future__ import annotations

import sys
from importlib.metadata import version

from taxi_mlops.settings import Settings
from taxi_mlops.stack.configuration import environment_file
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.programs import INSTALL_SERVERS, find_program
from taxi_mlops.stack.service import HttpService, Program
from taxi_mlops.stack.services.postgresql import Postgresql, database_password
from taxi_mlops.stack.services.redis import DOCKET, MESSAGES, Redis, redis_url

USER = "taxi"
PREFECT = (sys.executable, "-m", "prefect")
_FLOW_RUNS_AT_ONCE = 4


class PrefectProcess(HttpService):
    """A process of Prefect's command."""

    def missing(self) -> str | None:
        return None if find_program("prefect") else f"Prefect is not installed; install it with: {INSTALL_SERVERS}"

    def version(self, stack: StackFolder) -> str:  # noqa: ARG002
        return version("prefect")


class PrefectServer(PrefectProcess):
    name = "prefect-server"
    depends_on: tuple[str, ...] = (Postgresql.name, Redis.name)
    health = "/api/ready"
    start_seconds = 180.0

    def program(self, stack: StackFolder) -> Program:
        port = str(stack.port(self.name))
        return Program(
            command=(*PREFECT, "server", "start", "--host", "127.0.0.1", "--port", port),
            environment=server_environment(stack, self.name),
        )

    def settings(self, stack: StackFolder) -> dict[str, object]:
        return {"prefect_api_url": api_url(stack), "prefect_api_auth": auth_string(stack)}


class PrefectWorker(PrefectProcess):
    name = "prefect-worker"
    depends_on = (PrefectServer.name,)
    health = "/health"
    start_seconds = 120.0

    def program(self, stack: StackFolder) -> Program:
        pool = Settings.model_fields["prefect_work_pool"].default
        return Program(
            command=(
                *(sys.executable, "-m", "taxi_mlops.flows.prefect_worker", stack.listens_at(self.name, "metrics")),
                *("worker", "start", "--pool", pool, "--type", "process", "--name", "native"),
                *("--limit", str(_FLOW_RUNS_AT_ONCE), "--with-healthcheck"),
            ),
            environment={
                **environment_file("prefect/worker.env"),
                "PREFECT_HOME": str(stack.data(self.name)),
                "PREFECT_API_URL": api_url(stack),
                "PREFECT_API_AUTH_STRING": auth_string(stack),
                "PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1",
                "PREFECT_WORKER_WEBSERVER_PORT": str(stack.port(self.name)),
                "TAXI_SETTINGS": str(stack.settings_file),
                "TAXI_RUNS_DIR": str(stack.data("runs")),
            },
            stop_signal="INT",
            stop_seconds=15,
        )


def server_environment(stack: StackFolder, name: str) -> dict[str, str]:
    """Return the variables of a process of the server."""
    return {
        **environment_file("prefect/server.env"),
        "PREFECT_HOME": str(stack.data(name)),
        "PREFECT_UI_API_URL": api_url(stack),
        "PREFECT_SERVER_API_AUTH_STRING": auth_string(stack),
        "PREFECT_SERVER_DATABASE_HOST": "127.0.0.1",
        "PREFECT_SERVER_DATABASE_PORT": str(stack.port(Postgresql.name)),
        "PREFECT_SERVER_DATABASE_NAME": "prefect",
        "PREFECT_SERVER_DATABASE_USER": "prefect",
        "PREFECT_SERVER_DATABASE_PASSWORD": database_password(stack, "prefect"),
        "PREFECT_REDIS_MESSAGING_URL": redis_url(stack, MESSAGES),
        "PREFECT_SERVER_DOCKET_URL": redis_url(stack, DOCKET),
    }


def auth_string(stack: StackFolder) -> str:
    """Return user:password for Prefect's server."""
    return f"{USER}:{stack.secret('prefect_password')}"


def api_url(stack: StackFolder) -> str:
    """Return where clients reach Prefect's API."""
    return f"http://{stack.listens_at(PrefectServer.name)}/api"
