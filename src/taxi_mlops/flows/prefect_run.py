"""Run the comparison as a Prefect flow for the command line, on the configured server or a temporary one."""

from __future__ import annotations

from pathlib import Path

from taxi_mlops.errors import ServiceError, UsageError
from taxi_mlops.flows.prefect_environment import (
    API_URL,
    INSTALL,
    check_server,
    is_installed,
    prefect_settings,
    server_is_configured,
)
from taxi_mlops.flows.prefect_server import start_server
from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.settings import Settings
from taxi_mlops.specification import Specification


def run_flow(
    specification: Specification | None, folder: Path, settings: Settings, observer: Observer, verbose: bool
) -> Comparison:
    """Run `pipeline.compare` as a Prefect flow; if the specification is None, resume the folder's run.

    Raises UsageError if Prefect is not installed, ServiceError if its server does not answer, or fails later, and what
    the steps raise.
    """
    if not is_installed():
        asked_by = f"{API_URL} is set" if server_is_configured(settings) else "--flow was given"
        raise UsageError(f"{asked_by}, but Prefect is not installed; install it with: {INSTALL} (or use --no-flow)")
    with prefect_settings(settings, verbose):
        import httpx
        from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
        from prefect.exceptions import PrefectException
        from prefect.settings import PREFECT_API_URL, temporary_settings

        from taxi_mlops.flows import prefect_compare

        url = PREFECT_API_URL.value()
        prefect_compare.caller.set(prefect_compare.Caller(observer, server_is_shared=url is not None))
        if url is None:
            observer.stage("Starting a Prefect server for this run")
        with temporary_settings({PREFECT_API_URL: url or start_server()}):
            check_server()
            try:
                return prefect_compare.compare(folder=folder, specification=specification, verbose=verbose)
            except (httpx.HTTPError, PrefectException, ConcurrencySlotAcquisitionError) as error:
                raise ServiceError(
                    f"Prefect's server failed during the run ({type(error).__name__}: {error}); no finished trial is "
                    f"lost: resume with: taxi compare --resume {folder} --no-flow"
                ) from error
