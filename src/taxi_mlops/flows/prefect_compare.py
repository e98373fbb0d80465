"""The comparison as a Prefect flow: the steps of `pipeline.compare`, each as a task.

Import this module through `run_flow` alone: Prefect reads its settings as it is imported.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, TaskRun
from prefect.concurrency.sync import concurrency
from prefect.tasks import Task

from taxi_mlops.errors import DownloadError, TaxiError
from taxi_mlops.flows.prefect_artifacts import show_comparison
from taxi_mlops.pipeline import compare as steps
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.points import Load, cached_points
from taxi_mlops.pipeline.record import NotRecordedError
from taxi_mlops.pipeline.step_runner import Step, StepRunner
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.settings import Settings, load_settings
from taxi_mlops.specification import Specification

R = TypeVar("R")

RETRY_SECONDS = [2.0, 10.0]
LEASE_SECONDS = 60.0
"""How long a run that was killed keeps its slot of the limit."""
TIMED_TRIALS = f"taxi-timed-trials-{socket.gethostname()}"
"""Prefect's concurrency limit, one for each host. It is a courtesy: trials rely on the lock of `trials.host_lock`."""

_RETRYABLE: dict[Step, type[Exception]] = {Step.LOAD: DownloadError, Step.RECORD: NotRecordedError}


@dataclass(frozen=True)
class Caller:
    """Arguments of a flow run that Prefect cannot store as parameters.

    load: how the run gets its points.
    server_is_shared: whether the server is used by other runs too: then it limits timed trials as well. On a temporary
    server the limit is not used: if that is killed, the slot would stay taken in its database.
    """

    observer: Observer = field(default_factory=Observer)
    server_is_shared: bool = True
    load: Load = cached_points


caller: ContextVar[Caller] = ContextVar("caller", default=Caller())  # noqa: B039 - it is immutable


class PrefectStepRunner(StepRunner):
    """Calls each step as a task, in the thread of the flow."""

    def __init__(self, settings: Settings, server_is_shared: bool) -> None:
        self._patience_seconds = settings.host_lock_timeout_seconds
        self._limited = server_is_shared

    def perform(self, step: Step, action: Callable[[], R], title: str) -> R:
        call: Callable[..., R] = _TASKS[step].with_options(task_run_name=title)
        return call(action)

    @contextmanager
    def exclusive_host(self) -> Iterator[None]:
        with ExitStack() as stack:
            if self._limited:
                self._take_slot(stack)
            yield

    def _take_slot(self, stack: ExitStack) -> None:
        with get_client(sync_client=True) as client:
            client.upsert_global_concurrency_limit_by_name(TIMED_TRIALS, limit=1)
        try:
            stack.enter_context(
                concurrency(
                    TIMED_TRIALS,
                    timeout_seconds=self._patience_seconds,
                    lease_duration=LEASE_SECONDS,
                    raise_on_lease_renewal_failure=False,
                )
            )
        except TimeoutError:
            raise TaxiError(
                f"Prefect's concurrency limit {TIMED_TRIALS} has been taken for {self._patience_seconds:g} s, though "
                f"no run holds this host's lock; free it with: prefect gcl update {TIMED_TRIALS} --active-slots 0"
            ) from None


def _task_of(step: Step) -> Any:  # noqa: ANN401 - of any types
    """Return the task of a step. Prefect stores no results: the run folder has them. Only outages are retried."""

    def is_retryable(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
        return isinstance(state.result(raise_on_failure=False), _RETRYABLE[step])

    retries: dict[str, Any] = {}
    if step in _RETRYABLE:
        retries = {
            "retries": len(RETRY_SECONDS),
            "retry_delay_seconds": RETRY_SECONDS,
            "retry_condition_fn": is_retryable,
        }

    @task(name=step.value, tags=["taxi", step.value], cache_policy=NO_CACHE, persist_result=False, **retries)
    def perform(action: Callable[[], R]) -> R:
        return action()

    return perform


_TASKS = {step: _task_of(step) for step in Step}


@flow(name="compare", persist_result=False)
def compare(folder: Path, specification: Specification | None = None, verbose: bool = False) -> Comparison:
    """Run a comparison in a new folder, or resume the folder's run if no specification is given."""
    return run_steps(RunFolder(folder), specification, load_settings(), verbose)


def run_steps(
    folder: RunFolder, specification: Specification | None, settings: Settings, verbose: bool = False
) -> Comparison:
    """Run the steps as tasks of the current flow run, and create its artifacts."""
    called_by = caller.get()
    observer, runner = called_by.observer, PrefectStepRunner(settings, called_by.server_is_shared)
    if specification is None:
        comparison = steps.resume(folder, settings, observer, verbose, runner, called_by.load)
    else:
        comparison = steps.compare(specification, folder, settings, observer, verbose, runner, called_by.load)
    show_comparison(comparison, folder)
    return comparison
