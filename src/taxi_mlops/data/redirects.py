"""Refuse redirects that lead a download where its address does not: from TLS to none, from elsewhere to this machine.

Whoever runs the server that trips are downloaded from chooses its redirects. They must not reach services of this
machine or its network, as the metadata of a cloud's machine, which answer those inside.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from taxi_mlops.errors import DownloadError

if TYPE_CHECKING:
    import httpx


def check_redirect(response: httpx.Response) -> None:
    """Raise DownloadError if a response is such a redirect; a hook of httpx, called before it is followed."""
    if not response.has_redirect_location:
        return
    source, target = response.url, response.url.join(response.headers["Location"])
    if source.scheme == "https" and target.scheme == "http":
        raise DownloadError(f"{source.host} redirects to http://{target.host}, without TLS; correct the address")
    if is_inside(target.host) and not is_inside(source.host):
        raise DownloadError(
            f"{source.host} redirects to {target.host}, which is in this machine's own network; "
            "if that is right, use its address"
        )


def is_inside(host: str) -> bool:
    """Return whether a host has an address that is not public: of this machine, or of a private network."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False  # the request fails for the same reason
    return any(not _is_public(str(entry[4][0]).partition("%")[0]) for entry in found)


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_global
