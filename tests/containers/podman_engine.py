"""Podman with a storage of its own, so that images under publishers' names are seen by nobody else.

Its folder keeps images from one time to the next; containers, networks and volumes are removed at the end, also where
the tests are killed. It works as root, with runc, where no systemd is and no registry can be reached.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAMS = ("podman", "buildah", "runc", "debootstrap", "iptables")
NETAVARK = Path("/usr/lib/podman/netavark")
INIT = Path("/usr/bin/catatonit")

_STARTING_SECONDS, _RUNNING_SECONDS = 3.0, 20.0
"""Between two health checks of a container that is not healthy yet, and of one that is."""

_REMOVE_ALL = """
podman rm --force --all --time 0 > /dev/null 2>&1 || podman rm --force --all --time 0 > /dev/null 2>&1
podman network prune --force > /dev/null 2>&1
podman volume rm --force --all > /dev/null 2>&1
true
"""
_SERVE = f"""
podman system service --time=0 "unix://$1" > /dev/null 2>&1 &
cat > /dev/null
kill "$!"
wait "$!"
{_REMOVE_ALL}
"""
"""It ends with its input, which is that of the tests, however they end."""


def folder() -> Path:
    """Where the images are kept: `$TAXI_CONTAINERS_DIR`, or a folder that outlasts a restart."""
    return Path(os.environ.get("TAXI_CONTAINERS_DIR", "/var/tmp/taxi-mlops-containers"))


def unavailable() -> str | None:
    """Return why no container can be started here, or None."""
    if os.geteuid() != 0:
        return "containers are started by root here"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    missing += [path.name for path in (NETAVARK, INIT) if not path.exists()]
    return f"not installed: {', '.join(missing)} (tests/containers/install.sh)" if missing else None


class Podman:
    """The engine, its images and its containers."""

    def __init__(self, place: Path) -> None:
        self.place = place
        for name in ("etc", "networks", "storage"):
            (place / name).mkdir(parents=True, exist_ok=True)
        place.chmod(0o711)
        self._configure()

    @property
    def environment(self) -> dict[str, str]:
        """What makes every program of the engine use this folder."""
        etc = self.place / "etc"
        return {
            **os.environ,
            "CONTAINERS_CONF": str(etc / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(etc / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(etc / "registries.conf"),
            "BUILDAH_ISOLATION": "chroot",
            "DOCKER_HOST": f"unix://{self.socket}",
        }

    @property
    def socket(self) -> Path:
        return self.place / "podman.sock"

    def run(self, *arguments: object, input: str | None = None, seconds: float = 300.0, check: bool = True) -> str:
        """Run `podman …`, and return what it prints. Raises AssertionError with its messages."""
        return self.call("podman", *arguments, input=input, seconds=seconds, check=check)

    def call(self, *command: object, input: str | None = None, seconds: float = 300.0, check: bool = True) -> str:
        done = subprocess.run(
            list(map(str, command)),
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.place,  # where it leaves a file when a container is out of memory
            timeout=seconds,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def has(self, image: str) -> bool:
        command = ["podman", "image", "exists", image]
        return subprocess.run(command, env=self.environment, check=False).returncode == 0

    def inspect(self, *names: str, kind: str = "container") -> list[dict[str, Any]]:
        return json.loads(self.run("inspect", "--type", kind, *names))

    def build(
        self, context: Path, file: Path, tag: str, target: str, arguments: Mapping[str, str], *options: str
    ) -> None:
        """Build an image, with the network of this machine."""
        given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        self.call(
            *("buildah", "build", "--layers", "--network=host", "--pull-never", *given, *options),
            *(f"--file={file}", f"--target={target}", f"--tag={tag}", context),
            seconds=1500,
        )

    @contextmanager
    def started(self) -> Iterator[None]:
        """Serve Docker's interface, and check health, until the context is left: then nothing but images is left."""
        self.call("sh", "-c", _REMOVE_ALL)
        self.socket.unlink(missing_ok=True)
        service = subprocess.Popen(
            ["sh", "-c", _SERVE, "sh", str(self.socket)],
            env=self.environment,
            cwd=self.place,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        stop = threading.Event()
        health = threading.Thread(target=self._keep_checking, args=(stop,), daemon=True)
        try:
            deadline = time.monotonic() + 30
            while not self.socket.exists():
                assert time.monotonic() < deadline, "the service of Podman did not start"
                time.sleep(0.1)
            health.start()
            yield
        finally:
            stop.set()
            service.communicate(timeout=180)

    def _keep_checking(self, stop: threading.Event) -> None:
        """Run health checks as an engine does; Podman leaves that to timers of systemd."""
        due: dict[str, float] = {}
        while not stop.wait(0.5):
            with contextlib.suppress(AssertionError, subprocess.TimeoutExpired, ValueError):
                for line in self.run("ps", "--format", "{{.ID}} {{.Status}}", seconds=60).splitlines():
                    identifier, _, status = line.partition(" ")
                    if stop.is_set() or time.monotonic() < due.get(identifier, 0.0):
                        continue
                    self.run("healthcheck", "run", identifier, seconds=60, check=False)
                    wait = _RUNNING_SECONDS if "(healthy)" in status else _STARTING_SECONDS
                    due[identifier] = time.monotonic() + wait

    def _configure(self) -> None:
        # No more than this process may have: to raise a limit is refused where this machine is a container itself.
        limits = [
            f"{name}={value}:{value}"
            for name, value in (
                ("nofile", _at_most(resource.RLIMIT_NOFILE, 10_000)),
                ("nproc", _at_most(resource.RLIMIT_NPROC, 30_000)),
            )
        ]
        files = {
            "containers.conf": f"""
[containers]
init_path = "{INIT}"
default_ulimits = {json.dumps(limits)}
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
tmp_dir = "{self.place}/tmp"
[network]
network_backend = "netavark"
network_config_dir = "{self.place}/networks"
""",
            "storage.conf": f"""
[storage]
driver = "overlay"
graphroot = "{self.place}/storage"
runroot = "{self.place}/run"
""",
            "registries.conf": 'unqualified-search-registries = ["docker.io"]\nshort-name-mode = "permissive"\n',
        }
        for name, text in files.items():
            (self.place / "etc" / name).write_text(text, encoding="utf-8")


def _at_most(kind: int, most: int) -> int:
    """A limit that this process has too: to raise one is refused where this machine is a container itself."""
    hard = resource.getrlimit(kind)[1]
    return most if hard == resource.RLIM_INFINITY else min(hard, most)
