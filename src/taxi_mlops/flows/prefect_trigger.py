"""Start a deployment's flow run for the command line, and follow its log: `taxi run`.

Import this module within `prefect_environment.configured_server` alone: Prefect reads its settings as it is imported.
"""

from __future__ import annotations

import inspect
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.sorting import LogSort
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_UI_URL
from pydantic import TypeAdapter, ValidationError

from taxi_mlops.errors import UsageError
from taxi_mlops.flows import flow_runs
from taxi_mlops.flows.deployments import Deployed
from taxi_mlops.flows.forms import values_from_text
from taxi_mlops.flows.prefect_environment import is_unreachable
from taxi_mlops.parameters import check_known, keys_of
from taxi_mlops.parameters import parameters_of as declared_parameters

_FORMER_NAMES = {"folder": "output"}
_POLL_SECONDS = 0.5
_LOGS_AT_ONCE = 200
_RESTART_SECONDS = 30.0
_MAX_OUTAGE_SECONDS = 120.0
"""Maximum server outage that `--watch` tolerates."""
_WITHOUT_NEWS = "Finished in state Completed()"
"""What Prefect logs of every task that succeeded, without its name: not worth a line."""
_LAST_LOGS_SECONDS = 2.0
"""How long to wait for the log of a run that has ended, since it arrives later than the state."""


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A flow run that was started. page: its URL in Prefect's pages."""

    id: UUID
    name: str
    page: str


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The final state of a flow run, as Prefect names it."""

    state: str
    message: str
    completed: bool


def parameters_of(deployment: Deployed, given: Sequence[str]) -> dict[str, Any]:
    """Read `key=value` arguments as the parameters of a deployment, validated as the flow does.

    Raises UsageError that names the key and the value.
    """
    texts: dict[str, str] = {}
    for word in given:
        key, equals, text = word.partition("=")
        if not equals:
            raise UsageError(f"{word!r} is not a parameter; write key=value")
        texts[key] = text
    form = inspect.signature(deployment.flow.fn, eval_str=True).parameters
    declared = declared_parameters(deployment.document) if deployment.document else {}
    check_known(texts, form, keys_of(declared) | _FORMER_NAMES)
    values = {key: _value(key, text, form[key].annotation) for key, text in texts.items() if key not in declared}
    if deployment.document:
        declared_texts = {key: text for key, text in texts.items() if key in declared}
        values |= values_from_text(deployment.document, declared_texts)
    flow_runs.check_spec_alone(deployment.flow, deployment.parameters | values)
    return values


def start(deployment: Deployed, parameters: dict[str, Any]) -> StartedRun:
    """Schedule a run that starts at once. Raises UsageError if the deployment does not exist."""
    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(deployment.full_name)
        except ObjectNotFound:
            raise UsageError(f"{deployment.name} is not deployed at {client.api_url}; run: taxi deploy") from None
        # The client retries after a timeout; the key makes sure that there is one run.
        run = client.create_flow_run_from_deployment(
            found.id, parameters=parameters, tags=flow_runs.caller_tags(), idempotency_key=secrets.token_hex()
        )
    return StartedRun(run.id, run.name, f"{PREFECT_UI_URL.value()}/runs/flow-run/{run.id}")


def follow_run(run: StartedRun, report: Callable[[str], None]) -> RunEnd:
    """Report the run's log until it has ended. After a crash, wait `_RESTART_SECONDS` for the run to be restarted.

    An outage of the server is tolerated for `_MAX_OUTAGE_SECONDS`, since the run continues without it.
    """
    reported: set[UUID] = set()
    state: str | None = None
    ended_at = unreachable_since = 0.0
    with get_client(sync_client=True) as client:
        while True:
            try:
                now = client.read_flow_run(run.id).state
                if now is not None and now.name != state:
                    state, ended_at = now.name, time.monotonic()
                    report(f"· {state}")
                _report_new_logs(client, run, reported, report)
            except httpx.HTTPError as error:
                if not is_unreachable(error) or (
                    unreachable_since and time.monotonic() > unreachable_since + _MAX_OUTAGE_SECONDS
                ):
                    raise
                if not unreachable_since:
                    unreachable_since = time.monotonic()
                    report("· Prefect's server is unavailable; the run continues without it")
                time.sleep(_POLL_SECONDS)
                continue
            unreachable_since = 0.0
            timeout = _RESTART_SECONDS if now is not None and now.is_crashed() else _LAST_LOGS_SECONDS
            if now is not None and now.is_final() and time.monotonic() > ended_at + timeout:
                return RunEnd(now.name or now.type.value, " ".join((now.message or "").split()), now.is_completed())
            time.sleep(_POLL_SECONDS)


def _report_new_logs(
    client: SyncPrefectClient, run: StartedRun, reported: set[UUID], report: Callable[[str], None]
) -> None:
    """Report new records. They arrive in batches, so that a new one may be older than one reported before."""
    wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
    first = max(0, len(reported) - _LOGS_AT_ONCE // 2)
    while records := client.read_logs(wanted, limit=_LOGS_AT_ONCE, offset=first, sort=LogSort.TIMESTAMP_ASC):
        for record in records:
            if record.id not in reported:
                reported.add(record.id)
                if record.message != _WITHOUT_NEWS:
                    report(record.message)
        first += len(records)


def _value(key: str, text: str, annotation: Any) -> Any:  # noqa: ANN401 - of any types
    """Return the value of a parameter that no document declares."""
    try:
        return TypeAdapter(annotation).validate_python(text)
    except ValidationError as error:
        raise UsageError(f"{key} = {text!r}: {error.errors()[0]['msg']}") from None
