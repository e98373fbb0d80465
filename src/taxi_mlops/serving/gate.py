"""What every request passes: its host, its key, its rate, and its measurement."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taxi_mlops.serving.keys import ApiKeys, Key, Role
from taxi_mlops.serving.pages import DESCRIPTION, FILES
from taxi_mlops.serving.problems import problem
from taxi_mlops.serving.rate_limit import RateLimit, caller_at

STATE_PATHS = frozenset({"/healthz", "/readyz"})
"""Paths that have no limit: what asks them must not be taken for a failure of the service."""
OPEN_PATHS = frozenset({DESCRIPTION, *STATE_PATHS, *FILES})
"""Paths that need no key: they say nothing of the model but its version."""
ADMIN_PATHS = frozenset({"/v1/outcomes"})
"""Paths that change what is stored."""

Measured = Callable[[str, str, int, float], None]
"""Takes route, method, status and seconds of a request."""

KEY_NAME = "taxi.key_name"
"""Where the scope of a request has the name of its key."""
WITHOUT_KEY = "(no key)"
"""Stands for it where the service needs no key."""

_METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"})
_NO_ROUTE = "none"


@dataclass(frozen=True, slots=True)
class Gate:
    """A middleware. keys: None if none is needed. hosts: the names that requests may call this host; None for any.
    limit: of each key, and of each address that has none; None for no limit.

    With keys a page of the web cannot ask in a user's name, since it does not have the key. On loopback without keys,
    the names of the host keep out pages whose own name was made to point here (DNS rebinding).
    """

    app: ASGIApp
    keys: ApiKeys | None
    hosts: frozenset[str] | None
    measured: Measured
    limit: RateLimit | None = None

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
        refused = self._refused(scope)
        await (self.app if refused is None else refused)(scope, receive, send)

    def _refused(self, scope: Scope) -> Response | None:
        """Return why a request is not answered; None if it is."""
        headers, path = dict(scope["headers"]), scope["path"]
        if self.hosts is not None and _host(headers.get(b"host", b"")) not in self.hosts:
            return problem(421, "This service answers to its own name alone.")
        key = None if self.keys is None or path in OPEN_PATHS else _key(self.keys, headers)
        if self.limit is not None and path not in STATE_PATHS:
            seconds = self.limit.wait(_caller(scope) if key is None else f"key {key.name}")
            if seconds > 0.0:
                again = {"Retry-After": str(math.ceil(seconds))}
                return problem(429, f"Too many requests; send this again in {math.ceil(seconds)} s.", again)
        if self.keys is None or path in OPEN_PATHS:
            return None
        if key is None:
            return problem(401, "A key is needed: Authorization: Bearer KEY.", {"WWW-Authenticate": "Bearer"})
        scope[KEY_NAME] = key.name
        if path in ADMIN_PATHS and key.role is not Role.ADMIN:
            return problem(403, f"The key {key.name} has the role {key.role}; this needs the role {Role.ADMIN}.")
        return None


def _key(keys: ApiKeys, headers: dict[bytes, bytes]) -> Key | None:
    """Return the key that a request has; None if it has none that is accepted."""
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return keys.find(token.strip()) if scheme.lower() == "bearer" else None


def _caller(scope: Scope) -> str:
    client = scope.get("client")
    return caller_at(client[0]) if client else ""


def _host(header: bytes) -> str:
    """Return the name in a Host header, without its port."""
    name = header.decode("latin-1").lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0]
