"""The folder of a stack: data, secrets, ports, logs, and the settings that refer to it."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path

import tomli_w

from taxi_mlops.limits import usable_cpus

_PRIVATE = 0o600
_SECRET_BYTES = 16  # MinIO accepts at most 40 characters
_HEADER = "# Written by `taxi stack up`: the settings of this stack. TAXI_SETTINGS=<this file> taxi …\n"


class StackFolder:
    """The folder of a stack. Its secrets give full access to the stack, so their files have mode 600."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def make(self) -> None:
        """Create the folder. Other users may enter it, since root runs PostgreSQL as another, but not list it."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for folder in (self.runtime, self.logs, self._secrets):
            folder.mkdir(mode=0o700, exist_ok=True)

    @property
    def is_made(self) -> bool:
        """Whether there is a stack in the folder."""
        return self._secrets.is_dir()

    @property
    def runtime(self) -> Path:
        """The folder of files that are needed only while the stack is up."""
        return self.path / "run"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def settings_file(self) -> Path:
        return self.path / "settings.toml"

    @property
    def _secrets(self) -> Path:
        return self.path / "secrets"

    def log(self, service: str) -> Path:
        return self.logs / f"{service}.log"

    def data(self, service: str) -> Path:
        """Return the service's folder, created if it does not exist."""
        folder = self.path / service
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    @property
    def identifier(self) -> str:
        """The id of this stack, in the environment of all its processes."""
        return self.secret("identifier")

    def secret(self, name: str) -> str:
        """Return the secret of this name, generated the first time."""
        path = self._secrets / name
        if not path.is_file():
            write_private(path, secrets.token_hex(_SECRET_BYTES))
        return path.read_text(encoding="utf-8")

    def given_secret(self, name: str) -> str | None:
        """Return the secret of this name if the user has created it."""
        path = self._secrets / name
        return path.read_text(encoding="utf-8").strip() if path.is_file() else None

    def secret_file(self, name: str) -> Path:
        """Return the file of a secret that a program reads by itself; it need not exist."""
        return self._secrets / name

    def secret_names(self) -> frozenset[str]:
        """Return the names of all secrets that there are."""
        return frozenset(path.name for path in self._secrets.glob("*"))

    def write_secret(self, name: str, text: str) -> None:
        """Keep a secret that was made elsewhere."""
        write_private(self._secrets / name, text)

    def port(self, service: str, name: str = "main") -> int:
        """Return a port of the service on loopback: a free one the first time, then the same."""
        key = f"{service}/{name}"
        ports = self._ports()
        if key not in ports:
            ports[key] = _free_port(set(ports.values()))
            self._write_ports(ports)
        return ports[key]

    def listens_at(self, service: str, name: str = "main") -> str:
        """Return the address of this port: 127.0.0.1:port."""
        return f"127.0.0.1:{self.port(service, name)}"

    def renew_ports(self, service: str) -> None:
        """Choose new ports for those of the service that another process uses. For a service that is not running."""
        ports = self._ports()
        kept = {key: port for key, port in ports.items() if not key.startswith(f"{service}/") or _is_free(port)}
        if kept != ports:
            self._write_ports(kept)

    def write_settings(self, settings: Mapping[str, object]) -> None:
        """Write the settings that refer to this stack."""
        write_private(self.settings_file, _HEADER + tomli_w.dumps(dict(sorted(settings.items()))))

    def services(self) -> tuple[str, ...]:
        """Return the services that were started in this folder, which belong to the stack since."""
        path = self.path / "services.json"
        return tuple(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else ()

    def write_services(self, names: tuple[str, ...]) -> None:
        write_private(self.path / "services.json", json.dumps(names))

    @property
    def profile(self) -> str | None:
        """The profile of this stack; None before its first start."""
        path = self.path / "profile.json"
        return str(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None

    def write_profile(self, name: str) -> None:
        write_private(self.path / "profile.json", json.dumps(name))

    @property
    def workers(self) -> int:
        """How many workers Dask and Ray have: as many as was said last, or one for each CPU of this machine."""
        path = self.path / "workers.json"
        return int(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else len(usable_cpus())

    def write_workers(self, count: int) -> None:
        write_private(self.path / "workers.json", json.dumps(count))

    def _ports(self) -> dict[str, int]:
        path = self.path / "ports.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}

    def _write_ports(self, ports: dict[str, int]) -> None:
        write_private(self.path / "ports.json", json.dumps(ports, indent=2, sort_keys=True))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, atomically."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(draft, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, _PRIVATE)) as file:
        file.write(text)
    draft.replace(path)


def _free_port(taken: set[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
