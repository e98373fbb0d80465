"""The interface by which a run reports its progress: to the command line, to metrics and to traces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

from taxi_mlops.domain import Trial, TrialOutcome
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.results.journal import RunHeader


class Observer:
    """Receives the events of a run. Every method does nothing unless it is overridden."""

    def loading(self, what: str, done: int, total: int | None) -> None:
        """Report bytes or rows of a stage of loading; `total` is None if it is not known."""

    def stage(self, text: str) -> None:
        """Report that a new stage of the run has begun; `text` is for people."""

    def step(self, name: str) -> AbstractContextManager[None]:  # noqa: ARG002 - for those who override it
        """Enter a step of the run, which lasts as long as this context."""
        return nullcontext()

    def trials_begin(self, header: RunHeader, earlier: Sequence[TrialOutcome]) -> None:
        """Report that the points are loaded. `earlier` are the outcomes of a run that is resumed."""

    def trial_started(self, trial: Trial, number: int, total: int) -> None:
        """Report that a trial starts: the `number`-th of `total`, including those of an earlier process."""

    def trial_finished(self, outcome: TrialOutcome) -> None:
        """Report that a trial has ended and its outcome is in the journal."""

    def compared(self, comparison: Comparison) -> None:
        """Report that the trials are evaluated and `comparison.json` is written."""

    def recorded(self, recorder: str, failure: str | None) -> None:
        """Report that a recorder has recorded the run, or the reason of its failure."""

    def warning(self, text: str) -> None:
        """Report a failure that the user should know and that does not end the run."""


class Observers(Observer):
    """Several observers as one; each receives every event, in order."""

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
