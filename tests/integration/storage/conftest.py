"""An object store and a Redis of the tests' session, and a proxy that comes between."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import HttpUrl

from taxi_mlops.data.objects import ObjectAddress, ObjectStore
from taxi_mlops.settings import Settings


class Proxy(socketserver.ThreadingTCPServer):
    """Hands bytes on between clients and a service on this host.

    cut_after: a connection is closed once so many bytes have come from the service; `cuts` is how many.
    cut_from_client: connections are closed once all clients together have sent more bytes than this.
    """

    def __init__(self, service: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.service = service
        self.cut_after = 0
        self.cuts = 0
        self.cut_from_client: int | None = None
        self.from_service = 0
        self.from_client = 0
        self.open: set[socket.socket] = set()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, *_: object) -> None:
        """A connection that breaks is what this is for."""


class _Handler(socketserver.BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        proxy = self.server
        with socket.create_connection(("127.0.0.1", proxy.service)) as service:
            ends = (self.request, service)
            proxy.open.update(ends)
            sending = threading.Thread(target=self._send, args=ends)
            sending.start()
            self._receive(*ends)
            _shut(*ends)
            sending.join()
            proxy.open.difference_update(ends)

    def _send(self, client: socket.socket, service: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := client.recv(1 << 16):
                self.server.from_client += len(content)
                limit = self.server.cut_from_client
                if limit is not None and self.server.from_client > limit:
                    break
                service.sendall(content)
        _shut(client, service)

    def _receive(self, client: socket.socket, service: socket.socket) -> None:
        proxy = self.server
        came = 0
        with contextlib.suppress(OSError):
            while content := service.recv(1 << 16):
                client.sendall(content)
                proxy.from_service += len(content)
                came += len(content)
                if proxy.cuts and came > proxy.cut_after:
                    proxy.cuts -= 1
                    return


def _shut(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def start_proxy() -> Iterator[Callable[[int], Proxy]]:
    """Starts a proxy before the service at a port."""
    with contextlib.ExitStack() as stack:

        def start(service: int) -> Proxy:
            proxy = stack.enter_context(Proxy(service))
            thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            stack.callback(thread.join)
            stack.callback(lambda: _shut(*tuple(proxy.open)))
            stack.callback(proxy.shutdown)
            return proxy

        yield start


@pytest.fixture
def silent_port() -> Iterator[int]:
    """The port of something that takes connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port that is taken, and nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@dataclass
class Bucket:
    """A folder of the test's own in the bucket of trips, and settings that lead there."""

    settings: Settings
    prefix: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def client(self) -> Any:
        return ObjectStore(self.settings).client

    def address(self, name: str) -> str:
        return f"s3://taxi-data/{self.prefix}/{name}"

    def put(self, name: str, content: bytes) -> str:
        address = ObjectAddress.parse(self.address(name))
        self.client.put_object(Bucket=address.bucket, Key=address.key, Body=content)
        return str(address)

    def delete(self, name: str) -> None:
        address = ObjectAddress.parse(self.address(name))
        self.client.delete_object(Bucket=address.bucket, Key=address.key)

    @property
    def port(self) -> int:
        return int(self.settings.object_store_url.port)

    def by(self, port: int, **changes: object) -> Settings:
        """The settings, with the store behind this port."""
        return self.settings.model_copy(
            update={"object_store_url": HttpUrl(f"http://127.0.0.1:{port}"), "service_timeout_seconds": 0.5, **changes}
        )


@pytest.fixture(scope="session")
def store_settings(start_services) -> Settings:
    pytest.importorskip("boto3", reason="boto3 is in the extra s3")
    return start_services("object-store").settings


@pytest.fixture
def bucket(store_settings, tmp_path) -> Bucket:
    return Bucket(store_settings.model_copy(update={"cache_dir": tmp_path / "cache"}))
