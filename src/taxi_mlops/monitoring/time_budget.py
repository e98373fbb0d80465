"""The seconds that a run may wait for monitoring services, in all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar, cast

R = TypeVar("R")

RUN_SECONDS = 1.5
"""What a run may spend, in all, on collectors that are absent, slow or refuse; the promise of 2 s allows for load."""


class DeadlineExceededError(Exception):
    """A call took longer than its share of the time budget."""


class TimeBudget:
    """Seconds that may be spent on calls, in all. `left` is what remains."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def call(self, action: Callable[[], R], share: float = 1.0) -> R:
        """Return or raise what the action does.

        The action runs in a thread, which is abandoned at the deadline: looking up a host name, or reading from a
        server that answers byte by byte, has no timeout of its own.

        share: of the seconds left, that the action may take. Raises DeadlineExceededError if it takes longer.
        """
        calling, seconds = _Calling(action), self.left * share
        started = time.monotonic()
        calling.start()
        calling.join(seconds)
        self.left = max(0.0, self.left - (time.monotonic() - started))
        if calling.is_alive():
            raise DeadlineExceededError(f"no answer within {seconds:.3g} s")
        if calling.error is not None:
            raise calling.error
        return cast("R", calling.result)


class _Calling(threading.Thread):
    """A thread that makes one call, and keeps its result or error."""

    def __init__(self, action: Callable[[], object]) -> None:
        super().__init__(name="time-budget", daemon=True)
        self._action = action
        self.result: object = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.result = self._action()
        except Exception as error:  # noqa: BLE001 - raised again by TimeBudget.call
            self.error = error


_CURRENT: ContextVar[TimeBudget | None] = ContextVar("time_budget", default=None)


@contextmanager
def run_time_budget() -> Iterator[TimeBudget]:
    """Give the run of this context one time budget, shared by everything that monitors it."""
    budget = TimeBudget(RUN_SECONDS)
    token = _CURRENT.set(budget)
    try:
        yield budget
    finally:
        _CURRENT.reset(token)


def time_budget_or(seconds: float) -> TimeBudget:
    """Return the time budget of the current run, or a new one of so many seconds."""
    return _CURRENT.get() or TimeBudget(seconds)
