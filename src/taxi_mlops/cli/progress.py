"""Show the progress of a run on standard error: a live bar on a terminal, else a line for each stage and trial."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from taxi_mlops.domain import MAIN, Trial, TrialKind, TrialOutcome, TrialStatus
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.reports.units import measured, trial_text
from taxi_mlops.results.journal import RunHeader

_WHOLE = 10
"""A rate from this on is shown without decimals."""


@contextmanager
def progress_observer(quiet: bool) -> Iterator[Observer]:
    """Return an observer that shows progress, or one that shows warnings alone."""
    console = Console(stderr=True, highlight=False)
    if quiet:
        yield WarningObserver(console)
        return
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        RateColumn(),
        console=console,
        transient=True,
        refresh_per_second=1,  # drawing takes time from the CPUs that a trial is timed on
        disable=not console.is_terminal,
    )
    with progress:
        yield ProgressObserver(progress, console)


class RateColumn(ProgressColumn):
    """How much is done a second, and the time left at this rate. Of stages of loading alone: trials are not alike."""

    def render(self, task: Task) -> Text:
        began = task.fields.get("began")
        seconds = 0.0 if began is None else task.get_time() - began
        if seconds <= 0.0 or not task.completed:
            return Text()
        rate = task.completed / seconds
        shown = f"{rate:,.0f}/s" if rate >= _WHOLE else f"{rate:.1f}/s"
        if task.total is not None:
            left = timedelta(seconds=math.ceil((task.total - task.completed) / rate))
            shown = f"{shown}, {left} left"
        return Text(shown, style="dim")


class WarningObserver(Observer):
    """Shows warnings."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def warning(self, text: str) -> None:
        self._console.print(f"warning: {text}", markup=False, style="yellow", soft_wrap=True)


class ProgressObserver(WarningObserver):
    """Shows stages and trials too. On a terminal, successful trials are shown by the bar alone."""

    def __init__(self, progress: Progress, console: Console) -> None:
        super().__init__(console)
        self._progress = progress
        self._task = progress.add_task("Starting", total=None)
        self._stage = ""
        self._of = ""
        self._loading, self._began = "", 0.0

    def loading(self, what: str, done: int, total: int | None) -> None:
        self._announce(what)
        if what != self._loading:
            self._begin(what)
            self._loading, self._began = what, self._progress.get_time()
        self._progress.update(self._task, description=what, completed=done, total=total, began=self._began)

    def stage(self, text: str) -> None:
        self._announce(text)
        self._begin(text)

    def trials_begin(self, header: RunHeader, earlier: Sequence[TrialOutcome]) -> None:  # noqa: ARG002 - not shown
        columns = ", ".join(header.provenance.columns)
        source = f" from {columns} ({header.provenance.schema})" if columns else ""
        self._console.print(f"{header.n_points:,} points{source}", markup=False, soft_wrap=True)

    def trial_started(self, trial: Trial, number: int, total: int) -> None:
        self._announce("Running the trials, each in a process of its own")
        self._of = f"[{number:>{len(str(total))}}/{total}]"
        self._progress.update(self._task, description=trial_text(trial), completed=number - 1, total=total, began=None)

    def trial_finished(self, outcome: TrialOutcome) -> None:
        self._progress.advance(self._task)
        if self._console.is_terminal and outcome.status is TrialStatus.OK:
            return
        trial = outcome.trial
        said = measured(outcome) if outcome.status is TrialStatus.OK else f"{outcome.status}: {outcome.cause}"
        kind = "memory" if trial.kind is TrialKind.MEMORY else f"fit {trial.block}"
        where = "" if trial.workload == MAIN else f" ({trial.workload})"
        self._console.print(f"{self._of} {trial.adapter:<18} {kind:<8} {said}{where}", markup=False, soft_wrap=True)

    def _begin(self, description: str) -> None:
        """Begin a new bar: an update could not remove the total of the last one."""
        self._progress.remove_task(self._task)
        self._task = self._progress.add_task(description, total=None)
        self._loading = ""

    def _announce(self, stage: str) -> None:
        if stage != self._stage and not self._console.is_terminal:
            self._stage = stage
            self._console.print(stage, markup=False, style="dim")
