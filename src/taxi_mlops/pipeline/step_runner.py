"""Call the steps of a run: directly here, as Prefect tasks in `flows.prefect_compare`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import TypeVar

from taxi_mlops.pipeline.observer import Observer

R = TypeVar("R")


class Step(StrEnum):
    """The steps of a run, in order; each trial is a step of its own."""

    LOAD = "load"
    TRIAL = "trial"
    EQUIVALENCE = "equivalence"
    QUALITY = "quality"
    ASSEMBLE = "assemble"
    LABELS = "labels"
    REPORT = "report"
    RECORD = "record"


class StepRunner:
    """Calls steps in this process, one after another. The result of a step never depends on its caller."""

    def step(self, observer: Observer, step: Step, action: Callable[[], R], title: str = "") -> R:
        """Run the step and report it to the observer. `title` distinguishes it from other steps of its kind."""
        with observer.step(step.value):
            return self.perform(step, action, title or step.value)

    def perform(self, step: Step, action: Callable[[], R], title: str) -> R:  # noqa: ARG002 - for other runners
        """Call the action in this thread, and return its result or raise its error."""
        return action()

    def exclusive_host(self) -> AbstractContextManager[None]:
        """Return a context to hold while trials run, in addition to the lock of `trials.host_lock`."""
        return nullcontext()


DIRECT = StepRunner()
