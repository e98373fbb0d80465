"""Ray: a head node, on which tasks run, with a token that clients must have."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from taxi_mlops.errors import ServiceError
from taxi_mlops.limits import usable_memory
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.probes import connect, get
from taxi_mlops.stack.service import Program, Service

_TOKEN_FILE = "ray_token"  # noqa: S105 - its name
_SHARE_OF_MEMORY = 0.75
_OBJECT_STORE_BYTES = 100_000_000
"""Points and labels of tiles are in files; answers are small."""


class Ray(Service):
    """Its address is the one for clients. Ray listens in all networks of the machine: the token keeps others out."""

    name = "ray"
    by_default = False
    start_seconds = 120.0

    def missing(self) -> str | None:
        if find_spec("ray") and find_spec("aiohttp_cors"):
            return None
        return "ray: it is not installed; pip install 'taxi-mlops[ray]' gets it"

    def version(self, stack: StackFolder) -> str:  # noqa: ARG002
        return version("ray")

    def address(self, stack: StackFolder) -> str:
        return f"ray://{stack.listens_at(self.name)}"

    def prepare(self, stack: StackFolder) -> None:
        """Make the token, which Ray reads by itself, and a new folder that only this user may enter."""
        stack.secret(_TOKEN_FILE)
        folder = folder_of_ray(stack)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise ServiceError(f"{folder} cannot be made: {error.strerror}; remove it") from None

    def clean_up(self, stack: StackFolder) -> None:
        shutil.rmtree(folder_of_ray(stack), ignore_errors=True)

    def dashboard(self, stack: StackFolder) -> str:
        return f"http://{stack.listens_at(self.name, 'dashboard')}"

    def program(self, stack: StackFolder) -> Program:
        ports = {
            "port": stack.port(self.name, "gcs"),
            "ray-client-server-port": stack.port(self.name),
            "dashboard-port": stack.port(self.name, "dashboard"),
            "dashboard-agent-listen-port": stack.port(self.name, "agent"),
            "dashboard-agent-grpc-port": stack.port(self.name, "agent-grpc"),
            "runtime-env-agent-port": stack.port(self.name, "environments"),
            "metrics-export-port": stack.port(self.name, "metrics"),
        }
        return Program(
            command=(
                *(sys.executable, "-P", "-m", "ray.scripts.scripts", "start", "--head", "--block"),
                *("--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1", "--disable-usage-stats"),
                *(f"--{name}={port}" for name, port in ports.items()),
                f"--num-cpus={stack.workers}",
                f"--memory={int(usable_memory() * _SHARE_OF_MEMORY)}",
                f"--object-store-memory={_OBJECT_STORE_BYTES}",
                f"--temp-dir={folder_of_ray(stack) / 'ray'}",
            ),
            environment={
                "RAY_AUTH_MODE": "token",
                "RAY_AUTH_TOKEN_PATH": str(stack.secret_file(_TOKEN_FILE)),
                "RAY_USAGE_STATS_ENABLED": "0",
            },
            stop_seconds=30,
        )

    def probe(self, stack: StackFolder) -> None:
        get(f"{self.dashboard(stack)}/api/gcs_healthz")
        get(f"http://{stack.listens_at(self.name, 'metrics')}/metrics")
        connect(stack.listens_at(self.name))


def folder_of_ray(stack: StackFolder) -> Path:
    """Return a folder whose path is short enough for Ray's sockets."""
    return Path("/tmp") / f"taxi-ray-{stack.identifier[:12]}"  # noqa: S108 - made for this user alone
