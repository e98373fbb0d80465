"""Run one trial and return its outcome."""

from __future__ import annotations

import shutil
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from taxi_mlops.domain import NOISE, Resources, Trial, TrialOutcome, TrialStatus
from taxi_mlops.trials.clusterings import InvalidClusteringError, read_answer, store_clustering
from taxi_mlops.trials.protocol import Report, Request
from taxi_mlops.trials.supervisor import Ending, supervise
from taxi_mlops.trials.templates import Templates
from taxi_mlops.trials.workload_folder import workload_size

_FAILED_ALLOCATIONS = ("std::bad_alloc", "Cannot allocate memory", "Out of memory", "out of memory")
"""What native code prints to stderr before it aborts for lack of memory."""


def run_trial(
    trial: Trial,
    *,
    run_id: str,
    workload: Path,
    resources: Resources,
    scratch: Path,
    labels: Path,
    traceparent: str | None = None,
    templates: Templates | None = None,
    adapter_file: Path | None = None,
) -> TrialOutcome:
    """Run one trial in a process of its own and return its outcome, whatever that is.

    run_id: by which `sweep_orphans` finds processes. workload: a folder of `write_workload`. scratch: a folder for what
    the trial writes, which is removed. labels: the folder of `open_clustering`, in which a valid answer is stored.
    traceparent: of the trial's span, or None. templates: of the run, from which the process may be forked; None for a
    fresh one. adapter_file: of a program, None for an adapter of an installed package.
    No process of the trial is running when this returns or raises (KeyboardInterrupt included).
    """
    scratch.mkdir(parents=True, exist_ok=True)
    own_scratch = Path(tempfile.mkdtemp(prefix="trial-", dir=scratch.resolve()))
    request = Request(
        trial.adapter,
        trial.kind,
        workload.resolve(),
        own_scratch,
        resources,
        traceparent,
        adapter_file=adapter_file,
    )
    try:
        ending = supervise(request, run_id, templates)
        outcome = _outcome(trial, ending)
        if outcome.status is not TrialStatus.OK:
            return outcome
        return _with_answer(outcome, own_scratch, workload_size(workload), labels)
    finally:
        shutil.rmtree(own_scratch, ignore_errors=True)


def _outcome(trial: Trial, ending: Ending) -> TrialOutcome:
    report = ending.report
    status, cause = _verdict(ending)
    return TrialOutcome(
        trial=trial,
        status=status,
        cause=cause,
        exit_code=report.exit_code,
        stderr_tail=ending.stderr_tail,
        adapter_version=report.adapter_version,
        total_seconds=ending.total_seconds,
        template_seconds=ending.template_seconds,
        cold_start_seconds=_cold_start_seconds(ending),
        prepare_seconds=report.prepare_seconds,
        fit_seconds=report.fit_seconds,
        fit_user_seconds=report.fit_user_seconds,
        fit_system_seconds=report.fit_system_seconds,
        peak_memory_bytes=ending.peak_memory_bytes if status is TrialStatus.OK else None,
        about=report.about,
    )


def _cold_start_seconds(ending: Ending) -> float | None:
    """Return the time that a fresh process needs to be ready; for a fork, with the import time of its template."""
    if ending.report.ready_at is None:
        return None
    return ending.report.ready_at - ending.started_at + (ending.template_seconds or 0.0)


def _verdict(ending: Ending) -> tuple[TrialStatus, str | None]:
    report = ending.report
    if ending.breach is not None:
        return ending.breach.status, ending.breach.cause
    if report.status is None:
        return _without_answer(report, ending.stderr_tail)
    if report.status is not TrialStatus.OK:
        return report.status, report.cause
    remarks = []
    if report.exit_code != 0:
        remarks.append(f"answered, then {_ended(report.exit_code)}")
    if report.left_running:
        remarks.append(f"left {report.left_running} processes running, which were killed")
    return TrialStatus.OK, "; ".join(remarks) or None


def _without_answer(report: Report, stderr_tail: str) -> tuple[TrialStatus, str]:
    if report.exit_code == -signal.SIGKILL:
        cause = "killed by SIGKILL, which this run did not send; most likely by the kernel, for want of memory"
        return TrialStatus.OUT_OF_MEMORY, f"{cause}, during {report.phase}"
    if report.exit_code == -signal.SIGABRT and any(words in stderr_tail for words in _FAILED_ALLOCATIONS):
        return TrialStatus.OUT_OF_MEMORY, f"native code could not allocate memory, and aborted, during {report.phase}"
    return TrialStatus.CRASHED, f"{_ended(report.exit_code)} without an answer during {report.phase}"


def _ended(exit_code: int | None) -> str:
    if exit_code is None:
        return "disappeared with its guardian"
    if exit_code < 0:
        return f"was killed by {signal.Signals(-exit_code).name}"
    return f"exited with code {exit_code}"


def _with_answer(outcome: TrialOutcome, scratch: Path, n: int, labels: Path) -> TrialOutcome:
    """Return the outcome of a trial that answered, with the answer checked and stored."""
    try:
        clustering = read_answer(scratch, n)
    except InvalidClusteringError as error:
        return replace(outcome, status=TrialStatus.INVALID, cause=str(error), peak_memory_bytes=None)
    return replace(
        outcome,
        labels_digest=store_clustering(clustering, labels),
        n_clusters=int(clustering.labels.max(initial=NOISE)) + 1,
        n_noise=int(np.count_nonzero(clustering.labels == NOISE)),
    )
