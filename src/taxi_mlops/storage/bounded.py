"""PostgreSQL connections that wait only so long for an answer, also from a server that takes questions in silence.

libpq bounds connecting alone; what the server can bound, it does not where it is the server that hangs.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

R = TypeVar("R")


def bounded_connection(seconds: float) -> type[psycopg.Connection[Any]]:
    """A class of connections on which a silence of more than so many seconds is an OperationalError, and the end."""

    class BoundedConnection(psycopg.Connection[Any]):
        def wait(self, gen: PQGen[R], *arguments: Any, **options: Any) -> R:  # noqa: ANN401 - as its own
            try:
                return super().wait(_bounded(gen, seconds), *arguments, **options)
            except _SilenceError:
                self.pgconn.finish()  # else the rollback would wait as long again
                raise psycopg.OperationalError(f"no answer for {seconds:g} s") from None

    return BoundedConnection


class _SilenceError(Exception):
    """Nothing came for too long."""


def _bounded(steps: PQGen[R], seconds: float) -> Generator[Any, Any, R]:
    """The same steps, broken off where the connection is not ready for too long, which psycopg tells now and then."""
    last = time.monotonic()
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if ready:
                last = time.monotonic()
            elif time.monotonic() - last > seconds:
                raise _SilenceError
            wanted = steps.send(ready)
    except StopIteration as end:
        result: R = end.value
        return result
