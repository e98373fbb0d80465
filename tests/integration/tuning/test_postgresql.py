"""The study on a real PostgreSQL server: beside the experiment store's tables, and after the server has died."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from taxi_mlops.pipeline.observer import Observer
from taxi_mlops.pipeline.tune import tune
from taxi_mlops.results.tuning import TuningFolder
from taxi_mlops.service_urls import needed_experiments_url
from taxi_mlops.settings import Settings
from taxi_mlops.stack.services.postgresql import database_password
from taxi_mlops.storage.database import Database
from taxi_mlops.training import Tune

pytest.importorskip("optuna", reason="Optuna is in the extra tune")
psycopg = pytest.importorskip("psycopg", reason="psycopg is in the extra postgresql")
DOCUMENT = Tune().with_parameters({"data": "synthetic:rows=3000,seed=1", "trials": 3, "noise": "0,1"})


class Stops(Observer):
    """Ends the server once two trials have ended."""

    def __init__(self, services):
        self.services, self.said = services, []

    def loading(self, what, done, total):
        if what.startswith("Trials") and done == 2 and self.services is not None:
            self.services.kill("postgresql")
            self.services = None

    def warning(self, text):
        self.said.append(text)


def test_the_study_is_beside_the_store_and_outlives_its_server(own_services, tmp_path):
    services = own_services("postgresql")
    url = services.settings.experiments_url
    password = database_password(services.stack.folder, "experiments")
    settings = Settings(
        runs_dir=tmp_path / "runs",
        cache_dir=tmp_path / "cache",
        points_cache=False,
        mlflow_uri=SecretStr("off"),
        experiments_url=url,
        service_timeout_seconds=2.0,
    )
    Database(needed_experiments_url(settings)).upgrade()
    result = tune(DOCUMENT, TuningFolder(tmp_path / "tuned"), settings, Observer())
    assert password not in result.storage
    with psycopg.connect(url.get_secret_value()) as connection:
        connection.execute("SET search_path = optuna")
        assert connection.execute("SELECT count(*) FROM trials WHERE state <> 'RUNNING'").fetchone() == (3,)
        assert connection.execute("SELECT count(*) FROM public.trials").fetchone() == (0,)

    observer = Stops(services)
    survived = tune(DOCUMENT, TuningFolder(tmp_path / "survived"), settings, observer)
    assert len(survived.trials) == 3
    assert len(observer.said) == 1
    assert "the trials are in the journal, and the tuning continues" in observer.said[0]
    assert password not in observer.said[0]
    assert any("Optuna's storage lacks trials" in warning for warning in survived.warnings)
