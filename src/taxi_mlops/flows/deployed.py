"""The flows that deployments run on workers. Their parameters are the form in Prefect's pages.

The parameters of documents come from their declaration (see `forms`). Every parameter is optional.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from prefect import flow, get_run_logger, tags
from prefect.deployments import run_deployment
from prefect.flows import Flow
from prefect.runtime import flow_run
from pydantic import Field

from taxi_mlops.clustering import Cluster
from taxi_mlops.domain import Trial, TrialOutcome, TrialStatus
from taxi_mlops.errors import TaxiError, UsageError
from taxi_mlops.features import BuildOptions, TripTimeColumns
from taxi_mlops.flows import prefect_compare
from taxi_mlops.flows.forms import form
from taxi_mlops.flows.prefect_artifacts import show_sweep, show_trends, show_tuning
from taxi_mlops.flows.prefect_environment import is_unreachable
from taxi_mlops.flows.prefect_progress import ProgressBar
from taxi_mlops.flows.prefect_results import ResultsInObjectStore  # noqa: F401 - Prefect finds the block by its class
from taxi_mlops.pipeline import sweep as sweeping
from taxi_mlops.pipeline import tune as tuning_steps
from taxi_mlops.pipeline.aggregate import write_trends
from taxi_mlops.pipeline.cluster_run import cluster_into
from taxi_mlops.pipeline.features import build_and_materialize
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.points import Load
from taxi_mlops.reports import units
from taxi_mlops.reports.sweep_page import sentence
from taxi_mlops.reports.terminal import sentence as verdict
from taxi_mlops.reports.trends import sentence as trends_sentence
from taxi_mlops.reports.tuning_page import sentence as tuning_sentence
from taxi_mlops.results.cluster_result import ClusterFolder
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.results.sweep_folder import SweepFolder
from taxi_mlops.results.tuning import TuningFolder
from taxi_mlops.runs.listing import RunFilter
from taxi_mlops.settings import Settings, load_settings
from taxi_mlops.specification import Specification
from taxi_mlops.sweep import Cell, Sweep
from taxi_mlops.training import Tune
from taxi_mlops.versions import AlreadyCommittedError, commit

R = TypeVar("R")

MAX_ATTEMPTS = 3
"""How often a flow run is started whose process is killed before the run ends."""

RESTART_SECONDS = (10, 30, 90)
"""How long to wait for a server that is restarting."""
CELL_TAG = "taxi-cell"

Count = Annotated[int, Field(ge=1)]


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


@flow(name="comparison", persist_result=True, result_serializer="json")
@form(Specification)
def comparison(given: dict[str, Any], spec: str = "", output: str = "", cache: bool = True) -> dict[str, Any]:
    """Run every available DBSCAN on trips, prove which clusterings are equal, and rank them.

    Paths are those of the worker.

    Args:
        spec: Path of a whole experiment as TOML or YAML, in place of all fields above.
        output: Folder of the run; a run that it holds is resumed. Empty: a new one in the worker's runs folder.
        cache: Use points that were prepared earlier.
    """
    _check_attempts()
    check_spec_alone(comparison, flow_run.parameters)
    asked = Specification.from_file(Path(spec)) if spec else Specification().with_parameters(given)
    run = RunFolder(_folder(output, "run"))
    prefect_compare.caller.set(prefect_compare.Caller(RunLogObserver()))

    def attempt() -> Comparison:
        return prefect_compare.run_steps(run, None if run.specification.is_file() else asked, _settings(cache))

    found = _retry_outages(attempt)
    return {"run_id": found.run_id, "folder": str(run.path.absolute()), "verdict": verdict(found)}


@flow(name="clustering", persist_result=True, result_serializer="json")
@form(Cluster)
def clustering(given: dict[str, Any], spec: str = "", output: str = "", cache: bool = True) -> dict[str, Any]:
    """Cluster trips once: labels, hotspots and a map.

    Paths are those of the worker.

    Args:
        spec: Path of a whole clustering as TOML or YAML, in place of all fields above.
        output: Folder of the results; a clustering in tiles that it holds is resumed. Empty: a new one.
        cache: Use points that were prepared earlier.
    """
    _check_attempts()
    check_spec_alone(clustering, flow_run.parameters)
    asked = Cluster.from_file(Path(spec)) if spec else Cluster().with_parameters(given)
    folder = ClusterFolder(_folder(output, "cluster"))
    found = cluster_into(asked, folder, _settings(cache), ClusteringObserver())
    noise = f"{found.noise_ratio:.1%} of {found.dataset.points:,} points are noise"
    return {"folder": str(folder.path.absolute()), "verdict": f"{found.n_clusters:,} clusters; {noise}"}


@flow(name="sweep", persist_result=True, result_serializer="json")
@form(Sweep)
def sweep(
    given: dict[str, Any],
    spec: str = "",
    output: str = "",
    cache: bool = True,
    helpers: Annotated[int, Field(ge=0, le=100)] = 0,
) -> dict[str, Any]:
    """Run a comparison for every eps, min_samples and size of a grid, and show which are the best.

    Paths are those of the worker.

    Args:
        spec: Path of a whole sweep as TOML or YAML, in place of all fields above.
        output: Folder of the sweep; a sweep in it is resumed, also beside other workers. Empty: a new one.
        cache: Use points that were prepared earlier.
        helpers: Further flow runs that take cells of this sweep; their workers must see the folder.
    """
    _check_attempts()
    settings = _settings(cache)
    into = SweepFolder(_folder(output, "sweep"))
    observer = RunLogObserver()
    if not into.document.is_file():
        check_spec_alone(sweep, flow_run.parameters)
        asked = Sweep.from_file(Path(spec)) if spec else Sweep().with_parameters(given)
        sweeping.begin(asked, into)
        sweeping.prepare(into, settings, observer)
        _retry_outages(lambda: _schedule_helpers(helpers, into))
    result = _retry_outages(lambda: sweeping.resume(into, settings, observer, _run_cell))
    _retry_outages(lambda: show_sweep(result, into))
    return {"sweep_id": result.sweep_id, "folder": str(into.path.absolute()), "verdict": sentence(result)}


@flow(name="tuning", persist_result=True, result_serializer="json")
@form(Tune)
def tuning(given: dict[str, Any], spec: str = "", output: str = "", cache: bool = True) -> dict[str, Any]:
    """Search for the eps and min_samples of a hotspot model with Optuna.

    Paths are those of the worker.

    Args:
        spec: Path of a whole tuning as TOML or YAML, in place of all fields above.
        output: Folder of the results; a tuning that it holds is resumed. Empty: a new one.
        cache: Use points that were prepared earlier.
    """
    _check_attempts()
    folder, settings, observer = TuningFolder(_folder(output, "tune")), _settings(cache), RunLogObserver()
    if folder.document.is_file():
        found = tuning_steps.resume(folder, settings, observer)
    else:
        check_spec_alone(tuning, flow_run.parameters)
        asked = Tune.from_file(Path(spec)) if spec else Tune().with_parameters(given)
        found = tuning_steps.tune(asked, folder, settings, observer)
    _retry_outages(lambda: show_tuning(found, folder))
    return {
        "tuning_id": found.header.tuning_id,
        "folder": str(folder.path.absolute()),
        "verdict": tuning_sentence(found),
        "command": found.command or "",
    }


@flow(name="aggregate-results", persist_result=True, result_serializer="json")
def aggregate_results(data: str = "", adapter: str = "", days: Count = 90, output: str = "") -> dict[str, Any]:
    """Compute the trend of every adapter on every workload over the runs of the experiment store.

    Args:
        data: Only runs whose data's address holds this text, or whose points' fingerprint begins so. Empty: all.
        adapter: Only this one. Empty: all.
        days: How far to look back.
        output: Page to write on the worker. Empty: trends.html in its runs folder.
    """
    settings = load_settings()
    since = datetime.now(UTC) - timedelta(days=days)
    page = Path(output) if output else settings.runs_dir / "trends.html"
    trends = write_trends(settings, RunFilter(adapter=adapter or None, data=data or None, since=since), page)
    _retry_outages(lambda: show_trends(trends, page))
    return {"page": str(page.absolute()), "verdict": trends_sentence(trends)}


@flow(name="commit-month", persist_result=True, result_serializer="json")
def commit_month(data: str = "", table: str = "", month: str = "", accept: bool = False) -> dict[str, Any]:
    """Add the trips of a month to a Delta table as a new version.

    Args:
        data: Trips, as the commands take them; {month} in it becomes the month. Empty: `TAXI_MONTHLY_TRIPS`.
        table: Folder or s3://bucket/key of the table. Empty: `TAXI_TRIPS_TABLE`.
        month: The month of all these trips, as 2016-06. Empty: the month before the present one.
        accept: Also if the rows are not as those before.
    """
    _check_attempts()
    settings = load_settings()
    source, target = data or settings.monthly_trips, table or settings.trips_table
    if not source or not target:
        raise UsageError("name data and table, or for all runs the settings TAXI_MONTHLY_TRIPS and TAXI_TRIPS_TABLE")
    present = datetime.now(ZoneInfo(settings.schedule_timezone)).replace(day=1)
    of_month = month or f"{present - timedelta(days=1):%Y-%m}"
    observer = RunLogObserver()
    observer.stage(f"Committing {of_month} to {target}")
    try:
        files = source.replace("{month}", of_month)
        version = commit([files], target, settings, month=of_month, accept=accept, message="commit-month").version
    except AlreadyCommittedError as error:
        if (flow_run.run_count or 1) == 1:
            raise
        version = error.version  # by this run, before its process was killed
    return {"table": target, "version": version, "verdict": f"version {version} has the trips of {of_month}"}


@flow(name="materialize-features", persist_result=True, result_serializer="json")
def materialize_features(
    data: str = "",
    model: str = "hotspots@champion",
    time: str = "",
    dropoff_time: str = "",
    known_at: str = "",
) -> dict[str, Any]:
    """Compute the features of a model's hotspots from trips, and copy the last to the online store.

    Args:
        data: Trips, as the commands take them. Empty: what `TAXI_FEATURES_TRIPS` names.
        model: The model, and its version or alias.
        time: Column of pickup times. Empty: found by its name.
        dropoff_time: Column of dropoff times. Empty: found by its name.
        known_at: When each trip became known: a column, or commit. Empty: its end.
    """
    _check_attempts()
    settings = load_settings()
    source = data or settings.features_trips
    if not source:
        raise UsageError("name the trips in data, or for all runs in the setting TAXI_FEATURES_TRIPS")
    columns = TripTimeColumns(time or None, dropoff_time or None, known_at or None)
    options = BuildOptions(columns=columns, timezone=settings.schedule_timezone)
    built, done = build_and_materialize(source, model, settings, options, RunLogObserver())
    said = f"{done.hotspots:,} hotspots of {done.model}@{done.version} at {done.at.isoformat()}"
    return {"folder": str((settings.features_dir / done.model).absolute()), "rows": built.rows, "verdict": said}


def _schedule_helpers(helpers: int, folder: SweepFolder) -> None:
    """Schedule flow runs that work on the same folder. Those that start late find nothing left to do."""
    for number in range(1, helpers + 1):
        run_deployment(
            "sweep/sweep",
            parameters={"output": str(folder.path.absolute())},
            flow_run_name=f"{flow_run.name}, helper {number}",
            idempotency_key=f"{flow_run.id}, helper {number}",
            timeout=0,
            as_subflow=False,
        )


def _run_cell(cell: Cell, run: RunFolder, load: Load) -> Comparison:
    """Run a cell as a flow run of its own within the sweep's."""
    prefect_compare.caller.set(prefect_compare.Caller(RunLogObserver(), load=load))
    compare_cell = prefect_compare.compare.with_options(flow_run_name=cell.name)
    with tags(CELL_TAG):
        return compare_cell(folder=run.path)


def check_spec_alone(of: Flow[..., Any], given: Mapping[str, object]) -> None:
    """Raise UsageError if `spec` is given together with parameters of its document."""
    if not given.get("spec"):
        return
    defaults = signature(of.fn).parameters
    own = {"spec", "output", "cache", "helpers"}
    more = [name for name, value in given.items() if name not in own and value != defaults[name].default]
    if more:
        raise UsageError(f"spec names a whole document: leave out {', '.join(more)}, or write it into the file")


def _settings(cache: bool) -> Settings:
    settings = load_settings()
    return settings if cache else settings.model_copy(update={"points_cache": False})


def _retry_outages(attempt: Callable[[], R]) -> R:
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


def _check_attempts() -> None:
    """Raise TaxiError for a flow run that was started too often: something kills it."""
    attempts = flow_run.run_count or 1
    if attempts > MAX_ATTEMPTS:
        raise TaxiError(
            f"this flow run's process ended {MAX_ATTEMPTS} times before the run did, so it is not started again; "
            "the worker's log says how; `taxi run` with output=… resumes it"
        )


def _folder(asked: str, what: str) -> Path:
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
