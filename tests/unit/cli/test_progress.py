"""What the command line prints while a comparison runs: on a terminal, and into a pipe."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from taxi_mlops.cli.progress import ProgressObserver, RateColumn
from taxi_mlops.domain import Trial, TrialKind, TrialOutcome, TrialStatus


def _said(terminal: bool) -> list[str]:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80, highlight=False, color_system=None)
    observer = ProgressObserver(Progress(console=console, disable=True), console)
    memory, timing = Trial("grid", TrialKind.MEMORY, 0), Trial("dbscan", TrialKind.TIMING, 1)
    observer.stage("Choosing eps")
    observer.trial_started(memory, 1, 12)
    observer.trial_finished(TrialOutcome(trial=memory, status=TrialStatus.OK, peak_memory_bytes=170_000_000))
    observer.trial_started(timing, 2, 12)
    observer.trial_finished(TrialOutcome(trial=timing, status=TrialStatus.CRASHED, cause="exited with code 3"))
    observer.warning("the cache is full")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_stage_does_not_keep_the_total_of_the_last_one() -> None:
    progress = Progress(console=Console(file=io.StringIO()), disable=True)
    observer = ProgressObserver(progress, progress.console)
    observer.trial_started(Trial("grid", TrialKind.MEMORY, 0), 1, 12)
    assert [(task.description, task.total) for task in progress.tasks] == [("grid, memory", 12)]
    observer.stage("Writing the report")
    assert [(task.description, task.total) for task in progress.tasks] == [("Writing the report", None)]


@pytest.mark.parametrize("terminal", [False, True])
def test_a_terminal_keeps_what_failed_and_a_pipe_every_trial(terminal: bool) -> None:
    failed = "[ 2/12] dbscan             fit 1    crashed: exited with code 3"
    warned = "warning: the cache is full"
    everything = [
        "Choosing eps",
        "Running the trials, each in a process of its own",
        "[ 1/12] grid               memory   170 MB",
        failed,
        warned,
    ]
    assert _said(terminal) == ([failed, warned] if terminal else everything)


def test_loading_shows_how_fast_it_is_and_the_time_left() -> None:
    now = 100.0
    progress = Progress(RateColumn(), console=Console(file=io.StringIO()), disable=True, get_time=lambda: now)
    observer = ProgressObserver(progress, progress.console)

    def shown() -> str:
        return str(progress.columns[0](progress.tasks[0]))

    observer.loading("Counting the points", 0, 4_000_000)
    assert shown() == ""
    now = 102.0
    observer.loading("Counting the points", 1_000_000, 4_000_000)
    assert shown() == "500,000/s, 0:00:06 left"
    now = 200.0
    observer.loading("Clustering the tiles", 0, 16)
    now = 210.0
    observer.loading("Clustering the tiles", 4, 16)
    assert shown() == "0.4/s, 0:00:30 left"
    observer.loading("Reading", 1_000, None)
    now = 220.0
    assert shown() == "100/s"
    observer.stage("Drawing the map")
    assert shown() == ""
