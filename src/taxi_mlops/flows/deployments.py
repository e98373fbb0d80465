"""Deployments of the flows on a Prefect server: work pool, schedules, and automations that restart crashed runs.

Import this module within `prefect_environment.configured_server` alone: Prefect reads its settings as it is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.deployments.runner import RunnerDeployment
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound
from prefect.flows import Flow
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from taxi_mlops.audit.acts import Action
from taxi_mlops.audit.trail import trail_of
from taxi_mlops.clustering import Cluster
from taxi_mlops.errors import UsageError
from taxi_mlops.flows import deployed, deployed_models
from taxi_mlops.flows.prefect_compare import TIMED_TRIALS
from taxi_mlops.flows.prefect_results import ResultsInObjectStore
from taxi_mlops.settings import Settings
from taxi_mlops.specification import Document, Specification
from taxi_mlops.storage.objects import TRIPS_BUCKET
from taxi_mlops.sweep import Sweep
from taxi_mlops.training import Promotion, Train, Tune

TAG = "taxi"
HEARTBEAT_SECONDS = 30
"""The shortest interval that Prefect accepts."""
SILENCE_SECONDS = 45
"""A run without a heartbeat for so long counts as crashed; Prefect checks every few seconds."""
MAX_RUN_DURATION = timedelta(days=7)
"""A run that crashes within this time of its start is restarted."""


@dataclass(frozen=True)
class Deployed:
    """A deployment by the name that `taxi run` takes.

    document: whose parameters are the flow's form; None for a flow with its own parameters alone.
    cron: its schedule, None if it runs on request only.
    """

    name: str
    flow: Flow[..., Any]
    description: str
    document: type[Document] | None = None
    cron: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name that Prefect uses: flow/deployment."""
        return f"{self.flow.name}/{self.name}"


def deployments(settings: Settings) -> tuple[Deployed, ...]:
    """Return all deployments, configured by the settings."""
    daily, weekly = settings.daily_specification, settings.weekly_sweep
    return (
        Deployed(
            "compare",
            deployed.comparison,
            "Run every available DBSCAN on trips, prove which clusterings are equal, and rank them.",
            Specification,
        ),
        Deployed(
            "cluster",
            deployed.clustering,
            "Cluster trips once, in memory, in tiles or on a cluster: labels, hotspots and a map.",
            Cluster,
        ),
        Deployed(
            "sweep",
            deployed.sweep,
            "A comparison for every eps, min_samples and size of a grid: heat maps, the front of quality and time.",
            Sweep,
        ),
        Deployed(
            "tune",
            deployed_models.tuning,
            "Search for the eps and min_samples of a hotspot model: score on unseen trips, stability, noise in bounds.",
            Tune,
        ),
        Deployed(
            "train",
            deployed_models.training,
            "Make a hotspot model, judge it on trips that it has not seen, and register it as challenger.",
            Train,
        ),
        Deployed(
            "promote-if-better",
            deployed_models.promotion,
            "Make a version of a hotspot model the champion if it passes the gates; if not, the champion stays.",
            Promotion,
        ),
        Deployed(
            "daily-comparison",
            deployed.comparison,
            "The comparison of every night: what `TAXI_DAILY_SPECIFICATION` names, or the synthetic city.",
            Specification,
            cron="0 2 * * *",
            parameters={"spec": str(daily.absolute())} if daily else {},
            tags=("scheduled",),
        ),
        Deployed(
            "weekly-sweep",
            deployed.sweep,
            "The sweep of every Monday: what `TAXI_WEEKLY_SWEEP` names, or the synthetic city.",
            Sweep,
            cron="0 3 * * 1",
            parameters={"spec": str(weekly.absolute())} if weekly else {},
            tags=("scheduled",),
        ),
        Deployed(
            "aggregate-results",
            deployed.aggregate_results,
            "Trends over the experiment store, every day after the daily comparison: what got worse, by which test.",
            cron="0 4 * * *",
            tags=("scheduled",),
        ),
        Deployed(
            "commit-month",
            deployed.commit_month,
            "The trips of the month before, as a version of a table: on the second, if the settings name both.",
            cron="0 1 2 * *" if settings.trips_table and settings.monthly_trips else None,
        ),
        Deployed(
            "monthly-training",
            deployed_models.training,
            "A new model on the second, if `TAXI_MONTHLY_TRAINING` names its training; champion if it passes gates.",
            Train,
            cron="0 5 2 * *" if settings.monthly_training else None,
            parameters={
                "promote": True,
                **({"spec": str(settings.monthly_training.absolute())} if settings.monthly_training else {}),
            },
        ),
        Deployed(
            "materialize-features",
            deployed.materialize_features,
            "Features of a model's hotspots, ten minutes after every hour if `TAXI_FEATURES_TRIPS` names the trips.",
            cron="10 * * * *" if settings.features_trips else None,
        ),
    )


def find_deployment(name: str, settings: Settings) -> Deployed:
    """Return the deployment of this name. Raises UsageError if there is none."""
    known = {one.name: one for one in deployments(settings)}
    if name not in known:
        raise UsageError(f"there is no deployment {name!r}; available: {', '.join(known)}")
    return known[name]


