"""How long a run waits for services that only watch it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar, cast

R = TypeVar("R")

RUN_SECONDS = 1.5
"""What a run may lose, in all, to collectors that are absent, slow or refuse; 2 s are promised on busy machines too."""


class NoAnswerError(Exception):
    """It took longer than there was patience for."""


class Patience:
    """Seconds that may be waited, in all."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def call(self, action: Callable[[], R], share: float = 1.0) -> R:
        """Return or raise what the action does. Raises NoAnswerError where it takes more than a share of what is left.

        It runs in a thread that is left alone then, since looking up a host's name, or a server that answers byte by
        byte, knows no deadline.
        """
        calling, seconds = _Calling(action), self.left * share
        started = time.monotonic()
        calling.start()
        calling.join(seconds)
        self.left = max(0.0, self.left - (time.monotonic() - started))
        if calling.is_alive():
            raise NoAnswerError(f"no answer within {seconds:.3g} s")
        if calling.error is not None:
            raise calling.error
        return cast("R", calling.result)


class _Calling(threading.Thread):
    """One call. Its result or error is there once the thread has ended."""

    def __init__(self, action: Callable[[], object]) -> None:
        super().__init__(name="patience", daemon=True)
        self._action = action
        self.result: object = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.result = self._action()
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            self.error = error


_OF_THIS_RUN: ContextVar[Patience | None] = ContextVar("patience", default=None)


@contextmanager
def patience_of_a_run() -> Iterator[Patience]:
    """One patience for all that watches the run that lasts as long as this context."""
    patience = Patience(RUN_SECONDS)
    token = _OF_THIS_RUN.set(patience)
    try:
        yield patience
    finally:
        _OF_THIS_RUN.reset(token)


def patience_or(seconds: float) -> Patience:
    """The patience of the run that is going on, or one of so many seconds."""
    return _OF_THIS_RUN.get() or Patience(seconds)
