"""The folder that a stack lives in: data, secrets, ports, logs, and the settings that point at it."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path

import tomli_w

_PRIVATE = 0o600
_SECRET_BYTES = 16  # MinIO takes no secret key of more than 40 characters
_HEADER = "# Written by `taxi stack up`: the settings of this stack. TAXI_SETTINGS=<this file> taxi …\n"


class StackFolder:
    """A folder of a stack's own. Whoever may read its secrets may do everything with the stack: they have mode 600."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def make(self) -> None:
        """Make the folder. Other users may pass through, where root runs PostgreSQL as another, but not look."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for folder in (self.runtime, self.logs, self._secrets):
            folder.mkdir(mode=0o700, exist_ok=True)

    @property
    def runtime(self) -> Path:
        """What is of use only while the stack is up."""
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
        """The service's folder, made where it is not there."""
        folder = self.path / service
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    @property
    def identifier(self) -> str:
        """Of this stack, in the environment of all its processes."""
        return self.secret("identifier")

    def secret(self, name: str) -> str:
        """The secret of this name, made at random the first time."""
        path = self._secrets / name
        if not path.is_file():
            write_private(path, secrets.token_hex(_SECRET_BYTES))
        return path.read_text(encoding="utf-8")

    def given_secret(self, name: str) -> str | None:
        """The secret of this name where somebody has put one there."""
        path = self._secrets / name
        return path.read_text(encoding="utf-8").strip() if path.is_file() else None

    def port(self, service: str, name: str = "main") -> int:
        """A port on loopback of the service's own: chosen free the first time, and kept."""
        key = f"{service}/{name}"
        ports = self._ports()
        if key not in ports:
            ports[key] = _free_port(set(ports.values()))
            self._write_ports(ports)
        return ports[key]

    def listens_at(self, service: str, name: str = "main") -> str:
        """Where the service listens on this port: 127.0.0.1:port."""
        return f"127.0.0.1:{self.port(service, name)}"

    def renew_ports(self, service: str) -> None:
        """Forget those of the service's ports that somebody else took meanwhile. For a service that is not running."""
        ports = self._ports()
        kept = {key: port for key, port in ports.items() if not key.startswith(f"{service}/") or _is_free(port)}
        if kept != ports:
            self._write_ports(kept)

    def write_settings(self, settings: Mapping[str, object]) -> None:
        """Write the settings that point at this stack."""
        write_private(self.settings_file, _HEADER + tomli_w.dumps(dict(sorted(settings.items()))))

    def services(self) -> tuple[str, ...]:
        """Those that have been brought up here, and belong to this stack since."""
        path = self.path / "services.json"
        return tuple(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else ()

    def write_services(self, names: tuple[str, ...]) -> None:
        write_private(self.path / "services.json", json.dumps(names))

    def _ports(self) -> dict[str, int]:
        path = self.path / "ports.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}

    def _write_ports(self, ports: dict[str, int]) -> None:
        write_private(self.path / "ports.json", json.dumps(ports, indent=2, sort_keys=True))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, in one step."""
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
