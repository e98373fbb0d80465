"""The flows that deployments run on workers. Their parameters are the form in Prefect's pages.

The parameters of documents come from their declaration (see `forms`). Every parameter is optional.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from prefect import flow, tags
from prefect.deployments import run_deployment
from prefect.runtime import flow_run
from pydantic import Field

from taxi_mlops.clustering import Cluster
from taxi_mlops.errors import UsageError
from taxi_mlops.features import BuildOptions, TripTimeColumns
from taxi_mlops.flows import prefect_compare
from taxi_mlops.flows.flow_runs import (
    ClusteringObserver,
    RunLogObserver,
    begin_run,
    caller_tags,
    check_spec_alone,
    folder_of,
    retry_outages,
    settings_of,
)
from taxi_mlops.flows.forms import form
from taxi_mlops.flows.prefect_artifacts import show_sweep, show_trends
from taxi_mlops.flows.prefect_results import ResultsInObjectStore  # noqa: F401 - Prefect finds the block by its class
from taxi_mlops.pipeline import sweep as sweeping
from taxi_mlops.pipeline.aggregate import write_trends
from taxi_mlops.pipeline.cluster_run import cluster_into
from taxi_mlops.pipeline.features import build_and_materialize
from taxi_mlops.pipeline.points import Load
from taxi_mlops.reports.sweep_page import sentence
from taxi_mlops.reports.terminal import sentence as verdict
from taxi_mlops.reports.trends import sentence as trends_sentence
from taxi_mlops.results.cluster_result import ClusterFolder
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.results.sweep_folder import SweepFolder
from taxi_mlops.runs.listing import RunFilter
from taxi_mlops.settings import load_settings
from taxi_mlops.specification import Specification
from taxi_mlops.sweep import Cell, Sweep
from taxi_mlops.versions import AlreadyCommittedError, commit

CELL_TAG = "taxi-cell"

Count = Annotated[int, Field(ge=1)]


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
    begin_run()
    check_spec_alone(comparison, flow_run.parameters)
    asked = Specification.from_file(Path(spec)) if spec else Specification().with_parameters(given)
    run = RunFolder(folder_of(output, "run"))
    prefect_compare.caller.set(prefect_compare.Caller(RunLogObserver()))

    def attempt() -> Comparison:
        return prefect_compare.run_steps(run, None if run.specification.is_file() else asked, settings_of(cache))

    found = retry_outages(attempt)
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
    begin_run()
    check_spec_alone(clustering, flow_run.parameters)
    asked = Cluster.from_file(Path(spec)) if spec else Cluster().with_parameters(given)
    folder = ClusterFolder(folder_of(output, "cluster"))
    found = cluster_into(asked, folder, settings_of(cache), ClusteringObserver())
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
    begin_run()
    settings = settings_of(cache)
    into = SweepFolder(folder_of(output, "sweep"))
    observer = RunLogObserver()
    if not into.document.is_file():
        check_spec_alone(sweep, flow_run.parameters)
        asked = Sweep.from_file(Path(spec)) if spec else Sweep().with_parameters(given)
        sweeping.begin(asked, into)
        sweeping.prepare(into, settings, observer)
        retry_outages(lambda: _schedule_helpers(helpers, into))
    result = retry_outages(lambda: sweeping.resume(into, settings, observer, _run_cell))
    retry_outages(lambda: show_sweep(result, into))
    return {"sweep_id": result.sweep_id, "folder": str(into.path.absolute()), "verdict": sentence(result)}


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
    retry_outages(lambda: show_trends(trends, page))
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
    begin_run()
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
    begin_run()
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
            tags=caller_tags(),
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
