"""HAProxy in front of servers that do the same: clients have one address, and get a server that works."""

from __future__ import annotations

from collections.abc import Sequence

from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.programs import INSTALL, find_program, program
from taxi_mlops.stack.service import Program

_HEAD = """\
# Written by `taxi stack up`.
global
    maxconn 4000
    log stdout format raw local0 notice

defaults
    mode {mode}
    log global
    timeout connect 3s
    timeout check 3s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    retries 3
    option redispatch

listen {name}
    bind {address}
"""
_SERVERS = """\
    default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
"""
HTTP = (
    "timeout http-request 30s",
    "timeout queue 30s",
    "balance leastconn",
    "option forwardfor",
    # What was sent may have been done, so it is sent again only where it changes nothing.
    "http-request disable-l7-retry if !METH_GET",
    "retry-on conn-failure empty-response",
)
"""Lines for servers of HTTP."""


def balancer(
    stack: StackFolder, name: str, lines: Sequence[str], servers: Sequence[tuple[str, str]], *, http: bool = False
) -> Program:
    """Return HAProxy at the address of a service.

    lines: of its configuration, with the health check. servers: names, and addresses with more options.
    """
    mode = "http" if http else "tcp"
    text = _HEAD.format(mode=mode, name=name, address=stack.listens_at(name))
    text += "".join(f"    {line}\n" for line in (*(HTTP if http else ()), *lines))
    text += _SERVERS + "".join(f"    server {server} {address} check\n" for server, address in servers)
    return Program(
        command=(program("haproxy"), "-db", "-f", str(stack.data(name) / "haproxy.cfg")),
        files={"haproxy.cfg": text},
    )


def missing_haproxy() -> str | None:
    """Return why HAProxy cannot be started here, in one line, or None."""
    return None if find_program("haproxy") else f"haproxy is not installed; {INSTALL} --production gets it"
