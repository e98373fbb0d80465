"""Run a comparison from the trips to the report: one function that calls the steps in order.

Each trial is written to the journal before the next one starts, so that a run can be killed at any moment and resumed.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial

from structlog.contextvars import get_contextvars

from taxi_mlops.audit.acts import Action
from taxi_mlops.audit.trail import trail_of
from taxi_mlops.data.request import of_version
from taxi_mlops.domain import MAIN, Points, Workload
from taxi_mlops.errors import DataError, RunFolderError, TaxiError
from taxi_mlops.evaluation.eps_choice import EpsChoice, choose_eps
from taxi_mlops.evaluation.quality.metrics import QualityMetrics
from taxi_mlops.files import write_atomically
from taxi_mlops.limits import usable_cpus
from taxi_mlops.monitoring.logs import SWEEP_ID, get_logger, run_logs
from taxi_mlops.monitoring.secrets import secrets_of
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.points import Load, cached_points
from taxi_mlops.pipeline.quality import assess
from taxi_mlops.pipeline.resolve import Resolved, resolve
from taxi_mlops.pipeline.step_runner import DIRECT, Step, StepRunner
from taxi_mlops.pipeline.telemetry import monitored_after_run, monitored_run
from taxi_mlops.pipeline.trial_runs import run_trials
from taxi_mlops.pipeline.verdicts import Answers, answers_of, judge, write_labels
from taxi_mlops.pipeline.workloads import wanted_points, write_further
from taxi_mlops.results.assembly import Verdicts, assemble, of_workload, with_further
from taxi_mlops.results.comparison import Comparison, read_comparison
from taxi_mlops.results.documents import to_json
from taxi_mlops.results.journal import Journal, RunHeader
from taxi_mlops.results.run_folder import RunFolder, new_id
from taxi_mlops.settings import Settings
from taxi_mlops.specification import AUTO, Specification
from taxi_mlops.trials.host_lock import host_lock, untimed_work
from taxi_mlops.trials.machine import changed_since, describe_machine
from taxi_mlops.trials.processes import sweep_orphans
from taxi_mlops.trials.workload_folder import open_workload, write_workload


def compare(
    specification: Specification,
    folder: RunFolder,
    settings: Settings,
    observer: Observer,
    verbose: bool = False,
    runner: StepRunner = DIRECT,
    load: Load = cached_points,
) -> Comparison:
    """Run a comparison in a new folder. Raises TaxiError for an error of the user's."""
    resolved = resolve(specification)
    folder.create()
    try:
        with folder.disk_full_errors(), folder.locked():
            write_atomically(folder.specification, specification.to_toml())
            return _run(resolved, folder, settings, observer, verbose, runner, load)
    except TaxiError:
        if not folder.journal.is_file():
            folder.discard()
        raise


def resume(
    folder: RunFolder,
    settings: Settings,
    observer: Observer,
    verbose: bool = False,
    runner: StepRunner = DIRECT,
    load: Load = cached_points,
) -> Comparison:
    """Resume a run that was stopped, without repeating a finished trial; return the result of one that has ended.

    Raises RunFolderError if the folder holds no run, or one that was started on a different machine.
    """
    if not folder.specification.is_file():
        raise RunFolderError(f"{folder.path} holds no run: {folder.specification.name} is missing")
    with folder.disk_full_errors(), folder.locked():
        if not folder.comparison.is_file():
            resolved = resolve(Specification.from_file(folder.specification))
            return _run(resolved, folder, settings, observer, verbose, runner, load)
        _clean_up(folder)
        comparison = read_comparison(folder.comparison)
        with (
            run_logs(folder.log, comparison.run_id, settings.log_level, verbose, secrets_of(settings)),
            monitored_after_run("resume", comparison.run_id, folder, settings, observer) as monitor,
        ):
            _publish(folder, settings, monitor, runner)
        return comparison


