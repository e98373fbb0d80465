"""deploy/compose.yaml, started by the Compose program on Podman, with images that are built here."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import stand_ins
import yaml
from podman_engine import Podman
from stand_ins import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
OURS = "docker.io/library/taxi-mlops:0.1.0"
COMPARE = "docker.io/library/taxi-mlops-compare:0.1.0"
WEBHOOK = "webhook"
PAGES = ("PREFECT", "MLFLOW", "PROMETHEUS", "ALERTMANAGER", "JAEGER", "GRAFANA")
WORKER_MEMORY = "3g"

_LISTENER = """
import http.server

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        print(self.rfile.read(int(self.headers["Content-Length"])).decode(), flush=True)
        self.send_response(200)
        self.end_headers()

http.server.HTTPServer(("", 8000), Handler).serve_forever()
"""


def build_images(podman: Podman) -> None:
    """Make the stand-ins, and build both targets of the real Dockerfile on them.

    With TAXI_TEST_IMAGES=keep those of the last time are used.
    """
    if os.environ.get("TAXI_TEST_IMAGES") == "keep" and podman.has(OURS) and podman.has(COMPARE):
        return
    stand_ins.make_stand_ins(podman)
    for target, tag in (("compare", COMPARE), ("platform", OURS)):
        build_ours(podman, target, tag)


def build_ours(podman: Podman, target: str, tag: str) -> None:
    """Build a target with the packages that uv keeps on this machine, and with its certificates."""
    settings = podman.place / "etc" / "uv.toml"
    settings.write_text("native-tls = true\n", encoding="utf-8")
    cache = Path(os.environ.get("UV_CACHE_DIR", Path.home() / ".cache" / "uv"))
    cache.mkdir(parents=True, exist_ok=True)
    mounts = (
        "--volume=/etc/ssl/certs:/etc/ssl/certs:ro",
        f"--volume={settings}:/etc/uv/uv.toml:ro",
        f"--volume={cache}:/root/.cache/uv",
    )
    arguments = {"BASE": stand_ins.BASE, "UV": stand_ins.UV}
    podman.build(REPOSITORY, DEPLOY / "Dockerfile", tag, target, arguments, *mounts)


class Platform:
    """The services. `ports` are those of the pages on this machine, `secrets` what `make stack-up` made."""

    def __init__(self, podman: Podman, place: Path) -> None:
        self.podman = podman
        self.deploy = Path(shutil.copytree(DEPLOY, place / "deploy", ignore=shutil.ignore_patterns(".env")))
        subprocess.run(["sh", str(self.deploy / "make-secrets.sh")], check=True)
        with (self.deploy / ".env").open("a", encoding="utf-8") as file:
            file.write(f"ALERT_WEBHOOK_URL=http://{WEBHOOK}:8000/hook\nWORKER_MEMORY={WORKER_MEMORY}\n")
        self.ports = {name: _free_port() for name in PAGES}
        document = yaml.safe_load((self.deploy / "compose.yaml").read_text(encoding="utf-8"))
        self.services: dict[str, Any] = {
            name: service
            for name, service in document["services"].items()
            if "profiles" not in service and name not in stand_ins.missing()
        }
        self.once = {name for name, service in self.services.items() if service["restart"].startswith("on-failure")}

    @property
    def secrets(self) -> dict[str, str]:
        lines = (self.deploy / ".env").read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if not line.startswith(("ALERT_", "WORKER_")))

    def compose(self, *arguments: str, seconds: float = 600.0) -> str:
        """Run the Compose program on the project."""
        package = find_spec("compose")
        assert package is not None, "the Compose program is in the group lint"
        [folder] = package.submodule_search_locations or ()
        ports = {f"{name}_PORT": str(port) for name, port in self.ports.items()}
        command = ["env", *(f"{name}={value}" for name, value in ports.items()), f"{folder}/docker-compose"]
        return self.podman.call(*command, "--file", self.deploy / "compose.yaml", *arguments, seconds=seconds)

    def up(self, *options: str) -> None:
        """Start all services that can be started here, and wait until they are healthy."""
        self.compose("up", "--detach", "--no-build", "--pull=never", *options, *self.services)
        self.wait(self.problems, "every service is healthy", 300)

    def problems(self) -> bool:
        """Whether all are as they should be; raises AssertionError where a service that runs once has failed."""
        found = {self.service(one): one["State"] for one in self.containers()}
        for name in self.once:
            state = found[name]
            failed = state["Status"] == "exited" and state["ExitCode"] != 0
            assert not failed, f"{name}\n{self.logs(name)}"
        running = {name: state for name, state in found.items() if name not in self.once}
        return (
            found.keys() >= self.services.keys()
            and all(found[name]["Status"] == "exited" for name in self.once)
            and all(self._is_well(name, state) for name, state in running.items())
        )

    def containers(self) -> list[dict[str, Any]]:
        """All containers of the project, as `inspect` describes them."""
        names = self.podman.run("ps", "--all", "--format", "{{.Names}}").split()
        return self.podman.inspect(*(name for name in names if name.startswith("taxi-mlops-")))

    def service(self, container: dict[str, Any]) -> str:
        """The service of a container that `inspect` describes."""
        return container["Config"]["Labels"]["com.docker.compose.service"]

    def container(self, service: str, number: int = 1) -> str:
        return f"taxi-mlops-{service}-{number}"

    def execute(self, service: str, *command: str, number: int = 1, seconds: float = 300.0, check: bool = True) -> str:
        """Run a command in a container, as its user."""
        return self.podman.run("exec", self.container(service, number), *command, seconds=seconds, check=check)

    def logs(self, service: str, number: int = 1) -> str:
        """What a container has printed, the last lines."""
        command = ["podman", "logs", self.container(service, number)]
        done = subprocess.run(command, env=self.podman.environment, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr)[-100_000:]

    def ask(self, page: str, path: str, user: tuple[str, str] | None = None, **body: Any) -> Any:
        """The JSON of a page on this machine: of a GET, or of a POST where there is a body."""
        url = f"http://127.0.0.1:{self.ports[page]}{path}"
        with httpx.Client(auth=user, timeout=60, trust_env=False) as client:
            answer = client.post(url, json=body) if body else client.get(url)
        answer.raise_for_status()
        return answer.json()

    def start_webhook(self) -> str:
        """Start a receiver of alerts beside Alertmanager, once; return the name of its container."""
        if WEBHOOK not in self.podman.run("ps", "--format", "{{.Names}}").split():
            networks = next(one for one in self.containers() if self.service(one) == "alertmanager")
            network = sorted(networks["NetworkSettings"]["Networks"])[0]
            options = ("--detach", "--name", WEBHOOK, "--network", network, "--read-only", "--cap-drop=all")
            self.podman.run("run", *options, OURS, "python", "-c", _LISTENER)
        return WEBHOOK

    def wait(self, condition: Callable[[], Any], what: str, seconds: float) -> Any:
        """What the condition gives, once that is true."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s\n{self._state()}"
            time.sleep(1)
        return found

    def _state(self) -> str:
        found = {one["Name"]: one["State"] for one in self.containers()}
        lines = [
            f"{name}: {state['Status']} {json.dumps(state.get('Health', {}), default=str)[-600:]}"
            for name, state in found.items()
            if not self._is_well(name.removeprefix("taxi-mlops-")[:-2], state)
        ]
        return "\n".join(lines)

    def _is_well(self, name: str, state: dict[str, Any]) -> bool:
        if state["Status"] != "running":
            return False
        return "healthcheck" not in self.services[name] or state["Health"]["Status"] == "healthy"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
