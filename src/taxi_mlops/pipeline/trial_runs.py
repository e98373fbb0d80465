"""Run the trials of a comparison one after the other, and write each to the journal before the next one starts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from taxi_mlops.adapters.programs import program_paths
from taxi_mlops.domain import Resources, Trial, TrialOutcome, TrialStatus
from taxi_mlops.limits import usable_cpus
from taxi_mlops.monitoring.logs import get_logger
from taxi_mlops.monitoring.spans import current_traceparent
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.step_runner import Step, StepRunner
from taxi_mlops.results.journal import Journal, RunHeader, TrialRecord
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.settings import load_settings
from taxi_mlops.trials.runner import run_trial
from taxi_mlops.trials.schedule import plan_trials
from taxi_mlops.trials.templates import Templates

_ANSWER_BYTES_PER_POINT = 2 * 5
"""Bytes of an answer for each point: label and core mark, twice while the answer is checked."""


def run_trials(journal: Journal, folder: RunFolder, observer: Observer, runner: StepRunner) -> None:
    """Run the trials that are not in the journal yet, each as a step."""
    plan = journal.header.specification.trials
    trials = plan_trials(plan.adapters or (), plan.repeats, plan.seed, journal.header.workloads)
    programs = program_paths(plan.adapter_file, load_settings().cache_dir)
    due = dict.fromkeys(trial.adapter for trial in trials if not journal.holds(trial) and trial.adapter not in programs)
    with Templates(journal.header.run_id, on_refusal=_log_refusal) as templates:
        templates.start(tuple(due), _resources(journal.header))
        for number, trial in enumerate(trials, start=1):
            if not journal.holds(trial):
                action = partial(_run_one, trial, number, len(trials), journal, folder, observer, templates, programs)
                runner.step(observer, Step.TRIAL, action, f"trial {trial.key}")


def _log_refusal(adapter: str, reason: str) -> None:
    get_logger().info("template_refused", adapter=adapter, reason=reason)


def _run_one(
    trial: Trial,
    number: int,
    total: int,
    journal: Journal,
    folder: RunFolder,
    observer: Observer,
    templates: Templates,
    programs: Mapping[str, Path],
) -> TrialOutcome:
    """Run a trial and append its outcome to the journal; skip it if one of its adapter has failed already."""
    header = journal.header
    observer.trial_started(trial, number, total)
    folder.ensure_free_space(_ANSWER_BYTES_PER_POINT * header.n_points)
    outcome = _settled(trial, header, journal.outcomes) or run_trial(
        trial,
        run_id=header.run_id,
        workload=folder.workload(trial.workload),
        resources=_resources(header),
        scratch=folder.scratch,
        labels=folder.answers,
        traceparent=current_traceparent(),
        templates=None if trial.adapter in programs else templates,
        adapter_file=programs.get(trial.adapter),
    )
    if outcome.status not in (TrialStatus.OK, TrialStatus.SKIPPED):
        folder.ensure_free_space(said=str(outcome.cause))  # if there is none, the disk failed, not the adapter
    journal.append(TrialRecord(finished_at=datetime.now(UTC), outcome=outcome))
    get_logger().info(
        "trial_finished",
        trial=trial.key,
        status=outcome.status.value,
        cause=outcome.cause,
        fit_seconds=outcome.fit_seconds,
        total_seconds=outcome.total_seconds,
    )
    observer.trial_finished(outcome)
    return outcome


def _resources(header: RunHeader) -> Resources:
    plan = header.specification.trials
    return Resources(
        threads=header.threads,
        cpus=usable_cpus()[: header.threads],
        memory_limit_bytes=plan.memory_limit,
        timeout_seconds=plan.timeout_seconds,
    )


def _settled(trial: Trial, header: RunHeader, outcomes: tuple[TrialOutcome, ...]) -> TrialOutcome | None:
    """Return a skipped outcome if a trial of the same adapter on the workload has failed already, else None.

    An adapter that exceeded its time or memory limit on fewer points is not run on more.
    """
    smaller = header.smaller_than(trial.workload)
    for earlier in outcomes:
        if earlier.trial.adapter != trial.adapter or earlier.status is TrialStatus.OK:
            continue
        too_much = earlier.status in (TrialStatus.TIMEOUT, TrialStatus.OUT_OF_MEMORY)
        if earlier.trial.workload == trial.workload or (too_much and earlier.trial.workload in smaller):
            cause = f"not run: trial {earlier.trial.key} ended {earlier.status}"
            return TrialOutcome(trial=trial, status=TrialStatus.SKIPPED, cause=cause)
    return None