def _run(
    resolved: Resolved,
    folder: RunFolder,
    settings: Settings,
    observer: Observer,
    verbose: bool,
    runner: StepRunner,
    load: Load,
) -> Comparison:
    begun = folder.journal.is_file()
    journal = Journal.open(folder.journal) if begun else None
    run_id = journal.header.run_id if journal else new_id()
    started = time.perf_counter()
    with (
        run_logs(folder.log, run_id, settings.log_level, verbose, secrets_of(settings)),
        monitored_run(run_id, folder, tuple(resolved.infos), settings, observer) as monitor,
    ):
        log = get_logger()
        log.info("run_started", folder=str(folder.path), resumed=begun)
        try:
            if journal is None:
                begin = partial(_begin, run_id, resolved, folder, settings, monitor, load)
                journal = runner.step(monitor, Step.LOAD, begin)
            else:
                _check_same_machine(journal, resolved)
                sweep_orphans(run_id)
                shutil.rmtree(folder.scratch, ignore_errors=True)
            write_atomically(folder.specification, journal.header.specification.to_toml())
            _audit(journal.header, folder, settings, begun)
            monitor.trials_begin(journal.header, journal.outcomes)
            workload = open_workload(folder.points)
            with _on_host(journal, settings, monitor, runner):
                run_trials(journal, folder, monitor, runner)
            with untimed_work(settings, on_wait=monitor.stage):
                comparison = _evaluate(journal, resolved, workload, folder, monitor, runner)
        except TaxiError as error:
            log.error("run_failed", error=str(error))
            raise
        log.info("run_finished", seconds=round(time.perf_counter() - started, 3), trials=comparison.trials_seconds)
        _clean_up(folder)
        _publish(folder, settings, monitor, runner)
    return comparison


def _audit(header: RunHeader, folder: RunFolder, settings: Settings, resumed: bool) -> None:
    """Note who runs it, unless that was noted of the sweep that it is a cell of. It is stored with the results."""
    if SWEEP_ID not in get_contextvars():
        adapters = ", ".join(header.specification.trials.adapters or ())
        trail_of(settings).note(
            Action.COMPARISON_RUN,
            header.run_id,
            data=header.provenance.uri,
            adapters=adapters,
            folder=str(folder.path.absolute()),
            resumed=resumed,
        )


@contextmanager
def _on_host(journal: Journal, settings: Settings, observer: Observer, runner: StepRunner) -> Iterator[None]:
    """Lock the host while trials run: exclusively if any trial is timed, else shared with other untimed runs."""
    if journal.header.specification.trials.repeats == 0:
        with untimed_work(settings, on_wait=observer.stage):
            yield
    else:
        with host_lock(settings, on_wait=observer.stage), runner.exclusive_host():
            yield


def _begin(
    run_id: str, resolved: Resolved, folder: RunFolder, settings: Settings, observer: Observer, load: Load
) -> Journal:
    """Load the points, write them for the trials, and start the journal."""
    specification = resolved.specification
    points = load(wanted_points(specification), settings, observer)
    if specification.fingerprint not in (None, points.fingerprint):
        raise DataError(
            f"{points.provenance.uri} gives other points than the specification was written for (fingerprint "
            f"{points.fingerprint[:12]}… in place of {str(specification.fingerprint)[:12]}…); "
            "remove `fingerprint` from the specification to compare on the new ones"
        )
    choice = _choose_eps(points, specification, observer)
    update = {"eps_metres": choice.eps_metres} if choice else {}
    parameters = specification.parameters.model_copy(update=update)
    specification = specification.model_copy(
        update={
            "fingerprint": points.fingerprint,
            "parameters": parameters,
            "dataset": of_version(specification.dataset, points.provenance),
        }
    )
    shutil.rmtree(folder.points, ignore_errors=True)
    write_workload(points, specification.parameters.to_domain(), folder.points)
    further = write_further(points, specification, folder)
    get_logger().info(
        "points_loaded",
        uri=points.provenance.uri,
        fingerprint=points.fingerprint,
        points=len(points),
        dropped=dict(points.provenance.dropped),
        from_cache=points.provenance.from_cache,
    )
    header = _header(run_id, points, resolved, specification, choice)
    return Journal.create(folder.journal, header.model_copy(update={"further": further}))


def _choose_eps(points: Points, specification: Specification, observer: Observer) -> EpsChoice | None:
    """Choose eps from the points if the specification says `auto`."""
    parameters = specification.parameters
    if parameters.eps_metres != AUTO:
        return None
    observer.stage("Choosing eps")
    choice = choose_eps(points, parameters.min_samples, specification.trials.seed)
    get_logger().info("eps_chosen", eps_metres=choice.eps_metres, k=choice.k, sampled=choice.sampled)
    return choice


def _header(
    run_id: str, points: Points, resolved: Resolved, specification: Specification, choice: EpsChoice | None
) -> RunHeader:
    return RunHeader(
        run_id=run_id,
        created_at=datetime.now(UTC),
        specification=specification,
        fingerprint=points.fingerprint,
        threads=specification.trials.threads or len(usable_cpus()),
        n_points=len(points),
        weighted=points.weight is not None,
        provenance=points.provenance,
        machine=describe_machine(),
        eps_choice=choice,
        unavailable=resolved.unavailable,
    )


