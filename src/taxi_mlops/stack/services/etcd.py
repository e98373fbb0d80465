"""etcd: three members that agree which PostgreSQL is the primary."""

from __future__ import annotations

from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.programs import INSTALL
from taxi_mlops.stack.service import HttpService, InstalledService, Program

MEMBERS = ("etcd-1", "etcd-2", "etcd-3")


class Etcd(InstalledService, HttpService):
    """One member. Like SeaweedFS's own ports, etcd asks users of this machine for no password."""

    programs = ("etcd",)
    how_to_get = f"{INSTALL} --production gets it"
    health = "/health"

    def __init__(self, name: str) -> None:
        self.name = name

    def program(self, stack: StackFolder) -> Program:
        client, peer = self.address(stack), _peer(stack, self.name)
        options = {
            "name": self.name,
            "data-dir": stack.data(self.name) / "data",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": ",".join(f"{name}={_peer(stack, name)}" for name in MEMBERS),
            "initial-cluster-state": "new",
            "initial-cluster-token": stack.identifier,
            "auto-compaction-retention": "1",
        }
        return Program(command=(self.executable, *(f"--{name}={value}" for name, value in options.items())))


def client_addresses(stack: StackFolder) -> list[str]:
    """Return where the members serve clients: 127.0.0.1:port."""
    return [stack.listens_at(name) for name in MEMBERS]


def _peer(stack: StackFolder, name: str) -> str:
    return f"http://{stack.listens_at(name, 'peer')}"
