"""What the flows of deployments share: the flow run's log, its folder, its attempts, and outages of the server."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar

from prefect import get_run_logger
from prefect.flows import Flow
from prefect.runtime import deployment, flow_run

from taxi_mlops.audit.caller import CALLER, Caller, system_user
from taxi_mlops.domain import Trial, TrialOutcome, TrialStatus
from taxi_mlops.errors import TaxiError, UsageError
from taxi_mlops.flows.prefect_environment import is_unreachable
from taxi_mlops.flows.prefect_progress import ProgressBar
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.reports import units
from taxi_mlops.settings import Settings, load_settings

R = TypeVar("R")

CALLED_BY = "called-by:"
"""Beginning of the tag of a flow run that says who called it."""
_SCHEDULED = "auto-scheduled"  # Prefect's own tag

MAX_ATTEMPTS = 3
"""How often a flow run is started whose process is killed before the run ends."""

RESTART_SECONDS = (10, 30, 90)
"""How long to wait for a server that is restarting."""


class RunLogObserver(Observer):
    """Writes the events of a run to the flow run's log, which Prefect's pages show."""

    def __init__(self) -> None:
        self._log = get_run_logger()
        self._place = ""

    def stage(self, text: str) -> None:
        self._log.info(text)

    def trial_started(self, trial: Trial, number: int, total: int) -> None:  # noqa: ARG002
        self._place = f"{number} of {total}"

    def trial_finished(self, outcome: TrialOutcome) -> None:
        level = "info" if outcome.status is TrialStatus.OK else "warning"
        parts = (outcome.status, units.measured(outcome), outcome.cause)
        said = ", ".join(part for part in parts if part and part != units.UNDEFINED)
        getattr(self._log, level)("trial %s: %s (%s)", outcome.trial.key, said, self._place)

    def recorded(self, recorder: str, failure: str | None) -> None:
        if failure is not None:
            self._log.warning("not recorded in %s: %s", recorder, failure)

    def warning(self, text: str) -> None:
        self._log.warning(text)


class ClusteringObserver(RunLogObserver):
    """Shows also how far the clustering is, as an artifact of the flow run."""

    def __init__(self) -> None:
        super().__init__()
        self._bar = ProgressBar()

    def loading(self, what: str, done: int, total: int | None) -> None:
        self._bar.show(what, done, total)


def check_spec_alone(of: Flow[..., Any], given: Mapping[str, object]) -> None:
    """Raise UsageError if `spec` is given together with parameters of its document."""
    if not given.get("spec"):
        return
    defaults = signature(of.fn).parameters
    own = {"spec", "output", "cache", "helpers", "promote"}
    more = [name for name, value in given.items() if name not in own and value != defaults[name].default]
    if more:
        raise UsageError(f"spec names a whole document: leave out {', '.join(more)}, or write it into the file")


def settings_of(cache: bool) -> Settings:
    """Return the settings of the worker. cache: whether points that were prepared earlier are used."""
    settings = load_settings()
    return settings if cache else settings.model_copy(update={"points_cache": False})


def retry_outages(attempt: Callable[[], R]) -> R:
    """Call it, and retry while Prefect's server, or its database, is unavailable."""
    for seconds in RESTART_SECONDS:
        try:
            return attempt()
        except Exception as error:
            if not is_unreachable(error):
                raise
            get_run_logger().warning("Prefect's server is unavailable (%s); retrying in %s s", error, seconds)
            time.sleep(seconds)
    return attempt()


def check_attempts() -> None:
    """Raise TaxiError for a flow run that was started too often: something kills it."""
    attempts = flow_run.run_count or 1
    if attempts > MAX_ATTEMPTS:
        raise TaxiError(
            f"this flow run's process ended {MAX_ATTEMPTS} times before the run did, so it is not started again; "
            "the worker's log says how; `taxi run` with output=… resumes it"
        )


def begin_run() -> None:
    """Check the attempts, and let the audit trail say on whose behalf this flow run acts."""
    check_attempts()
    origin = f"deployment {deployment.name}" if deployment.name else "flow"
    CALLER.set(Caller(origin, _caller(), get_run_logger().warning))


def caller_tags() -> list[str]:
    """Return the tags of a flow run that is started from here: they say who called it. A claim, which is not proved."""
    actor = CALLER.get().actor or f"{system_user()}@{socket.gethostname()}"
    return [f"{CALLED_BY}{actor}"]


def _caller() -> str:
    """Return who called this flow run, as its tags say."""
    named = (tag.removeprefix(CALLED_BY) for tag in flow_run.tags or () if tag.startswith(CALLED_BY))
    return next(named, "schedule" if _SCHEDULED in (flow_run.tags or ()) else "Prefect")


def folder_of(asked: str, what: str) -> Path:
    """Return the requested folder, or one that belongs to this flow run, so that a retry finds and resumes the run.

    Raises UsageError if the worker's runs folder is unknown.
    """
    if asked:
        return Path(asked)
    runs = load_settings().runs_dir.absolute()
    own = str(flow_run.id)[-12:]
    found = sorted(runs.glob(f"{what}-*-{own}"))
    if found:
        return found[0]
    started = flow_run.scheduled_start_time
    return runs / f"{what}-{started:%Y-%m-%d-%H%M%S}-{own}"
