"""Record runs in MLflow: in a database, or at a server by its tracking URI. MLflow is imported when it is used."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from taxi_mlops.errors import ServiceError
from taxi_mlops.monitoring.logs import redirected
from taxi_mlops.recording.base import RecordedRun
from taxi_mlops.recording.mlflow_entries import Entry, adapter_entries, comparison_entry, data_set
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.service_urls import ServiceUrl
from taxi_mlops.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run

MLFLOW = "mlflow"
INSTALL = "pip install 'taxi-mlops[tracking]'"

_CONTENT = "content"
"""Tag that is written last: a run without it is incomplete."""

_METRICS_AT_ONCE = 1000
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""The kind of experiment; without it MLflow's page guesses, and asks."""

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",  # else a model holds pyproject.toml and uv.lock of the working folder
}
_RETRIES = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
"""MLflow's own default retries for minutes if a server is down."""


def installed() -> bool:
    """Return whether MLflow can be imported."""
    return find_spec("mlflow") is not None


@dataclass(frozen=True)
class MlflowAccess:
    """Access to a server: credentials, trusted certificates, timeout."""

    username: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    timeout_seconds: float = 10.0

    @classmethod
    def chosen_by(cls, settings: Settings) -> MlflowAccess:
        return cls(
            settings.mlflow_username, settings.mlflow_password, settings.ca_file, settings.service_timeout_seconds
        )

    def variables(self) -> dict[str, str]:
        """The environment variables of this access; MLflow takes them in no other way."""
        given = {
            "MLFLOW_TRACKING_USERNAME": self.username,
            "MLFLOW_TRACKING_PASSWORD": self.password.get_secret_value() if self.password else None,
            "MLFLOW_TRACKING_SERVER_CERT_PATH": str(self.ca_file) if self.ca_file else None,
            "MLFLOW_HTTP_REQUEST_TIMEOUT": str(math.ceil(self.timeout_seconds)),
        }
        return {name: value for name, value in given.items() if value is not None}


class MlflowRecorder:
    """Records a parent run per comparison and a child run per adapter under one experiment.

    artifacts: the folder of artifacts if the URI is a database; a server has its own.
    describe: returns the comparison in Markdown, for the top of its page.
    access: to a server.
    """

    name = MLFLOW

    def __init__(
        self,
        url: ServiceUrl,
        experiment: str,
        artifacts: Path,
        describe: Callable[[Comparison], str],
        access: MlflowAccess | None = None,
    ) -> None:
        self.target = str(url)
        self._url = url
        self._experiment = experiment
        self._artifacts = artifacts
        self._describe = describe
        self._access = access or MlflowAccess()

    def record(self, run: RecordedRun) -> str | None:
        if not installed():
            raise ServiceError(f"MLflow is not installed; install it with: {INSTALL}")
        with without_telemetry(), temporary_environment(self._access.variables()):
            try:
                return self._record(run)
            except Exception as error:  # noqa: BLE001 - MLflow lets through whatever its many back ends raise
                said = " ".join(str(error).split()) or type(error).__name__
                raise ServiceError(f"{self.target}: {self._url.scrub(said)}") from None

    @property
    def _is_server(self) -> bool:
        return self._url.reveal().startswith(("http://", "https://"))

    def _record(self, run: RecordedRun) -> str | None:
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=self._url.reveal())
        experiment = self._experiment_id(client)
        ours = f"tags.run_id = '{run.run_id}'"
        for found in client.search_runs([experiment], ours):
            if found.data.tags.get(_CONTENT) == run.content:
                return self._page(experiment, found.info.run_id)
        written: list[str] = []
        try:
            self._write(client, experiment, run, written)
        except BaseException:
            with suppress(Exception):  # the next recording removes what cannot be removed now
                for run_id in written:
                    client.delete_run(run_id)
            raise
        for found in client.search_runs([experiment], ours):
            if found.info.run_id not in written:  # an earlier record, or one whose response was lost
                client.delete_run(found.info.run_id)
        return self._page(experiment, written[0])

    def _page(self, experiment: str, run_id: str) -> str | None:
        """Return the page of the parent at a server; a database has none."""
        return f"#/experiments/{experiment}/runs/{run_id}" if self._is_server else None

    def _write(self, client: MlflowClient, experiment: str, run: RecordedRun, written: list[str]) -> None:
        """Write all runs, the parent's last tag at the end. written: their ids are appended to it."""
        inputs = _inputs(run.comparison)
        entry = comparison_entry(run, self._describe(run.comparison))
        parent = _begin(client, experiment, entry, {})
        written.append(parent.info.run_id)
        _fill(client, parent, entry, inputs)
        for child_entry in adapter_entries(run):
            child = _begin(client, experiment, child_entry, {"mlflow.parentRunId": parent.info.run_id})
            written.append(child.info.run_id)
            _fill(client, child, child_entry, inputs)
            _end(client, child, child_entry)
        _end(client, parent, entry)
        client.set_tag(parent.info.run_id, _CONTENT, run.content)

    def _experiment_id(self, client: MlflowClient) -> str:
        from mlflow.exceptions import MlflowException

        found = client.get_experiment_by_name(self._experiment)
        if found is None:
            try:
                return client.create_experiment(self._experiment, self._artifact_location(), _EXPERIMENT_TAGS)
            except MlflowException:  # another process was faster, or the experiment cannot be created
                found = client.get_experiment_by_name(self._experiment)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _artifact_location(self) -> str | None:
        return None if self._is_server else self._artifacts.absolute().as_uri()


def _inputs(comparison: Comparison) -> list[DatasetInput]:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    points = data_set(comparison)
    dataset = Dataset(
        name=points.name,
        digest=points.digest,
        source_type=points.source_type,
        source=points.source,
        schema=points.schema,
        profile=points.profile,
    )
    return [DatasetInput(dataset, [InputTag("mlflow.data.context", "clustering")])]


def _begin(client: MlflowClient, experiment: str, entry: Entry, tags: dict[str, str]) -> Run:
    # PostgreSQL refuses NUL characters, which a crashing library may have printed.
    reported = {name: value.replace("\x00", "\ufffd") for name, value in entry.tags.items()}
    return client.create_run(experiment, _milliseconds(entry.start), {**reported, **tags}, entry.name)


def _fill(client: MlflowClient, run: Run, entry: Entry, inputs: list[DatasetInput]) -> None:
    from mlflow.entities import Metric, Param

    run_id = run.info.run_id
    metrics = [Metric(m.name, m.value, _milliseconds(m.at), m.step) for m in entry.metrics]
    client.log_batch(run_id, params=[Param(name, value) for name, value in entry.params.items()], synchronous=True)
    for first in range(0, len(metrics), _METRICS_AT_ONCE):
        client.log_batch(run_id, metrics[first : first + _METRICS_AT_ONCE], synchronous=True)
    client.log_inputs(run_id, inputs)
    for path in entry.files:
        client.log_artifact(run_id, str(path), entry.folder or None)


def _end(client: MlflowClient, run: Run, entry: Entry) -> None:
    client.set_terminated(run.info.run_id, entry.status, _milliseconds(entry.end))


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Turn MLflow's telemetry off, and send its log records to the log of the run."""
    os.environ.update(_ENVIRONMENT)
    for name, value in _RETRIES.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow  # noqa: F401 - it sets up its loggers when it is imported

        with redirected("mlflow", "alembic"):
            yield


@contextmanager
def temporary_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables while the context lasts, so that processes started later inherit no password."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
