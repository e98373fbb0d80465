"""PostgreSQL connections that time out, also when the server accepts a query and never answers.

libpq has a timeout for connecting alone, and the server's own timeouts do not help when the server itself hangs.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

R = TypeVar("R")


def bounded_connection(seconds: float) -> type[psycopg.Connection[Any]]:
    """Return a connection class that raises OperationalError, and closes, after so many seconds without an answer."""

    class BoundedConnection(psycopg.Connection[Any]):
        def wait(self, gen: PQGen[R], *arguments: Any, **options: Any) -> R:  # noqa: ANN401 - as its own
            try:
                return super().wait(_bounded(gen, seconds), *arguments, **options)
            except _SilentServerError:
                self.pgconn.finish()  # or the rollback would wait as long again
                raise psycopg.OperationalError(f"no answer for {seconds:g} s") from None

    return BoundedConnection


class _SilentServerError(Exception):
    """The connection was silent for too long."""


def _bounded(steps: PQGen[R], seconds: float) -> Generator[Any, Any, R]:
    """Run the same steps, but raise if the connection is not ready for too long, which psycopg reports regularly."""
    last = time.monotonic()
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if ready:
                last = time.monotonic()
            elif time.monotonic() - last > seconds:
                raise _SilentServerError
            wanted = steps.send(ready)
    except StopIteration as end:
        result: R = end.value
        return result
