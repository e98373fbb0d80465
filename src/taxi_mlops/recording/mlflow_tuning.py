"""Record a tuning in MLflow: one run, with the objectives of each trial by its number. MLflow is imported when used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_mlops.errors import ServiceError
from taxi_mlops.recording.mlflow_recorder import MlflowAccess, installed, temporary_environment, without_telemetry
from taxi_mlops.results.tuning import TuningResult
from taxi_mlops.service_urls import ServiceUrl, mlflow_url
from taxi_mlops.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

EXPERIMENT = "hotspot-tuning"
_METRICS_AT_ONCE = 1000


def tuning_target(settings: Settings) -> ServiceUrl | None:
    """Return where tunings are recorded; None if MLflow is turned off, or neither named nor installed."""
    return mlflow_url(settings) if settings.mlflow_uri is not None or installed() else None


def record_tuning(result: TuningResult, files: Sequence[Path], url: ServiceUrl, settings: Settings) -> None:
    """Record a tuning with its files. Raises ServiceError."""
    if not installed():
        raise ServiceError("MLflow is not installed")
    with without_telemetry(), temporary_environment(MlflowAccess.chosen_by(settings).variables()):
        try:
            from mlflow import MlflowClient

            _record(MlflowClient(tracking_uri=url.reveal()), result, files, url, settings)
        except Exception as error:  # noqa: BLE001 - MLflow lets through whatever its many back ends raise
            said = " ".join(str(error).split()) or type(error).__name__
            raise ServiceError(f"{url}: {url.scrub(said)}") from None


def _record(
    client: MlflowClient, result: TuningResult, files: Sequence[Path], url: ServiceUrl, settings: Settings
) -> None:
    from mlflow.entities import Param

    header = result.header
    experiment = _experiment(client, url, settings)
    tags = {"kind": "tuning", "tuning_id": header.tuning_id, "fingerprint": header.dataset.fingerprint}
    name = f"tune {Path(header.dataset.uri).name or header.dataset.uri}"
    run_id = client.create_run(experiment, _milliseconds(header.created_at), tags, name).info.run_id
    try:
        best, document = result.best_trial, header.document
        params = {
            "objectives": ",".join(document.objectives),
            "sampler": document.sampler,
            "noise": ",".join(map(str, document.noise)),
            "eps_range": ",".join(map(str, header.eps_metres)),
            "min_samples_range": ",".join(map(str, header.min_samples)),
            **({} if best is None else {"eps_metres": str(best.eps_metres), "min_samples": str(best.min_samples)}),
        }
        client.log_batch(run_id, params=[Param(name, value) for name, value in params.items()], synchronous=True)
        metrics = list(_metrics(result))
        for first in range(0, len(metrics), _METRICS_AT_ONCE):
            client.log_batch(run_id, metrics[first : first + _METRICS_AT_ONCE], synchronous=True)
        for path in files:
            client.log_artifact(run_id, str(path))
        client.set_terminated(run_id)
    except BaseException:
        with suppress(Exception):
            client.delete_run(run_id)
        raise


def _metrics(result: TuningResult) -> Iterator[Metric]:
    """Return the values of all trials, the step being the trial's number, then those of the best."""
    from mlflow.entities import Metric

    for trial in result.trials:
        for name, value in (
            ("noise", trial.noise_ratio),
            ("unseen", None if trial.unseen is None else trial.unseen.value),
            ("stability", None if trial.stability is None else trial.stability.value),
        ):
            if value is not None:
                at = _milliseconds(trial.finished_at)
                yield Metric(name, value, at, trial.number)
                if trial.number == result.best:
                    yield Metric(f"best/{name}", value, at, 0)


def _experiment(client: MlflowClient, url: ServiceUrl, settings: Settings) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        embedded = not url.reveal().startswith(("http://", "https://"))
        artifacts = (settings.runs_dir / "mlflow-artifacts").absolute().as_uri() if embedded else None
        with suppress(MlflowException):  # another process may be faster
            return client.create_experiment(EXPERIMENT, artifacts)
        found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        raise ServiceError(f"experiment {EXPERIMENT!r} cannot be created")
    return str(found.experiment_id)


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
