"""Record a run with the recorders that the settings choose: after a comparison, and again later (`taxi record`)."""

from __future__ import annotations

import socket
import traceback
from collections.abc import Sequence

from taxi_mlops.audit.trail import trail_of
from taxi_mlops.errors import RunFolderError, TaxiError, UsageError
from taxi_mlops.monitoring.logs import get_logger, run_logs
from taxi_mlops.monitoring.secrets import secrets_of
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.telemetry import monitored_after_run
from taxi_mlops.recording.base import RecordedRun, Recorder
from taxi_mlops.recording.mlflow_recorder import INSTALL, MLFLOW, MlflowAccess, MlflowRecorder, installed
from taxi_mlops.recording.pushgateway import PUSHGATEWAY, PushgatewayRecorder
from taxi_mlops.recording.recordings import Recording, Recordings, RecordingState, note
from taxi_mlops.recording.store import STORE, StoreRecorder
from taxi_mlops.reports.markdown import markdown
from taxi_mlops.results.journal import Journal
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.service_urls import OFF, ServiceUrl, experiments_url, mlflow_url
from taxi_mlops.settings import Settings

_VARIABLES = {MLFLOW: "TAXI_MLFLOW_URI", STORE: "TAXI_EXPERIMENTS_URL", PUSHGATEWAY: "TAXI_PUSHGATEWAY_URL"}
_MONITORING = {PUSHGATEWAY}
"""Recorders of monitoring services: a run does not wait for them and does not retry them."""


def configured_recorders(settings: Settings) -> tuple[Recorder, ...]:
    """Return the recorders of every run: those with an address, and the embedded ones that are installed."""
    recorders: list[Recorder] = []
    if store := experiments_url(settings):
        recorders.append(StoreRecorder(store))
    if (settings.mlflow_uri is not None or installed()) and (uri := mlflow_url(settings)):
        artifacts = settings.runs_dir / "mlflow-artifacts"
        recorders.append(
            MlflowRecorder(uri, settings.mlflow_experiment, artifacts, markdown, MlflowAccess.chosen_by(settings))
        )
    if settings.pushgateway_url is not None:  # the last, since it reports the outcomes of the others
        recorders.append(_pushgateway(settings, str(settings.pushgateway_url)))
    return tuple(recorders)


def _pushgateway(settings: Settings, url: str) -> PushgatewayRecorder:
    return PushgatewayRecorder(
        ServiceUrl(url),
        settings.cache_dir / "metrics",
        settings.deployment,
        socket.gethostname(),
        settings.service_timeout_seconds,
        settings.ca_file,
    )


def chosen_recorders(settings: Settings, names: Sequence[str]) -> tuple[Recorder, ...]:
    """Return the configured recorders of these names. Raises UsageError for an unknown or unconfigured one."""
    configured = {recorder.name: recorder for recorder in configured_recorders(settings)}
    for name in names:
        if name in configured:
            continue
        if name == MLFLOW and not installed():
            raise UsageError(f"MLflow is not installed; install it with: {INSTALL}")
        if name == PUSHGATEWAY:
            raise UsageError(f"recorder {name!r} has no address; set {_VARIABLES[name]}")
        if name in _VARIABLES:
            raise UsageError(f"recorder {name!r} is turned off by the settings ({_VARIABLES[name]}={OFF})")
        raise UsageError(f"there is no recorder {name!r}; available: {', '.join(_VARIABLES)}")
    return tuple(configured[name] for name in names)


def record_again(
    folder: RunFolder, names: Sequence[str], settings: Settings, observer: Observer
) -> tuple[Recording, ...]:
    """Record a run with the recorders of these names, or with all that are configured if none is named.

    Raises RunFolderError if the folder holds no run that has ended, UsageError if no recorder is configured.
    """
    recorders = chosen_recorders(settings, names) if names else configured_recorders(settings)
    if not recorders:
        raise UsageError(f"all recorders are turned off by the settings ({', '.join(_VARIABLES.values())})")
    if not folder.path.is_dir():
        raise RunFolderError(f"{folder.path} is not a folder, so it holds no run")
    with folder.locked():
        run_id = Journal.read(folder.journal).header.run_id
        with (
            run_logs(folder.log, run_id, settings.log_level, verbose=False, secrets=secrets_of(settings)),
            monitored_after_run("record", run_id, folder, settings, observer) as monitor,
        ):
            recordings = record(folder, recorders, monitor)
            _deliver_acts(recordings, settings)
            return recordings


class NotRecordedError(Exception):
    """A recorder failed; which one and why is noted in the run folder."""


def record_new(folder: RunFolder, settings: Settings, observer: Observer) -> None:
    """Record a run with the recorders that have not recorded it yet. Raises NotRecordedError if one of them fails."""
    recordings = record(folder, configured_recorders(settings), observer, again=False)
    _deliver_acts(recordings, settings)
    failed = [recording.recorder for recording in recordings if recording.state is RecordingState.FAILED]
    if not set(failed) <= _MONITORING:
        raise NotRecordedError(", ".join(failed))


def _deliver_acts(recordings: Sequence[Recording], settings: Settings) -> None:
    """Bring what the audit trail notes of runs to the store, too, if that has just taken a run."""
    if any(one.recorder == STORE and one.state is RecordingState.RECORDED for one in recordings):
        trail_of(settings).deliver_or_warn()


def record(
    folder: RunFolder, recorders: Sequence[Recorder], observer: Observer, *, again: bool = True
) -> tuple[Recording, ...]:
    """Record a run that has ended with each recorder, and note the results in its folder. The folder must be locked.

    again: record also where the folder notes it as recorded. A recorder that fails is noted; the others still run.
    Raises RunFolderError if the folder holds no run that has ended.
    """
    if not recorders:
        return ()
    run = RecordedRun.read(folder)
    noted = Recordings.read(folder)
    wanted = [recorder for recorder in recorders if again or not noted.holds(recorder, run)]
    return tuple(_record_in(recorder, run, observer) for recorder in wanted)


def _record_in(recorder: Recorder, run: RecordedRun, observer: Observer) -> Recording:
    observer.stage(f"Recording in {recorder.name}")
    with observer.step(f"record.{recorder.name}"):
        page, reason = _page_or_failure(recorder, run)
        observer.recorded(recorder.name, reason)
    get_logger().info("run_recorded", recorder=recorder.name, target=recorder.target, failure=reason)
    return note(run, recorder, reason, page)


def _page_or_failure(recorder: Recorder, run: RecordedRun) -> tuple[str | None, str | None]:
    """Return the page that shows the run, if there is one, and the reason if recording failed."""
    try:
        return recorder.record(run), None
    except TaxiError as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001 - a comparison is never lost because of a place that records it
        # Only the type is reported: the message of an unexpected error may contain a password.
        frames = traceback.format_list(traceback.extract_tb(error.__traceback__))
        get_logger().error("recorder_broke", recorder=recorder.name, kind=type(error).__name__, frames=frames)
        reason = f"{recorder.target}: {type(error).__name__}, which its recorder did not foresee; see {run.folder.log}"
        return None, reason