def deploy_all(settings: Settings) -> Iterator[str]:
    """Create or update work pool, limit, deployments, schedules and automations; yields a line for each.

    Repeating it changes nothing; a paused schedule stays paused. Raises what Prefect's client raises if the server
    fails.
    """
    with get_client(sync_client=True) as client:
        yield _make_pool(client, settings.prefect_work_pool)
        # A limit for this host; a worker on another host creates its own with its first timed trials.
        client.upsert_global_concurrency_limit_by_name(TIMED_TRIALS, limit=1)
        yield f"concurrency limit {TIMED_TRIALS}, 1"
        environment = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS)}
        if settings.object_store_url is not None:
            environment["PREFECT_DEFAULT_RESULT_STORAGE_BLOCK"] = _save_results_block()
            yield f"results go to s3://{TRIPS_BUCKET}"
        made = deployments(settings)
        for one in made:
            _deploy(one, settings, environment | {"TAXI_DEPLOYMENT": one.name})
            when = f", {one.cron} {settings.schedule_timezone}" if one.cron else ""
            yield f"deployment {one.full_name}{when}"
        for automation in _automations():
            _automate(client, automation)
            yield f"automation {automation.name}"
    audit = trail_of(settings)
    audit.note(Action.DEPLOYMENTS_UPDATED, settings.prefect_work_pool, deployments=len(made))
    audit.deliver_or_warn()


def _make_pool(client: SyncPrefectClient, name: str) -> str:
    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=name, type="process", description="Workers of taxi-mlops."))
        return f"work pool {name} created"
    if pool.type != "process":
        raise UsageError(
            f"Prefect's work pool {name!r} is of type {pool.type}, not process; set TAXI_PREFECT_WORK_POOL"
        )
    return f"work pool {name}"


def _save_results_block() -> str:
    """Save the block of the object store, and return its name in Prefect's format."""
    ResultsInObjectStore(bucket=TRIPS_BUCKET).save(TAG, overwrite=True)
    return f"{ResultsInObjectStore.get_block_type_slug()}/{TAG}"


def _deploy(one: Deployed, settings: Settings, environment: dict[str, str]) -> None:
    schedule = Cron(one.cron, timezone=settings.schedule_timezone, slug=one.name) if one.cron else None
    RunnerDeployment.from_flow(
        one.flow,
        one.name,
        schedule=schedule,
        parameters=one.parameters,
        description=one.description,
        tags=[TAG, *one.tags],
        work_pool_name=settings.prefect_work_pool,
        job_variables={"env": environment},
        entrypoint_type=EntrypointType.MODULE_PATH,
    ).apply()


def _automations() -> tuple[AutomationCore, ...]:
    """Return the automations: silent runs are marked as crashed, and crashed runs are restarted and resume."""
    cells = f"prefect.tag.{deployed.CELL_TAG}"  # within a sweep's run, which resumes them itself
    ours = ResourceSpecification({"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"})
    ours_or_cells = ResourceSpecification(
        {"prefect.resource.id": [f"prefect.tag.{TAG}", cells], "prefect.resource.role": "tag"}
    )
    runs = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
    ended = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Crashed", "Cancelled", "Cancelling")}
    return (
        AutomationCore(
            name="taxi: silent runs have crashed",
            description=f"A flow run without a heartbeat for {SILENCE_SECONDS} s: its worker, or its host, has died.",
            trigger=EventTrigger(
                match=runs,
                match_related=ours_or_cells,
                after={"prefect.flow-run.heartbeat", "prefect.flow-run.Running"},
                expect={"prefect.flow-run.heartbeat", *ended},
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                threshold=1,
                within=timedelta(seconds=SILENCE_SECONDS),
            ),
            actions=[
                ChangeFlowRunState(
                    state=StateType.CRASHED, name=None, message="No heartbeat: its process has died.", force=False
                )
            ],
        ),
        AutomationCore(
            name="taxi: crashed runs go on",
            description="A flow run that crashed is restarted, and resumes from its journal; three times at most.",
            trigger=EventTrigger(
                match=runs,
                match_related=ours,
                after={"prefect.flow-run.Running"},  # one that never ran would crash again and again
                expect={"prefect.flow-run.Crashed"},
                for_each={"prefect.resource.id"},
                posture=Posture.Reactive,
                threshold=1,
                within=MAX_RUN_DURATION,
            ),
            actions=[
                ChangeFlowRunState(
                    state=StateType.SCHEDULED, name="AwaitingRetry", message="Resumes from its journal.", force=True
                )
            ],
        ),
    )


def _automate(client: SyncPrefectClient, automation: AutomationCore) -> None:
    """Create the automation, or update it if it differs. An update discards the runs that it is tracking."""
    found = next(iter(client.read_automations_by_name(automation.name)), None)
    if found is None:
        client.create_automation(automation)
    elif _content(found) != _content(automation):
        client.update_automation(found.id, automation.model_copy(update={"enabled": found.enabled}))


def _content(automation: AutomationCore) -> dict[str, Any]:
    """Return what an automation does, without the fields that the server adds."""
    return automation.model_dump(
        include={"description": True, "trigger": True, "actions": True}, exclude={"trigger": {"id"}}
    )
