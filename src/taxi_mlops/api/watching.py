"""Report the progress of a call: a bar in a notebook, nothing elsewhere; warnings as Python warnings."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from taxi_mlops.domain import Trial
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.reports.units import trial_text

_UPDATE_SECONDS = 0.2
"""Seconds between two updates of a bar while trips are read."""


@contextmanager
def watched() -> Iterator[Observer]:
    """Yield an observer for one call. Its warnings become Python warnings at the end, when logs are closed."""
    observer = NotebookObserver() if _in_notebook() else WarningObserver()
    try:
        yield observer
    finally:
        observer.close()
        for text in observer.warnings:
            warnings.warn(text, stacklevel=4)


def _in_notebook() -> bool:
    """Return whether this is a Jupyter kernel, and not a terminal."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


class WarningObserver(Observer):
    """Collects warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def close(self) -> None:
        """Remove the bar."""


class NotebookObserver(WarningObserver):
    """Shows a bar in the output of a cell; a trial changes it before it starts, never while it is timed."""

    def __init__(self) -> None:
        super().__init__()
        from IPython.display import display

        self._shown: Any = display(_nothing(), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        self._updated = 0.0

    def loading(self, what: str, done: int, total: int | None) -> None:
        if time.monotonic() - self._updated > _UPDATE_SECONDS:
            self._show(what, done, total)

    def stage(self, text: str) -> None:
        self._show(text)

    def trial_started(self, trial: Trial, number: int, total: int) -> None:
        self._show(f"{number} of {total}: {trial_text(trial)}", number - 1, total)

    def close(self) -> None:
        self._shown.update(_nothing(), raw=True)

    def _show(self, text: str, done: int = 0, total: int | None = None) -> None:
        self._updated = time.monotonic()
        known = f' value="{done}" max="{total}"' if total else ""
        label = escape(text)
        html = f'<progress aria-label="{label}" style="width: 20em"{known}></progress> {label}'
        self._shown.update({"text/html": html, "text/plain": text}, raw=True)


def _nothing() -> dict[str, str]:
    return {"text/html": "", "text/plain": ""}
