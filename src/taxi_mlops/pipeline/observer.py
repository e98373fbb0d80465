"""Who watches a run: the command line shows progress, telemetry counts and traces, nobody need listen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

from taxi_mlops.domain import Trial, TrialOutcome
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.results.journal import RunHeader


class Observer:
    """Told what a run is doing. Every method may be overridden; none does anything by itself."""

    def loading(self, what: str, done: int, total: int | None) -> None:
        """Bytes or rows of a stage of loading; `total` is None where it is not known."""

    def stage(self, text: str) -> None:
        """A new stage of the run has begun; `text` is for people."""

    def step(self, name: str) -> AbstractContextManager[None]:  # noqa: ARG002 - for those who override it
        """A step of the run lasts as long as this context."""
        return nullcontext()

    def trials_begin(self, header: RunHeader, earlier: Sequence[TrialOutcome]) -> None:
        """The points are there. `earlier` are the trials of a run that is gone on with."""

    def trial_started(self, trial: Trial, number: int, total: int) -> None:
        """A trial starts: the `number`-th of `total`, those of an earlier process counted in."""

    def trial_finished(self, outcome: TrialOutcome) -> None:
        """A trial has ended, and its outcome is in the journal."""

    def compared(self, comparison: Comparison) -> None:
        """The trials are evaluated, and `comparison.json` is there."""

    def recorded(self, recorder: str, failure: str | None) -> None:
        """A recorder has taken the run in, or `failure` says why not."""

    def warning(self, text: str) -> None:
        """Something beside the comparison failed, and the user should know."""


class Observers(Observer):
    """Several observers, each told everything in turn."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def loading(self, what: str, done: int, total: int | None) -> None:
        self._notify(lambda observer: observer.loading(what, done, total))

    def stage(self, text: str) -> None:
        self._notify(lambda observer: observer.stage(text))

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        with ExitStack() as stack:
            for observer in self._observers:
                stack.enter_context(observer.step(name))
            yield

    def trials_begin(self, header: RunHeader, earlier: Sequence[TrialOutcome]) -> None:
        self._notify(lambda observer: observer.trials_begin(header, earlier))

    def trial_started(self, trial: Trial, number: int, total: int) -> None:
        self._notify(lambda observer: observer.trial_started(trial, number, total))

    def trial_finished(self, outcome: TrialOutcome) -> None:
        self._notify(lambda observer: observer.trial_finished(outcome))

    def compared(self, comparison: Comparison) -> None:
        self._notify(lambda observer: observer.compared(comparison))

    def recorded(self, recorder: str, failure: str | None) -> None:
        self._notify(lambda observer: observer.recorded(recorder, failure))

    def warning(self, text: str) -> None:
        self._notify(lambda observer: observer.warning(text))

    def _notify(self, notify: Callable[[Observer], None]) -> None:
        for observer in self._observers:
            notify(observer)
