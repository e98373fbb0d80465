"""What every request passes: its host, its key, and its measurement."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taxi_mlops.serving.keys import ApiKeys
from taxi_mlops.serving.map_page import FILES
from taxi_mlops.serving.problems import problem

OPEN_PATHS = frozenset({"/healthz", "/readyz", *FILES})
"""Paths that need no key: they say nothing of the model but its version."""

Measured = Callable[[str, str, int, float], None]
"""Takes route, method, status and seconds of a request."""

_METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"})
_NO_ROUTE = "none"


@dataclass(frozen=True, slots=True)
class Gate:
    """A middleware. keys: None if none is needed. hosts: the names that requests may call this host; None for any.

    With keys a page of the web cannot ask in a user's name, since it does not have the key. On loopback without keys,
    the names of the host keep out pages whose own name was made to point here (DNS rebinding).
    """

    app: ASGIApp
    keys: ApiKeys | None
    hosts: frozenset[str] | None
    measured: Measured

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
            await send(message)

        try:
            await self._answer(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", _NO_ROUTE)
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self.measured(route, method, status, time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if self.hosts is not None and _host(headers.get(b"host", b"")) not in self.hosts:
            await problem(421, "This service answers to its own name alone.")(scope, receive, send)
        elif self.keys is not None and scope["path"] not in OPEN_PATHS and not self._has_key(headers):
            refused = problem(401, "A key is needed: Authorization: Bearer KEY.", {"WWW-Authenticate": "Bearer"})
            await refused(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _has_key(self, headers: dict[bytes, bytes]) -> bool:
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        return scheme.lower() == "bearer" and self.keys is not None and self.keys.accepts(token.strip())


def _host(header: bytes) -> str:
    """Return the name in a Host header, without its port."""
    name = header.decode("latin-1").lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0]
