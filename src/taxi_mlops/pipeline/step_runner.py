"""How the steps of a run are called."""

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
    """Calls steps in this process, one after another. What a step does never depends on who called it."""

    def step(self, observer: Observer, step: Step, action: Callable[[], R], title: str = "") -> R:
        """Carry out the step while the observer knows of it. `title` tells it from others of its kind."""
        with observer.step(step.value):
            return self.perform(step, action, title or step.value)

    def perform(self, step: Step, action: Callable[[], R], title: str) -> R:  # noqa: ARG002 - for other runners
        """Call the action, in this thread, and return or raise what it does."""
        return action()

    def exclusive_host(self) -> AbstractContextManager[None]:
        """Held while trials run, beside the lock of `trials.host_lock`."""
        return nullcontext()


DIRECT = StepRunner()
