"""Show how far a long stage of a flow run is, as a progress artifact, which Prefect's pages draw as a bar."""

from __future__ import annotations

import time
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

_SECONDS = 5.0
"""Between two updates of one stage."""


class ProgressBar:
    """One artifact of the flow run, for one stage after the other. If the server refuses it, it is not shown again."""

    def __init__(self) -> None:
        self._artifact: UUID | None = None
        self._stage = ""
        self._updated = 0.0
        self._refused = False

    def show(self, stage: str, done: int, total: int | None) -> None:
        """Show that so much of a stage is done, at its beginning and its end, and now and then between them."""
        now = time.monotonic()
        due = stage != self._stage or done == total or now - self._updated >= _SECONDS
        if self._refused or not total or not due:
            return
        self._stage, self._updated = stage, now
        percent, text = min(100.0 * done / total, 100.0), f"{stage}: {done:,} of {total:,}"
        try:
            if self._artifact is None:
                self._artifact = create_progress_artifact(percent, key="progress", description=text)  # type: ignore[assignment]
            else:
                update_progress_artifact(self._artifact, percent, description=text)
        except Exception as error:  # noqa: BLE001 - a bar that cannot be drawn must not end what it shows
            self._refused = True
            get_run_logger().warning("the progress is not shown: %s: %s", type(error).__name__, error)
