"""Who watches a run: the command line shows progress, tests count, nobody need listen."""

from __future__ import annotations

from taxi_mlops.domain import Trial, TrialOutcome


class Observer:
    """Told what a run is doing. Every method may be overridden; none does anything by itself."""

    def loading(self, what: str, done: int, total: int | None) -> None:
        """Bytes or rows of a stage of loading; `total` is None where it is not known."""

    def stage(self, text: str) -> None:
        """A new stage of the run has begun."""

    def trial_started(self, trial: Trial, number: int, total: int) -> None:
        """A trial starts: the `number`-th of `total`, those of an earlier process counted in."""

    def trial_finished(self, outcome: TrialOutcome) -> None:
        """A trial has ended, and its outcome is in the journal."""
