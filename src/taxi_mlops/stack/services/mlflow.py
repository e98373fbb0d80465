"""MLflow's server, on PostgreSQL, with artifacts in the object store through its proxy, and basic authentication."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from taxi_mlops.stack.administration import ADMINISTRATOR, MLFLOW_USER, make_mlflow_user
from taxi_mlops.stack.configuration import configuration, environment_file
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.programs import INSTALL_SERVERS
from taxi_mlops.stack.service import HttpService, Program
from taxi_mlops.stack.services.object_store import ObjectStore, object_store_url, secret_key
from taxi_mlops.stack.services.postgresql import Postgresql, connection


class Mlflow(HttpService):
    name = "mlflow"
    health = "/health"
    depends_on: tuple[str, ...] = (Postgresql.name, ObjectStore.name)
    start_seconds = 180.0

    def missing(self) -> str | None:
        if all(map(find_spec, ("mlflow", "flask_wtf", "prometheus_flask_exporter"))):
            return None
        return f"MLflow is not installed with its authentication and metrics; install it with: {INSTALL_SERVERS}"

    def version(self, stack: StackFolder) -> str:  # noqa: ARG002
        return version("mlflow")

    def prepare(self, stack: StackFolder) -> None:
        # Each process leaves files there; counters start at zero anyway.
        shutil.rmtree(self._metrics(stack), ignore_errors=True)

    def program(self, stack: StackFolder) -> Program:
        return Program(
            command=(
                *(sys.executable, "-m", "taxi_mlops.stack.mlflow_server", stack.listens_at(self.name, "metrics")),
                *("server", "--app-name", "basic-auth", "--host", "127.0.0.1", "--port", str(stack.port(self.name))),
            ),
            environment={
                **environment_file("mlflow/server.env"),
                **connection(stack, "mlflow", "mlflow"),
                "MLFLOW_AUTH_CONFIG_PATH": str(stack.data(self.name) / "auth.ini"),
                "MLFLOW_AUTH_ADMIN_USERNAME": ADMINISTRATOR,
                "MLFLOW_AUTH_ADMIN_PASSWORD": stack.secret("mlflow_admin_password"),
                "MLFLOW_FLASK_SERVER_SECRET_KEY": stack.secret("mlflow_flask_secret_key"),
                "MLFLOW_EXPOSE_PROMETHEUS": str(self._metrics(stack)),
                "MLFLOW_S3_ENDPOINT_URL": object_store_url(stack),
                "AWS_ACCESS_KEY_ID": "mlflow",
                "AWS_SECRET_ACCESS_KEY": secret_key(stack, "mlflow"),
                "AWS_DEFAULT_REGION": "us-east-1",
            },
            files={"auth.ini": configuration("mlflow/auth.ini")},
        )

    def bootstrap(self, stack: StackFolder) -> None:
        passwords = stack.secret("mlflow_admin_password"), stack.secret("mlflow_password")
        make_mlflow_user(self.address(stack), *passwords)

    def settings(self, stack: StackFolder) -> dict[str, object]:
        return {
            "mlflow_uri": self.address(stack),
            "mlflow_username": MLFLOW_USER,
            "mlflow_password": stack.secret("mlflow_password"),
        }

    def _metrics(self, stack: StackFolder) -> Path:
        return stack.data(self.name) / "metrics"
