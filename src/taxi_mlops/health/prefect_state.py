"""Query Prefect's server for the state of deployments, flow runs and workers, which its own metrics leave out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from taxi_mlops.settings import DEPLOYMENT_NAME, Settings

if TYPE_CHECKING:
    import httpx

TAG = "taxi"
"""Tag of our deployments; a server may have others."""
NO_DEPLOYMENT = "none"
OTHER = "other"
"""Label of a deployment whose name the setting `deployment` does not allow: names become labels."""
WINDOW = timedelta(hours=24)
STATES = ("scheduled", "pending", "running", "completed", "failed", "crashed", "cancelled", "paused", "cancelling")

_PAGE = 200
_PAGES = 10


@dataclass
class DeploymentState:
    """Flow runs of one deployment. Times are seconds since 1970; None for what has not happened yet."""

    runs: Counter[str] = field(default_factory=Counter)
    created: float | None = None
    last_success: float | None = None
    last_failure: float | None = None
    queue_wait_seconds: float | None = None
    interval_seconds: float | None = None


@dataclass
class PoolState:
    """Workers of our pool by status, and the time of the last heartbeat."""

    workers: Counter[str] = field(default_factory=Counter)
    heartbeat: float | None = None


@dataclass(frozen=True)
class PrefectState:
    """The deployments and work pools of a Prefect server, by name."""

    deployments: dict[str, DeploymentState]
    pools: dict[str, PoolState]


def prefect_state(settings: Settings, timeout_seconds: float) -> PrefectState:
    """Query the configured server. Raises httpx.HTTPError."""
    import httpx

    auth = None
    if settings.prefect_api_auth is not None:
        user, _, password = settings.prefect_api_auth.get_secret_value().partition(":")
        auth = (user, password)
    address = str(settings.prefect_api_url).rstrip("/")
    with httpx.Client(base_url=address, auth=auth, timeout=timeout_seconds, trust_env=False) as client:
        ours = {"deployments": {"tags": {"all_": [TAG]}}}
        found = list(_all(client, "/deployments/filter", ours))
        names = {each["id"]: _label(each["name"]) for each in found}
        names[None] = NO_DEPLOYMENT
        deployments = {name: DeploymentState() for name in names.values()}
        now = datetime.now(UTC)
        due = {"after_": (now - WINDOW).isoformat(), "before_": now.isoformat()}
        query = {"flow_runs": {"expected_start_time": due}, "sort": "EXPECTED_START_TIME_DESC"}
        for run in _all(client, "/flow_runs/filter", query):
            if run["deployment_id"] in names:
                _add(deployments[names[run["deployment_id"]]], run)
        for each in found:
            if names[each["id"]] != OTHER:
                _complete(client, each, deployments[names[each["id"]]])
        pool = {"work_pools": {"name": {"any_": [settings.prefect_work_pool]}}}
        pools = {each["name"]: _pool(client, each["name"]) for each in _all(client, "/work_pools/filter", pool)}
    return PrefectState(deployments, pools)


def _label(name: str) -> str:
    return name if re.fullmatch(DEPLOYMENT_NAME, name) else OTHER


def _add(state: DeploymentState, run: dict[str, Any]) -> None:
    kind = str(run["state_type"] or "pending").lower()
    state.runs[kind] += 1
    if run["start_time"] and state.queue_wait_seconds is None:  # the newest run comes first
        state.queue_wait_seconds = max(0.0, _seconds(run["start_time"]) - _seconds(run["expected_start_time"]))


def _complete(client: httpx.Client, deployment: dict[str, Any], state: DeploymentState) -> None:
    """Add what the window does not show: the last success and failure ever, and the next two runs."""
    deployment_id = deployment["id"]
    state.created = _seconds(deployment["created"])
    state.last_success = _last(client, deployment_id, ["COMPLETED"])
    state.last_failure = _last(client, deployment_id, ["FAILED", "CRASHED"])
    query = {
        **_of(deployment_id, ["SCHEDULED"], {"expected_start_time": {"after_": datetime.now(UTC).isoformat()}}),
        **{"sort": "EXPECTED_START_TIME_ASC", "limit": 2},
    }
    coming = [_seconds(run["expected_start_time"]) for run in _post(client, "/flow_runs/filter", query)]
    if len(coming) == 2:
        state.interval_seconds = coming[1] - coming[0]


def _last(client: httpx.Client, deployment_id: str, states: list[str]) -> float | None:
    query = {**_of(deployment_id, states), "sort": "END_TIME_DESC", "limit": 1}
    found = _post(client, "/flow_runs/filter", query)
    return _seconds(found[0]["end_time"]) if found and found[0]["end_time"] else None


def _of(deployment_id: str, states: list[str], more: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "deployments": {"id": {"any_": [deployment_id]}},
        "flow_runs": {"state": {"type": {"any_": states}}, **(more or {})},
    }


def _pool(client: httpx.Client, name: str) -> PoolState:
    state = PoolState()
    for worker in _all(client, f"/work_pools/{name}/workers/filter", {}):
        state.workers[str(worker["status"]).lower()] += 1
        if worker["last_heartbeat_time"]:
            state.heartbeat = max(state.heartbeat or 0.0, _seconds(worker["last_heartbeat_time"]))
    return state


def _all(client: httpx.Client, path: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for page in range(_PAGES):
        found = _post(client, path, {**query, "limit": _PAGE, "offset": page * _PAGE})
        yield from found
        if len(found) < _PAGE:
            return


def _post(client: httpx.Client, path: str, query: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.post(path, json=query).raise_for_status().json()
    return found


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
