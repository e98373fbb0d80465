"""A limit of requests for each caller: a bucket of tokens, filled at a steady rate, of which a request takes one."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

MAX_CALLERS = 10_000
"""Callers whose buckets are kept; the one that asked longest ago is forgotten, and begins again with a full one."""
_IPV6_NETWORK = 64
"""Bits of an IPv6 address that name a network: one caller has all addresses of one."""


class RateLimit:
    """A bucket for each caller. Not for several threads at once: the loop of the service uses it alone.

    rate: tokens a second. A bucket holds those of one second, and one at least.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._size, self._clock = rate, max(1.0, rate), clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when there were so many

    def wait(self, caller: str) -> float:
        """Take a token, and return 0; or take none, and return the seconds until there is one."""
        now = self._clock()
        tokens, since = self._buckets.get(caller, (self._size, now))
        tokens = min(self._size, tokens + (now - since) * self._rate)
        seconds = 0.0 if tokens >= 1.0 else (1.0 - tokens) / self._rate
        self._buckets[caller] = (tokens if seconds else tokens - 1.0, now)
        self._buckets.move_to_end(caller)
        if len(self._buckets) > MAX_CALLERS:
            self._buckets.popitem(last=False)
        return seconds


def caller_at(address: str) -> str:
    """Return the name of the caller at an address: the address itself, or its network if it is of IPv6."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], _IPV6_NETWORK), strict=False))
    except ValueError:
        return address
