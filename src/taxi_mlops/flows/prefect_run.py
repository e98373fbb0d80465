"""Runs the flow for the command line: with the server that Prefect's settings name, or one of its own."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from taxi_mlops.errors import ServiceError, UsageError
from taxi_mlops.flows.observer import Observer
from taxi_mlops.flows.prefect_server import NO_CALLS_HOME, start_server
from taxi_mlops.recording.comparison import Comparison
from taxi_mlops.specification import Specification

API_URL = "PREFECT_API_URL"
INSTALL = "pip install 'taxi-mlops[flow]'"


def server_is_named() -> bool:
    """Whether the environment names a Prefect server."""
    return bool(os.environ.get(API_URL))


def is_installed() -> bool:
    return find_spec("prefect") is not None


def run_flow(specification: Specification | None, folder: Path, observer: Observer, verbose: bool) -> Comparison:
    """Run `flows.compare` as a Prefect flow; None goes on with the folder's run.

    Raises UsageError where Prefect is not installed, ServiceError where its server does not answer, at first or any
    more, and what the steps raise.
    """
    if not is_installed():
        asked_by = f"{API_URL} is set" if server_is_named() else "--flow was given"
        raise UsageError(f"{asked_by}, but Prefect is not installed; get it with: {INSTALL} (or use --no-flow)")
    for name, value in NO_CALLS_HOME.items():
        os.environ.setdefault(name, value)
    if not verbose:
        # Its records still go to the server; on the terminal a user's mistake is one line.
        for handler in ("CONSOLE", "DEBUG"):
            os.environ.setdefault(f"PREFECT_LOGGING_HANDLERS_{handler}_LEVEL", "CRITICAL")
    import httpx
    from prefect.exceptions import PrefectException
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from taxi_mlops.flows import prefect_compare

    url = PREFECT_API_URL.value()
    prefect_compare.caller.set(prefect_compare.Caller(observer, server_is_shared=url is not None))
    if url is None:
        observer.stage("Starting a Prefect server for this run")
    with temporary_settings({PREFECT_API_URL: url or start_server()}):
        prefect_compare.check_server()
        try:
            return prefect_compare.compare(folder=folder, specification=specification, verbose=verbose)
        except (httpx.HTTPError, PrefectException) as error:
            raise ServiceError(
                f"Prefect's server failed during the run ({type(error).__name__}: {error}); no finished trial is lost: "
                f"go on with: taxi compare --resume {folder} --no-flow"
            ) from error