def _check_same_machine(journal: Journal, resolved: Resolved) -> None:
    """Refuse to resume on a machine whose timings could not be compared with those of the first part."""
    changed = changed_since(journal.header.machine)
    if changed is not None:
        raise RunFolderError(
            f"{journal.path.parent} was begun on an unlike machine ({changed}); timings of the two cannot be compared, "
            "so start a new run"
        )
    for outcome in journal.outcomes:
        info = resolved.infos.get(outcome.trial.adapter)
        if info and outcome.adapter_version not in (None, info.version):
            raise RunFolderError(
                f"{journal.path.parent} was begun with {info.name} {outcome.adapter_version}, and {info.version} is "
                "installed now; start a new run"
            )


def _evaluate(
    journal: Journal,
    resolved: Resolved,
    workload: Workload,
    folder: RunFolder,
    observer: Observer,
    runner: StepRunner,
) -> Comparison:
    """Compute verdicts, labels and `comparison.json` from the journal and the stored answers.

    workload: the main one. Quality is measured and labels are kept for this workload alone.
    """
    header = journal.header
    plan = header.specification.trials
    answers = {key: answers_of(of_workload(journal.outcomes, key)) for key in header.workloads}
    observer.stage("Comparing the clusterings")
    judging = partial(_judge, answers, header, resolved, folder)
    verdicts = runner.step(observer, Step.EQUIVALENCE, judging)
    observer.stage("Measuring the quality of the clusterings")
    assessing = partial(assess, workload, answers[MAIN], verdicts[MAIN], folder.answers, plan.seed)
    quality = runner.step(observer, Step.QUALITY, assessing)
    assembling = partial(_assemble, journal, resolved, verdicts, quality)
    comparison = runner.step(observer, Step.ASSEMBLE, assembling)
    observer.stage("Writing the labels")
    runner.step(observer, Step.LABELS, partial(_write_labels, workload.points, answers[MAIN], folder))
    write_atomically(folder.comparison, to_json(comparison))
    observer.compared(comparison)
    return comparison


def _judge(
    answers: Mapping[str, Mapping[str, Answers]], header: RunHeader, resolved: Resolved, folder: RunFolder
) -> dict[str, Verdicts]:
    """Return the verdicts of each workload."""
    wanted = str(header.specification.trials.reference)
    return {
        key: judge(open_workload(folder.workload(key)), found, resolved.infos, wanted, folder.answers)
        for key, found in answers.items()
    }


def _assemble(
    journal: Journal, resolved: Resolved, verdicts: Mapping[str, Verdicts], quality: Mapping[str, QualityMetrics]
) -> Comparison:
    header = journal.header
    found = {
        key: assemble(
            header.of(key),
            of_workload(journal.outcomes, key),
            resolved.infos,
            verdicts[key],
            quality if key == MAIN else {},
        )
        for key in header.workloads
    }
    return with_further(found.pop(MAIN), found)


def _write_labels(points: Points, answers: Mapping[str, Answers], folder: RunFolder) -> None:
    folder.labels.mkdir(exist_ok=True)
    for found in answers.values():
        write_labels(points, found, folder.answers, folder.labels)


def _publish(folder: RunFolder, settings: Settings, observer: Observer, runner: StepRunner) -> None:
    """Write the report and record the run. Their libraries are imported here, after all trials.

    A failure of either does not fail the comparison, which is on disk by now; it is noted in the folder.
    """
    with untimed_work(settings, on_wait=observer.stage):
        _report_and_record(folder, settings, observer, runner)


def _report_and_record(folder: RunFolder, settings: Settings, observer: Observer, runner: StepRunner) -> None:
    from taxi_mlops.pipeline.record import NotRecordedError, record_new

    if not folder.report.is_file():
        observer.stage("Writing the report")
        try:
            runner.step(observer, Step.REPORT, partial(_write_report, folder))
        except Exception as error:  # noqa: BLE001 - whatever breaks in a page of plots
            get_logger().error("report_broke", kind=type(error).__name__, error=str(error))
    with suppress(NotRecordedError):
        runner.step(observer, Step.RECORD, partial(record_new, folder, settings, observer))


def _write_report(folder: RunFolder) -> None:
    from taxi_mlops.reports.report import write_report

    write_report(folder)


def _clean_up(folder: RunFolder) -> None:
    """Remove the working folders, whose contents are in the results now."""
    for working in (folder.scratch, folder.answers, folder.points):
        shutil.rmtree(working, ignore_errors=True)
