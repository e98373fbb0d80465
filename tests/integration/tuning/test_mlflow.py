"""A tuning is a run in MLflow; MLflow that is away costs a warning, and nothing else."""

from __future__ import annotations

import pytest

from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.tune import tune
from taxi_mlops.recording.mlflow_tuning import EXPERIMENT
from taxi_mlops.results.tuning import TuningFolder
from taxi_mlops.settings import Settings
from taxi_mlops.training import Tune

pytest.importorskip("optuna", reason="Optuna is in the extra tune")
mlflow = pytest.importorskip("mlflow", reason="MLflow is in the extra tracking")
DOCUMENT = Tune().with_parameters({"data": "synthetic:rows=3000,seed=1", "trials": 3, "noise": "0,1"})


class Warnings(Observer):
    def __init__(self):
        self.said = []

    def warning(self, text):
        self.said.append(text)


def test_a_tuning_is_a_run_with_its_trials_as_steps(tmp_path):
    settings = Settings(runs_dir=tmp_path / "runs", cache_dir=tmp_path / "cache", points_cache=False)
    result = tune(DOCUMENT, TuningFolder(tmp_path / "tuned"), settings, Observer())
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{settings.runs_dir / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    assert run.data.tags["tuning_id"] == result.header.tuning_id
    assert run.data.params["eps_metres"] == str(result.best_trial.eps_metres)
    assert run.data.metrics["best/unseen"] == pytest.approx(result.best_trial.unseen.value)
    history = client.get_metric_history(run.info.run_id, "unseen")
    assert [(one.step, one.value) for one in history] == [
        (trial.number, pytest.approx(trial.unseen.value)) for trial in result.trials
    ]
    assert {one.path for one in client.list_artifacts(run.info.run_id)} == {"tune.html", "tune.json", "tune.toml"}
    assert run.info.status == "FINISHED"


def test_a_server_that_is_away_costs_a_warning(tmp_path):
    away = Settings(
        runs_dir=tmp_path / "runs",
        cache_dir=tmp_path / "cache",
        points_cache=False,
        mlflow_uri="http://user:secret@127.0.0.1:9",
        service_timeout_seconds=1.0,
    )
    observer, folder = Warnings(), TuningFolder(tmp_path / "tuned")
    result = tune(DOCUMENT, folder, away, observer)
    assert len(result.trials) == 3
    assert folder.page.is_file()
    (warning,) = observer.said
    assert warning.startswith("not recorded in MLflow: http://user:***@127.0.0.1:9: ")
    assert "secret" not in warning
